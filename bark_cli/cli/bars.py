"""Bars on the terminal that are drawn while a block runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

Own = TypeVar("Own", bound="LiveBars")
_WIDE = 100  # columns of a terminal in which a long bar and the speed have room, too


class LiveBars:
    """What draws `_bars`, which the class that inherits from it makes, inside of a `with`."""

    _bars: Progress

    def __enter__(self: Own) -> Own:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()


def is_wide(console: Console) -> bool:
    """Whether there is room for more than what matters most, which fits into 50 columns."""
    return console.width >= _WIDE


def bar_width(console: Console) -> int:
    """Columns of a bar."""
    return 24 if is_wide(console) else 10


def counted_bar(console: Console) -> Progress:
    """One line: the fields count and audio of its task around a bar, and the time that is left."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.fields[count]}"),
        BarColumn(bar_width=bar_width(console)),
        TextColumn("{task.fields[audio]}"),
        TimeRemainingColumn(compact=True),
        console=console,
    )
