"""Whether the words of a sound are right: float32 (N,) and its text -> a number from 0 to 1, by Whisper base.

`judge` hears, through faster-whisper, which comes with the extra `judge` only; `words` compares.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bark_cli.system.later import imported_later

if TYPE_CHECKING:
    from bark_cli.hearing.judge import INSTALL as INSTALL
    from bark_cli.hearing.judge import Judge as Judge
    from bark_cli.hearing.judge import is_installed as is_installed
    from bark_cli.hearing.judge import why_deaf as why_deaf
    from bark_cli.hearing.judge import words_right as words_right
    from bark_cli.hearing.words import edits as edits
    from bark_cli.hearing.words import normalised as normalised
    from bark_cli.hearing.words import word_errors as word_errors

__getattr__ = imported_later(
    __name__,
    {
        "judge": ("INSTALL", "Judge", "is_installed", "why_deaf", "words_right"),
        "words": ("edits", "normalised", "word_errors"),
    },
)
