"""A text that comes bit by bit -> parts that can be said: whole sentences, and in the end the rest."""

from __future__ import annotations

import asyncio

from bark_cli.server.problem import Problem
from bark_cli.text.split.sentences import language_of, sentence_ends


class IncomingText:
    """What was written so far, and how much of it was taken.

    Args:
        most: characters of all of it.
        patience_s: seconds that the next part may be waited for.
        language: of the text, where it is known.
    """

    def __init__(self, most: int, patience_s: float, language: str | None = None) -> None:
        self._most, self._patience_s, self._language = most, patience_s, language
        self._left, self._count, self._is_over = "", 0, False
        self._change = asyncio.Event()

    def add(self, text: str) -> None:
        """Write on.

        Raises:
            Problem: all of it together is too long.
        """
        self._count += len(text)
        if self._count > self._most:
            raise Problem(413, f"the text has more than {self._most} characters")
        self._left += text
        self._change.set()

    def end(self) -> None:
        """No more comes."""
        self._is_over = True
        self._change.set()

    async def next(self) -> str | None:
        """The next part that can be said, None after the last.

        Raises:
            Problem: none comes.
        """
        while True:
            self._change.clear()
            end = len(self._left) if self._is_over else ready(self._left, self._language)
            part, self._left = self._left[:end], self._left[end:]
            if part.strip():
                return part
            if self._is_over:
                return None
            try:
                await asyncio.wait_for(self._change.wait(), self._patience_s)
            except asyncio.TimeoutError as error:
                raise Problem(408, f"no text came for {self._patience_s:.0f} s") from error


def ready(text: str, language: str | None = None) -> int:
    """How many characters of an unfinished text are whole sentences; no song and no [tag] is cut."""
    ends = sentence_ends(text, language_of(text, language))[:-1]
    return next((end for end in reversed(ends) if _is_closed(text[:end])), 0)


def _is_closed(text: str) -> bool:
    return text.count("♪") % 2 == 0 and text.count("[") <= text.count("]")
