"""A picture of a measurement: BenchResult and the floors of its stages -> a file of bars, by matplotlib."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bark_cli.bench.timing import BenchResult
from bark_cli.system.plots import check_plot, write_picture
from bark_cli.system.units import human_speed


def draw(result: BenchResult, floors: Mapping[str, float], path: Path, *, force: bool = False) -> None:
    """Write a bar per stage, and beside it the bar of its floor where it has one.

    Raises:
        OptionError: as `check_plot`.
        OutputError: the file exists and `force` is off, or the disk refuses.
    """
    check_plot(path, force=force)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes = figure.subplots()
    names = list(result.stages)[::-1]  # the first stage on top
    rows = range(len(names))
    measured = [result.stages[name].seconds for name in names]
    axes.barh([row + 0.2 for row in rows], measured, height=0.38, color="#3a6ea5", label="measured")
    least = [floors.get(name, 0.0) for name in names]
    rate = f"{result.read_bytes_per_second / 1e9:.1f} GB/s"
    axes.barh(
        [row - 0.2 for row in rows], least, height=0.38, color="#c9c9c9", label=f"weights read at {rate}"
    )
    for row, name in enumerate(names):
        axes.annotate(f" {result.stages[name].seconds:.2f} s", (measured[row], row + 0.2), va="center")
        mark = f" {floors[name]:.2f} s" if name in floors else " (bound by computing)"
        axes.annotate(mark, (least[row], row - 0.2), va="center", color="#666666")
    axes.set_yticks(list(rows), names)
    axes.margins(x=0.15)
    axes.set_xlabel(f"seconds for {result.audio_seconds:.1f} s of speech")
    axes.set_title(
        f"{result.model}, {result.precision} on {result.device}, {_batch(result.batch_size)}: "
        f"{human_speed(result.real_time_factor)}",
        fontsize=11,
        parse_math=False,  # a model's folder may have $ in its name
    )
    axes.legend(loc="lower right", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    write_picture(figure, path, force=force)


def _batch(size: int) -> str:
    return "one utterance" if size == 1 else f"{size} utterances at once"
