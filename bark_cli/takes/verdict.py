"""How good a take is, by what can be measured: speech and its expected length -> Verdict, from 0 to 1.

It finds what goes wrong with Bark most: speech that runs on, stops too soon, turns in a loop, says something
twice, falls silent or is clipped. Whether the words are right it has to be told by somebody who heard them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bark_cli.audio.quiet import frame_loudness, silent_part
from bark_cli.model.tokens import Tokens
from bark_cli.takes.expected import Expected
from bark_cli.takes.repetition import repeated_sound, repeated_tokens

SHORTEST, LONGEST = 0.3, 2.5  # of the expected length: beyond, something other than the text was said
_LONGEST_CUT = 1.5  # the same of a take that was cut off at the model's limit: it would have run on
_SILENT = 0.95  # of a take: speech with the longest pauses fills more than the rest
_USUAL_SILENCE = 0.35  # of a sentence with its pauses
_FULL_SCALE = 0.999
_ON_TIME = 0.05  # log of the length against the usual: what takes no longer says nothing twice
_SOUNDS = 3.5  # `repeated_sound` of what says nothing twice, at most
_UNREAD = 8  # ids of the text: closing marks that nobody says are fewer
_MISHEARD = 1.5  # words: Whisper itself gets one wrong now and then, and two are the take's


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The measurements of one take; each is 1 where all is well and falls to 0."""

    length: float  # as long as its text should take
    variety: float  # it does not turn in a loop
    sound: float  # it is not silent for long
    clean: float  # it is not clipped
    words: float | None = None  # they are heard as they are written; None: nobody listened
    problem: str | None  # why it deserves another try, if it does
    doubt: str | None = None  # the same, but a listener may find that its words are right
    n_words: int = 0  # of its text

    @property
    def score(self) -> float:
        """All together."""
        return math.prod(self._parts.values())

    @property
    def reason(self) -> str:
        """The problem, the doubt, or the parts in words."""
        return (
            self.problem
            or self.doubt
            or ", ".join(f"{name} {value:.2f}" for name, value in self._parts.items())
        )

    @property
    def _parts(self) -> dict[str, float]:
        parts = {"length": self.length, "variety": self.variety, "sound": self.sound, "clean": self.clean}
        return parts if self.words is None else parts | {"words": self.words}

    @property
    def is_good(self) -> bool:
        """Whether nothing asks for another try."""
        return self.problem is None and self.doubt is None

    def heard(self, words: float | None) -> Verdict:
        """The same, once somebody has listened.

        Their words decide what is in doubt: it is dispelled where one word at most is wrong. If not one is
        right, that deserves another try.
        """
        if words is None:
            return self
        deaf = "its words cannot be made out" if words == 0 else None
        doubt = self.doubt if (1.0 - words) * self.n_words > _MISHEARD else None
        return replace(self, words=words, problem=self.problem or deaf, doubt=doubt)


def judge(
    samples: NDArray[np.float32],
    rate: int,
    semantic: Tokens,
    *,
    expected: Expected,
    complete: bool,
    unread: int = 0,
) -> Verdict:
    """Measure a take.

    Args:
        samples: (N,) at `rate` Hz.
        rate: samples per second.
        semantic: the semantic tokens (T,) it was made from.
        expected: what is known of it beforehand.
        complete: whether it ended by itself.
        unread: how many ids of its text it never came to, where its tokens tell; else 0.
    """
    seconds = len(samples) / rate
    ratio = seconds / max(expected.seconds, 0.1)
    silent = silent_part(frame_loudness(samples, rate))
    pace = expected.usual.pace if expected.usual else 1.0
    return Verdict(
        length=math.exp(-abs(math.log(max(ratio / pace, 1e-3)))),
        variety=1.0 - _looped(semantic),
        sound=1.0 - max(0.0, silent - _USUAL_SILENCE) / (1.0 - _USUAL_SILENCE),
        clean=max(0.0, 1.0 - 50.0 * float(np.mean(np.abs(samples) >= _FULL_SCALE))) if len(samples) else 0.0,
        problem=(problem := _problem(ratio, silent, complete)),
        doubt=None if problem else _cut_off(unread) or _doubt(samples, rate, semantic, expected),
        n_words=expected.words,
    )


def _problem(ratio: float, silent: float, complete: bool) -> str | None:
    if silent > _SILENT:
        return "it is silent"
    if ratio < SHORTEST:
        return f"it stops after {ratio:.0%} of the expected length"
    if ratio > LONGEST or (not complete and ratio > _LONGEST_CUT):
        return f"it runs on, to {ratio:.1f} times the expected length"
    return None


def _cut_off(unread: int) -> str | None:
    return "it stops before the end of its text" if unread > _UNREAD else None


def _doubt(samples: NDArray[np.float32], rate: int, semantic: Tokens, expected: Expected) -> str | None:
    """What speaks for words that its text does not have, in a voice of which it is known how it speaks."""
    usual = expected.usual
    if usual is None or not expected.is_plain:
        return None
    late = usual.lateness(len(samples) / rate, expected.seconds)
    if late > usual.longest:
        return f"it is {math.exp(late):.1f} times as long as this voice usually takes"
    if late > _ON_TIME and repeated_tokens(semantic) > usual.runs:
        return "it says something twice"
    if late > _ON_TIME and repeated_sound(samples, rate) > _SOUNDS:
        return "some of it sounds twice"
    return None


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
