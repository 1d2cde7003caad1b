"""How good a take is, by what can be measured: speech and its expected length -> Verdict, from 0 to 1.

It finds what goes wrong with Bark most: speech that runs on to the limit, stops at once, turns in a loop,
falls silent or is clipped. Whether the words are right it has to be told by somebody who heard them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bark_cli.model.tokens import Tokens

SHORTEST, LONGEST = 0.3, 2.5  # of the expected length: beyond, something other than the text was said
_FRAME_S = 0.05
_QUIET_DB = -40.0  # below the loudest frame
_FLOOR = 1e-4  # an amplitude nobody hears
_USUAL_SILENCE = 0.35  # of a sentence with its pauses
_FULL_SCALE = 0.999


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was measured of one take; each part is 1 where all is well and falls to 0."""

    length: float  # as long as its text should take
    variety: float  # it does not turn in a loop
    sound: float  # it is not silent for long
    clean: float  # it is not clipped
    words: float | None = None  # they are heard as they are written; None: nobody listened
    problem: str | None  # why it deserves another try, if it does

    @property
    def score(self) -> float:
        """All together."""
        return math.prod(self._parts.values())

    @property
    def reason(self) -> str:
        """The problem, or the parts in words."""
        return self.problem or ", ".join(f"{name} {value:.2f}" for name, value in self._parts.items())

    @property
    def _parts(self) -> dict[str, float]:
        parts = {"length": self.length, "variety": self.variety, "sound": self.sound, "clean": self.clean}
        return parts if self.words is None else parts | {"words": self.words}

    def heard(self, words: float | None) -> Verdict:
        """The same, once somebody has listened; if not one word is right, that deserves another try."""
        deaf = "its words cannot be made out" if words == 0 else None
        return replace(self, words=words, problem=self.problem or deaf)


def judge(
    samples: NDArray[np.float32], rate: int, semantic: Tokens, *, expected_s: float, complete: bool
) -> Verdict:
    """Measure a take.

    Args:
        samples: (N,) at `rate` Hz.
        rate: samples per second.
        semantic: the semantic tokens (T,) it was made from.
        expected_s: how long its text should take.
        complete: whether it ended by itself.
    """
    ratio = len(samples) / rate / max(expected_s, 0.1)
    silent = _silence(samples, rate)
    return Verdict(
        length=math.exp(-abs(math.log(max(ratio, 1e-3)))),
        variety=1.0 - _looped(semantic),
        sound=1.0 - max(0.0, silent - _USUAL_SILENCE) / (1.0 - _USUAL_SILENCE),
        clean=max(0.0, 1.0 - 50.0 * float(np.mean(np.abs(samples) >= _FULL_SCALE))) if len(samples) else 0.0,
        problem=_problem(ratio, silent, complete),
    )


def _problem(ratio: float, silent: float, complete: bool) -> str | None:
    if silent > 0.95:
        return "it is silent"
    if ratio < SHORTEST:
        return f"it stops after {ratio:.0%} of the expected length"
    if ratio > LONGEST or (not complete and ratio > 1.5):
        return f"it runs on, to {ratio:.1f} times the expected length"
    return None


def _silence(samples: NDArray[np.float32], rate: int) -> float:
    """The part of its frames that are quiet beside the loudest; 1 of nothing at all."""
    size = max(1, round(_FRAME_S * rate))
    frames = samples[: len(samples) // size * size].reshape(-1, size).astype(np.float64)
    if not len(frames):
        return 1.0
    loudness = np.sqrt(np.mean(np.square(frames), axis=1))
    return float(np.mean(loudness <= max(_FLOOR, loudness.max() * 10 ** (_QUIET_DB / 20))))


def _looped(semantic: Tokens) -> float:
    """The longest stretch that repeats what came just before it, as a part of the whole.

    A held sound repeats its token, and that is no loop: runs of one token count once.
    """
    changes = semantic[np.flatnonzero(np.diff(semantic, prepend=-1))]
    longest = max((_longest_run(changes, lag) for lag in range(2, len(changes) // 2 + 1)), default=0)
    return longest / len(changes) if longest else 0.0


def _longest_run(tokens: Tokens, lag: int) -> int:
    """Length of the longest stretch in which every token is the one `lag` before, if it fills two rounds."""
    same = np.concatenate([[False], tokens[lag:] == tokens[:-lag], [False]])
    edges = np.flatnonzero(np.diff(same.astype(np.int8)))
    longest = int(np.max(edges[1::2] - edges[::2], initial=0))
    return longest if longest >= 2 * lag else 0
