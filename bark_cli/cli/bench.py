"""`bark bench`: how fast this machine speaks, and how fast it could."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bark_cli.cli import options
from bark_cli.cli.output import note, one_line, print_json
from bark_cli.errors import OptionError
from bark_cli.system.units import human_speed

if TYPE_CHECKING:
    from bark_cli.bench import BenchResult
    from bark_cli.pipeline import Bark


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is measured."""

    model: str | None  # name or folder; None is the best installed
    random_weights: bool
    size: Literal["small", "large"] | None
    precision: str
    device: str

    def check(self) -> None:
        """Refuse what does not go together.

        Raises:
            OptionError: a model and random weights were asked for, or a size of neither.
        """
        if self.random_weights and self.model is not None:
            raise OptionError("--random-weights is a model by itself; leave out --model, or --random-weights")
        if self.size is not None and self.model is None and not self.random_weights:
            raise OptionError(
                "--size is of --random-weights, or of a folder named by --model; add one of them"
            )


MOST_UTTERANCES = 1024


@dataclass(frozen=True, kw_only=True)
class Showing:
    """What is shown of it."""

    plot: str | None  # a picture
    force: bool  # write over one that exists
    as_json: bool
    quiet: bool


def bench(
    model: options.Model = None,
    random_weights: Annotated[
        bool,
        typer.Option(
            "--random-weights",
            help="Use random weights in the shape of Suno's Bark; needs no download, but up to 4.4 GB of "
            "disk until they are loaded.",
        ),
    ] = False,
    size: Annotated[
        Literal["small", "large"] | None,
        typer.Option(
            help="Size of --random-weights (small by default), or model to use where a folder holds both."
        ),
    ] = None,
    seconds: Annotated[
        float,
        typer.Option(
            metavar="S",
            min=0.02,
            max=3600.0,
            help="Exact length of speech in each utterance; what exceeds the model's longest "
            "utterance is made of several, one after the other.",
        ),
    ] = 5.0,
    batch_size: Annotated[
        str,
        typer.Option(
            metavar="N|auto",
            help="Number of utterances to speak at once; auto: as many as save time and fit into memory.",
        ),
    ] = "1",
    precision: options.Precision = None,
    device: options.Device = None,
    repeats: Annotated[
        int, typer.Option(min=1, max=1000, metavar="R", help="Number of runs; the median is reported.")
    ] = 3,
    plot: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Draw the time of each stage beside its floor into FILE (.png .svg .pdf); needs matplotlib.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing FILE.")] = False,
    as_json: options.Json = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print no progress.")] = False,
) -> None:
    """Measure how fast this machine speaks.

    \b
    bark bench
    bark bench --random-weights --size small --seconds 5
    bark bench -m nano --batch-size 16 --plot nano.png --json

    Loading and a first warm-up are left out of the time. The floor is what reading the weights takes at the
    speed at which this machine's memory was measured to be read.
    """
    subject = Subject(
        model=model,
        random_weights=random_weights,
        size=size,
        precision=precision or "auto",
        device=device or "auto",
    )
    delivery = Showing(plot=plot, force=force, as_json=as_json, quiet=quiet)
    run(subject, seconds, batch_size, repeats, delivery)


def run(subject: Subject, seconds: float, batch_size: str, repeats: int, delivery: Showing) -> None:
    """Measure and show; what can be found wrong without the model is, before it is loaded.

    Raises:
        BarkError: an option is wrong, the model cannot be loaded, or the picture not be written.
    """
    subject.check()
    asked = _batch_size(batch_size)
    from bark_cli.bench import BenchPlan, draw, floors, measure
    from bark_cli.system.plots import check_plot

    plan = BenchPlan(seconds=seconds, batch_size=asked or 1, repeats=repeats)
    if delivery.plot is not None:
        check_plot(Path(delivery.plot), force=delivery.force)
    tell = (lambda _: None) if delivery.quiet else note
    bark, load_seconds = _load(subject, tell)
    if asked is None:
        plan = replace(plan, batch_size=bark.fitting_batch_size())
    result = measure(bark, plan, load_seconds=load_seconds, tell=tell)
    least = floors(bark.config, result)
    if delivery.plot is not None:
        draw(result, least, Path(delivery.plot), force=delivery.force)
    if delivery.as_json:
        print_json(result.to_dict())
    else:
        _print_tables(result, least)


def _batch_size(asked: str) -> int | None:
    """The number that was asked for, or None for auto.

    Raises:
        OptionError: it is neither.
    """
    if asked == "auto":
        return None
    if not asked.isdecimal() or not 1 <= int(asked) <= MOST_UTTERANCES:
        raise OptionError(f"--batch-size takes auto or a number from 1 to {MOST_UTTERANCES}, not {asked!r}")
    return int(asked)


def _load(subject: Subject, tell: Callable[[str], None]) -> tuple[Bark, float]:
    """The model, and the seconds that loading took; torch, where needed, is imported before they count."""
    from bark_cli.backends.device import choose_device, choose_precision
    from bark_cli.bench import load_timed, random_model
    from bark_cli.pipeline import Bark

    device, precision = subject.device, subject.precision
    computed = choose_precision("auto", choose_device(device)) if precision == "auto" else precision
    if computed != "int8":
        import torch  # noqa: F401
    if not subject.random_weights:
        tell("loading the model")
        return load_timed(
            lambda: Bark.load(
                subject.model, size=subject.size, on_note=tell, device=device, precision=precision
            )
        )
    size = subject.size or "small"
    precision = choose_precision(precision, choose_device(device))
    tell(f"making random weights of the {size} shape")
    with random_model(size, storage="int8" if precision == "int8" else "fp32") as folder:
        return load_timed(lambda: Bark.load(folder, device=device, precision=precision))


def _print_tables(result: BenchResult, least: Mapping[str, float]) -> None:
    """The stages, and beneath them what concerns the whole."""
    from rich.console import Console
    from rich.table import Table

    stages = Table("stage", title=f"{one_line(result.model)}, {result.precision} on {result.device}")
    for heading in ("seconds", "floor", "tokens", "ms per token"):
        stages.add_column(heading, justify="right")
    for name, cost in result.stages.items():
        floor = f"{least[name]:.3f}" if name in least else "-"
        stages.add_row(name, f"{cost.seconds:.3f}", floor, str(cost.tokens), f"{cost.ms_per_token:.2f}")
    whole = Table.grid(padding=(0, 2))
    for name, value in _facts(result).items():
        whole.add_row(name, value)
    console = Console()
    console.print(stages)
    console.print(whole)


def _facts(result: BenchResult) -> dict[str, str]:
    runs = len(result.runs)
    spread = f", median of {runs} runs of {min(result.runs):.2f} to {max(result.runs):.2f} s"
    utterances = "one utterance" if result.batch_size == 1 else f"{result.batch_size} utterances at once"
    peak = result.peak_memory_bytes
    return {
        "speech": f"{result.audio_seconds:.1f} s, {utterances}",
        "time": f"{result.seconds:.2f} s{spread if runs > 1 else ''}",
        "real-time factor": f"{result.real_time_factor:.3f}, {human_speed(result.real_time_factor)}",
        "load": f"{result.load_seconds:.2f} s",
        "peak memory": "unknown" if peak is None else f"{peak / 1e9:.2f} GB",
        "memory read": f"{result.read_bytes_per_second / 1e9:.1f} GB/s",
    }
