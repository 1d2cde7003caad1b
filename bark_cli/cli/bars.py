"""Bars on the terminal that are drawn while a block runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress

Own = TypeVar("Own", bound="Drawn")


class Drawn:
    """What draws `_bars`, which the class that inherits from it makes, inside of a `with`."""

    _bars: Progress

    def __enter__(self: Own) -> Own:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()
