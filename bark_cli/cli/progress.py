"""A line per stage while Bark speaks: Progress -> tokens, seconds of speech, real-time factor on stderr."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bars

if TYPE_CHECKING:
    from rich.progress import TaskID

    from bark_cli.pipeline import Progress

_UNITS = {"fine": "passes", "codec": "passes"}  # a pass over a window makes many tokens


class StageLines(AbstractContextManager["StageLines"]):
    """Draws every stage on its own line; call it with each Progress."""

    def __init__(self, console: Console | None = None) -> None:
        self._bars = Bars(
            TextColumn("{task.description:<8}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[count]:<11}"),
            TextColumn("{task.fields[audio]}"),
            console=console or Console(stderr=True),
        )
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, progress: Progress) -> None:
        """Draw how far a stage is."""
        unit = _UNITS.get(progress.stage, "tokens")
        fields: dict[str, Any] = {"count": f"{progress.done:>4} {unit}", "audio": _audio(progress)}
        if progress.stage not in self._tasks:
            self._tasks[progress.stage] = self._bars.add_task(progress.stage, total=progress.total, **fields)
        self._bars.update(
            self._tasks[progress.stage], completed=progress.done, total=progress.total, **fields
        )

    def __enter__(self) -> StageLines:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bars.stop()


def _audio(progress: Progress) -> str:
    if not progress.audio_s:
        return ""
    factor = progress.seconds / progress.audio_s
    return f"{progress.audio_s:5.1f} s of speech, {factor:.2f}x real time"
