"""What a take of a text should be like: text (str) and how its voice usually speaks -> Expected."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from bark_cli.text.split import estimate_seconds

_SOFT_S = 0.5  # added to both lengths that are compared: a short piece may be off by a pause
_GRID = 0.05  # what was learnt is rounded, so that a few more pieces change no verdict
_LEAST = 0.2  # log of the length beyond which no usual piece goes, however even the voice
_SPREADS = 3.0
_ECHO = 6  # letters that a text may say again without our listening for it
_MOST_LETTERS = 1_000
ENOUGH = 16  # pieces to know a voice by


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What one piece showed of its voice."""

    pace: float  # seconds for each that was estimated
    runs: float  # that came again, `repeated_tokens`


@dataclass(frozen=True, kw_only=True)
class Usual:
    """How a voice speaks."""

    pace: float  # seconds for each that is estimated
    longest: float = _LEAST  # log of how much more a piece takes at most
    runs: float = 3.0  # that come again by chance, at most

    def lateness(self, seconds: float, expected_s: float) -> float:
        """Log of how much longer than usual a piece is."""
        return math.log((seconds + _SOFT_S) / (self.pace * expected_s + _SOFT_S))


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What is known of a piece before it is said."""

    seconds: float  # that its text should take
    words: int = 0
    is_plain: bool = True  # no sounds, no song, nothing that it says twice itself
    usual: Usual | None = None  # None: nothing is known of its voice


def expected(text: str, language: str | None, usual: Usual | None) -> Expected:
    """What a take of the text should be like."""
    closed = text if re.search(r"[.!?…。！？।]\W*$", text) else f"{text}."  # any end is a pause
    return Expected(
        seconds=estimate_seconds(closed, language),
        words=len(text.split()),
        is_plain="[" not in text and "♪" not in text and not _says_twice(text),
        usual=usual,
    )


def usual_of(pieces: list[Heard], pace: float | None) -> Usual | None:
    """How a voice speaks, from pieces that it said, by their medians: some of them may have gone wrong.

    Of too few pieces nothing is learnt: then the model's own pace serves, where it has one.
    """
    if len(pieces) < ENOUGH:
        return None if pace is None else Usual(pace=pace)
    logs = np.log([piece.pace for piece in pieces])
    middle = float(np.median(logs))
    spread = 1.48 * float(np.median(np.abs(logs - middle)))  # the standard deviation of what is normal
    runs = float(np.quantile([piece.runs for piece in pieces], 0.9))
    return Usual(
        pace=math.exp(round(middle / _GRID) * _GRID),
        longest=max(_LEAST, math.ceil(_SPREADS * spread / _GRID) * _GRID),
        runs=max(3.0, 1.5 * runs),
    )


def _says_twice(text: str) -> bool:
    """Whether some letters stand in it twice in the same order."""
    letters = "".join(c for c in text.casefold() if c.isalnum())[:_MOST_LETTERS]
    return any(letters[i : i + _ECHO] in letters[i + _ECHO :] for i in range(len(letters) - 2 * _ECHO + 1))
