"""A line per stage or for a long text while Bark speaks: Progress -> how far it is, on stderr."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from bark_cli.cli.bars import LiveBars, bar_width, counted_bar, is_wide
from bark_cli.cli.output import note
from bark_cli.system.units import human_speed

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

    from bark_cli.pipeline import Progress

# what a stage does, for those who do not know Bark's parts by name
_WORDS = {"semantic": "thinking", "coarse": "voicing", "fine": "refining", "codec": "sounding"}
_MINUTE_S = 60.0
_UNITS = {"fine": "passes", "codec": "passes"}  # a pass over a window makes many tokens


class StageLines(LiveBars):
    """Draws every stage on its own line; call it with each Progress.

    `verbose` calls the stages by their names, and counts their tokens.
    """

    def __init__(self, console: Console | None = None, *, verbose: bool = False) -> None:
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bars

        console = console or _stderr()
        self._verbose, self._is_wide = verbose, is_wide(console)
        self._bars = Bars(
            TextColumn("{task.description:<8}"),
            BarColumn(bar_width=bar_width(console)),
            *([TextColumn("{task.fields[count]:<11}")] if verbose else []),
            TextColumn("{task.fields[audio]}"),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, progress: Progress) -> None:
        """Draw how far a stage is."""
        unit = _UNITS.get(progress.stage, "tokens")
        fields: dict[str, Any] = {"count": f"{progress.done:>4} {unit}", "audio": self._audio(progress)}
        if progress.stage not in self._tasks:
            name = progress.stage if self._verbose else _WORDS.get(progress.stage, progress.stage)
            self._tasks[progress.stage] = self._bars.add_task(name, total=progress.total, **fields)
        self._bars.update(
            self._tasks[progress.stage], completed=progress.done, total=progress.total, **fields
        )

    def _audio(self, progress: Progress) -> str:
        if not progress.audio_s:
            return ""
        audio = f"{progress.audio_s:5.1f} s of speech"
        return f"{audio}, {human_speed(progress.seconds / progress.audio_s)}" if self._is_wide else audio


class PieceLine(LiveBars):
    """One line for a long text: pieces done, seconds of speech made, speed, time left.

    Of pieces that are there already 0 seconds are expected: they take no time.
    """

    def __init__(self, expected_s: Sequence[float], console: Console | None = None) -> None:
        console = console or _stderr()
        self._is_wide = is_wide(console)
        self._bars = counted_bar(console)
        self._expected_s = expected_s
        self._made_s: dict[int, float] = {}  # of speech, by piece
        self._done = _there(expected_s)
        self._began = time.perf_counter()
        self._task = self._bars.add_task("", total=sum(expected_s), count=self._count(), audio="")

    def __call__(self, progress: Progress) -> None:
        """Draw how far the pieces are; the coarse stage is most of the work, and stands for it."""
        if progress.stage == "codec" and progress.done == progress.total:
            self._done.add(progress.utterance)
        if progress.stage == "coarse":
            self._made_s[progress.utterance] = progress.audio_s
        made_s = sum(self._made_s.values())
        audio = f"{made_s:.0f} s of speech"
        if made_s and self._is_wide:
            audio += f", {human_speed((time.perf_counter() - self._began) / made_s)}"
        self._bars.update(self._task, completed=self._completed(), count=self._count(), audio=audio)

    def _completed(self) -> float:
        """Seconds of what was expected, for the pieces that are done and the parts of the others."""
        return sum(
            self._expected_s[n] if n in self._done else min(made, self._expected_s[n])
            for n, made in self._made_s.items()
            if n < len(self._expected_s)
        )

    def _count(self) -> str:
        count = f"{len(self._done)} of {len(self._expected_s)}"
        return f"{count} pieces" if self._is_wide else count


def _stderr() -> Console:
    from rich.console import Console  # only where somebody watches

    return Console(stderr=True)


def _there(expected_s: Sequence[float]) -> set[int]:
    """The pieces of which nothing is to be made: an earlier run has kept them."""
    return {number for number, seconds in enumerate(expected_s) if not seconds}


class MinuteNotes:
    """Tells once a minute how far a long text is, for people who read a log; call it with each Progress."""

    def __init__(self, expected_s: Sequence[float], clock: Callable[[], float] = time.monotonic) -> None:
        self._expected_s, self._clock = expected_s, clock
        self._done = _there(expected_s)
        self._began = self._told = clock()

    def __call__(self, progress: Progress) -> None:
        """Take note of a step."""
        if progress.stage == "codec" and progress.done == progress.total:
            self._done.add(progress.utterance)
        now = self._clock()
        if now - self._told < _MINUTE_S:
            return
        self._told = now
        done_s = sum(self._expected_s[n] for n in self._done if n < len(self._expected_s))
        left_s = (now - self._began) * (sum(self._expected_s) / done_s - 1) if done_s else None
        left = "" if left_s is None else f", about {max(1, round(left_s / 60))} min left"
        count = f"{len(self._done)} of {len(self._expected_s)} pieces"
        note(f"{count} after {(now - self._began) / 60:.0f} min{left}")
