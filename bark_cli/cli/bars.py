"""Bars on the terminal that are drawn while a block runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
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


def counted_bar(console: Console, beneath: Callable[[], Iterable[str]] = lambda: ()) -> Progress:
    """One line: the fields count and audio of its task around a bar, and the time that is left.

    `beneath` says what more lines there are under it, each time that it is drawn.
    """
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Bars(Progress):
        def get_renderables(self) -> Iterable[RenderableType]:
            yield from super().get_renderables()
            yield from (Text(line, no_wrap=True, overflow="ellipsis") for line in beneath())

    return Bars(
        TextColumn("{task.fields[count]}"),
        BarColumn(bar_width=bar_width(console)),
        TextColumn("{task.fields[audio]}"),
        TimeRemainingColumn(compact=True),
        console=console,
    )
