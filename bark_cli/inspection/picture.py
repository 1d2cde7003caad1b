"""A Sketch and a TokenTrack -> a picture of both on one time axis, by matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bark_cli.inspection.codes import TokenTrack
from bark_cli.inspection.measure import MELS, Sketch
from bark_cli.system.plots import check_plot, write_picture

_BLUE = "#3a6ea5"
_RANGE_DB = 80.0  # below the loudest band
_TICKS_HZ = (0, 250, 500, 1_000, 2_000, 4_000, 8_000, 16_000)
_HEIGHTS = {"sound": 1.2, "mel": 2.2, "semantic": 1.2, "coarse": 0.7, "fine": 1.6}  # inches


def draw(
    sketch: Sketch, track: TokenTrack | None, path: Path, *, title: str = "", force: bool = False
) -> None:
    """Write the picture: waveform, mel spectrogram and, if they are known, the tokens of each stage.

    Raises:
        OptionError: the suffix is of no picture, or matplotlib is not installed.
        OutputError: the file exists and `force` is off, or the disk refuses.
    """
    check_plot(path, force=force)
    from matplotlib.figure import Figure

    names = [name for name in _HEIGHTS if track is not None or name in ("sound", "mel")]
    heights = [_HEIGHTS[name] for name in names]
    figure = Figure(figsize=(10, sum(heights) + 1.0), layout="constrained")
    axes = figure.subplots(len(names), sharex=True, height_ratios=heights)
    rows = dict(zip(names, axes, strict=True))
    length_s = sketch.column_s * len(sketch.low)
    _draw_waveform(rows["sound"], sketch)
    _draw_mel(rows["mel"], sketch, length_s)
    if track is not None:
        _draw_tokens(rows, track)
    rows["sound"].set_xlim(0, length_s)
    rows["sound"].set_title(title, fontsize=11, parse_math=False)  # a name may hold $
    rows[names[-1]].set_xlabel("seconds")
    write_picture(figure, path, force=force)


def _draw_waveform(axes: Any, sketch: Sketch) -> None:
    times = (np.arange(len(sketch.low)) + 0.5) * sketch.column_s
    axes.fill_between(times, sketch.low, sketch.high, color=_BLUE, linewidth=0.4)
    axes.set_ylim(-1, 1)
    axes.set_ylabel("waveform")


def _draw_mel(axes: Any, sketch: Sketch, length_s: float) -> None:
    loudest = float(sketch.mel_db.max(initial=-100.0))
    axes.imshow(
        sketch.mel_db,
        origin="lower",
        aspect="auto",
        extent=(0, length_s, 0, MELS),
        vmin=loudest - _RANGE_DB,
        vmax=loudest,
        cmap="magma",
    )
    ticks = [hertz for hertz in _TICKS_HZ if hertz <= sketch.top_hz]
    axes.set_yticks(
        [MELS * _mel(hertz) / _mel(sketch.top_hz) for hertz in ticks], [f"{hz:g}" for hz in ticks]
    )
    axes.set_ylabel("mel, Hz")


def _mel(hertz: float) -> float:
    return float(np.log10(1 + hertz / 700))


def _draw_tokens(rows: dict[str, Any], track: TokenTrack) -> None:
    """Semantic tokens as points, one for each; the codebooks as rows of colours, which have no order."""
    for stage, (tokens, rate_hz, kinds) in track.stages().items():
        axes = rows[stage]
        if len(tokens) == 1:
            times = track.start_s + (np.arange(tokens.shape[1]) + 0.5) / rate_hz
            axes.plot(times, tokens[0], ".", color=_BLUE, markersize=3)
            axes.set_ylim(-0.04 * kinds, 1.04 * kinds)
            axes.set_ylabel(stage)
            continue
        extent = (track.start_s, track.start_s + tokens.shape[1] / rate_hz, len(tokens) + 0.5, 0.5)
        axes.imshow(
            tokens, aspect="auto", interpolation="nearest", extent=extent, vmin=0, vmax=kinds, cmap="viridis"
        )
        axes.set_yticks(range(1, len(tokens) + 1))
        axes.set_ylabel(f"{stage}, book")
