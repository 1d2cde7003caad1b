"""What `bark book` shows while it speaks: one line at a terminal, and elsewhere one for each chapter."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from bark_cli.cli.bars import LiveBars, counted_bar, is_wide
from bark_cli.cli.output import note, one_line
from bark_cli.system.excerpt import excerpt
from bark_cli.system.units import human_speed

if TYPE_CHECKING:
    from rich.console import Console

    from bark_cli.book.compose import ComposedBook
    from bark_cli.book.shelf import Told
    from bark_cli.speech import Speech


class ChapterLines(AbstractContextManager["ChapterLines"]):
    """A line for each chapter that is done, and what was spoken in this run."""

    def __init__(self, composed: ComposedBook, *, quiet: bool) -> None:
        self._composed, self._quiet = composed, quiet
        self._began = time.perf_counter()
        self._done = 0
        self.made_s = 0.0  # seconds of speech

    def hear(self, number: int, speech: Speech) -> None:
        """Take note of a piece; what was kept from an earlier run took no time."""
        if speech.stages:
            self.made_s += speech.duration_s

    def tell(self, told: Told) -> None:
        """Tell of a chapter."""
        self._done += 1
        if not self._quiet:
            count, total = self._done, len(self._composed.sections)
            note(f"{count} of {total}: {shown_title(told.section.title)}, {clock(told.duration_s)}")

    @property
    def real_time_factor(self) -> float | None:
        """Seconds of work per second of speech; None where nothing was spoken."""
        return (time.perf_counter() - self._began) / self.made_s if self.made_s else None

    def __exit__(self, *_: object) -> None:
        return


class BookBar(LiveBars, ChapterLines):
    """One line: the chapter, pieces done, speed, time left."""

    def __init__(self, composed: ComposedBook, console: Console | None = None) -> None:
        from rich.console import Console

        super().__init__(composed, quiet=True)
        console = console or Console(stderr=True)
        self._is_wide = is_wide(console)
        self._bars = counted_bar(console)
        total = sum(piece.estimate_s for piece in composed.narration.pieces)
        self._task = self._bars.add_task("", total=total, count=self._count(), audio="")

    def hear(self, number: int, speech: Speech) -> None:
        """Draw how far it is."""
        super().hear(number, speech)
        factor = self.real_time_factor
        audio = "" if factor is None or not self._is_wide else human_speed(factor)
        expected_s = self._composed.narration.pieces[number].estimate_s
        self._bars.update(self._task, advance=expected_s, count=self._count(), audio=audio)

    def _count(self) -> str:
        total = len(self._composed.sections)
        return f"chapter {min(self._done + 1, total)} of {total}"


def shown_title(title: str) -> str:
    """A chapter's title on a line of the terminal, which a long one does not fill."""
    return excerpt(one_line(title), 60)


def clock(seconds: float) -> str:
    """Such as 1:02:03, or 2:03."""
    total = round(seconds)
    hours = f"{total // 3600}:{total // 60 % 60:02}" if total >= 3600 else str(total // 60)
    return f"{hours}:{total % 60:02}"
