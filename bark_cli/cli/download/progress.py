"""A line per file while a model is fetched: Step -> bytes, speed and time left on stderr, or a plain line."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from bark_cli.cli.bars import LiveBars
from bark_cli.cli.output import is_watched, note, one_line
from bark_cli.system.units import human_bytes

if TYPE_CHECKING:
    from rich.progress import TaskID

    from bark_cli.download import Step

_SAID = {
    "wait": "waiting for another process that installs the same model",
    "convert": "converting",
    "int8": "preparing int8, which this machine speaks in",
}
_SMALL = 2**20  # bytes, which are checked in no time


def download_lines(*, quiet: bool) -> AbstractContextManager[Callable[[Step], None]]:
    """Something to call with each Step: drawn for a human, in plain lines for a log, or not at all."""
    if quiet:
        return nullcontext(lambda _: None)
    return DrawnLines() if is_watched() else nullcontext(PlainLines())


class PlainLines:
    """Says once that something begins."""

    def __init__(self) -> None:
        self._said: set[tuple[str, str]] = set()

    def __call__(self, step: Step) -> None:
        """Say it, unless it was said."""
        key = (step.kind, step.file + step.words)
        if key not in self._said and not _is_trifle(step):
            self._said.add(key)
            note(_words(step))


class DrawnLines(LiveBars):
    """Draws every file on its own line, and what is done with all of them on one more."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._tasks: dict[tuple[str, str], TaskID] = {}

    def __call__(self, step: Step) -> None:
        """Draw how far a file is, or say what is done now."""
        if _is_trifle(step):
            return
        if step.kind not in ("fetch", "check"):
            self._bars.console.print(_words(step), markup=False, highlight=False)
            return
        key = (step.kind, step.file)
        if key not in self._tasks:
            name = one_line(step.file) if step.kind == "fetch" else f"check {one_line(step.file)}"
            self._tasks[key] = self._bars.add_task(name, total=step.total, completed=step.done)
        self._bars.update(self._tasks[key], completed=min(step.done, step.total))


def _is_trifle(step: Step) -> bool:
    return step.kind == "check" and step.total < _SMALL


def _words(step: Step) -> str:
    if step.kind in _SAID:
        return _SAID[step.kind]
    if step.words:
        return one_line(f"{step.file}: {step.words}" if step.file else step.words)
    if step.kind == "check":
        return f"checking {one_line(step.file)} ({human_bytes(step.total)})"
    rest = f", {human_bytes(step.total - step.done)} to go" if step.done else ""
    return f"fetching {one_line(step.file)} ({human_bytes(step.total)}{rest})"
