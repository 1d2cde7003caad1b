"""Whether the words of a sound are right: float32 (N,) and its text -> a number from 0 to 1, by Whisper base.

`judge` hears, through faster-whisper, which comes with the extra `judge` only; `words` compares.
"""

from __future__ import annotations

from bark_cli.hearing.judge import INSTALL, Judge, is_installed, why_deaf, words_right
from bark_cli.hearing.words import edits, normalised, word_errors

__all__ = [
    "INSTALL",
    "Judge",
    "edits",
    "is_installed",
    "normalised",
    "why_deaf",
    "word_errors",
    "words_right",
]
