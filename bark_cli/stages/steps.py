"""What a stage asks for, one request at a time: request -> logits of the ids that are legal there, or sound.

Each stage is a generator of requests. It is sent the answer to each request and returns its tokens at the
end: it needs no device and can be driven alone, interleaved with others, or by a test that makes logits up.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from bark_cli.model.options import StageSampling
from bark_cli.model.tokens import Logits, Tokens
from bark_cli.stages.monotonic import Reader
from bark_cli.stages.sampling import RandomStream

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Prefill:
    """Begin a sequence with a whole prompt; answered with logits (len(legal),) of the next token."""

    ids: Tokens  # (T,)
    legal: range  # ids whose logits are wanted
    merged: Tokens | None = None  # (M,) ids whose embeddings are added to those of the first M positions
    ahead: Ahead | None = None  # how the stage goes on, for whoever has all but the last id already


@dataclass(frozen=True, eq=False)
class Ahead:
    """How a stage goes on after a token, so that a backend that draws where it computes can go on alone."""

    steps: int  # tokens that are wanted at most, at least 1
    legal: tuple[range, ...]  # ids of the next token, the one after it and so on, in turn; all of one length
    sampling: StageSampling
    stream: RandomStream  # what the tokens are drawn with, and nothing but it and the logits
    may_end: bool = False  # the last legal id is an end: no token follows it
    min_end_p: float | None = None  # an end that is as likely as this is taken
    reader: Reader | None = None  # what it allows may be drawn, and it hears of what was

    def until_end(self, tokens: Tokens, end_p: NDArray[np.floating]) -> Drawn:
        """Of tokens (n,) those that count: up to the end, which is the last of them then.

        Or up to where the reader goes back in its text: what comes after was drawn for another place.
        The end's probabilities (n,), after filters and temperature, are those with which each was drawn.
        """
        if self.reader is not None:
            count = self.reader.until_return(tokens.tolist())
            tokens, end_p = tokens[:count], end_p[:count]
        end = self.legal[0][-1]
        ends = tokens == end
        if self.min_end_p is not None:
            ends = ends | (end_p >= self.min_end_p)
        if not self.may_end or not ends.any():
            return Drawn(tokens)
        return Drawn(np.append(tokens[: ends.argmax()], end))


@dataclass(frozen=True, eq=False)
class Drawn:
    """Tokens (n,) that a backend drew itself, and answers with instead of logits."""

    tokens: Tokens


@dataclass(frozen=True)
class Decode:
    """Append one token to the sequence begun last; answered with logits (len(legal),) of the next token.

    Where `ahead` is there, a backend may answer with the next tokens (n,) instead, 1 <= n <= `ahead.steps`;
    all but the last of them it has appended too.
    """

    token: int
    legal: range
    ahead: Ahead | None = None


@dataclass(frozen=True, eq=False)
class FineWindow:
    """Predict one codebook over a window; answered with logits (T - first, V), V covers all codes.

    Where `drawing` is there, a backend may answer with the codes drawn instead.
    """

    codebook: int
    codes: Tokens  # (codebooks, T)
    first: int = 0  # frame from which on it is asked for; those before are seen
    drawing: Drawing | None = None


@dataclass(frozen=True, eq=False)
class Drawing:
    """How codes are drawn, all frames of a window at once."""

    n_codes: int  # how many ids at the front of the vocabulary are codes
    sampling: StageSampling
    stream: RandomStream


@dataclass(frozen=True, eq=False)
class DrawnCodes:
    """Codes (T - first,) that a backend drew itself, and answers with instead of logits."""

    codes: Tokens


@dataclass(frozen=True, eq=False)
class Sound:
    """Decode codes; answered with samples (S,), F * hop of them where the codes are whole.

    Pieces continue each other: their samples join to those of the whole, and some may come with a later
    piece, at the latest with the last.
    """

    codes: Tokens  # (codebooks, F)
    extent: Literal["whole", "piece", "last piece"] = "whole"


@dataclass(frozen=True, eq=False)
class Aside:
    """Work that is not the model's and takes its time; answered with what it returns."""

    work: Callable[[], Any]


@dataclass(frozen=True)
class Wait:
    """Nothing to ask before an earlier stage has gone on; answered with None."""


@dataclass(frozen=True)
class Close:
    """The causal sequence of this stage is over; answered with None."""


@dataclass(eq=False)
class Growing(Generic[Item]):
    """What a stage that may still be at work has made so far, for the next stage to read."""

    items: list[Item] = field(default_factory=list)
    ended: bool = False


Request = Prefill | Decode | FineWindow | Sound | Aside | Close
Answer = Logits | Drawn
CausalSteps = Generator[Prefill | Decode, Answer, Tokens]
CoarseSteps = Generator[Prefill | Decode | Wait, Answer, Tokens]
FineAnswer = Logits | DrawnCodes
FineSteps = Generator[FineWindow, FineAnswer, Tokens]
# An utterance, or some of its stages: (stage, request) -> answer
Job = Generator[tuple[str, Request], Any, Result]


def tokens_of(answer: Answer, choose: Callable[[Logits], int]) -> list[int]:
    """The tokens that the backend drew, or the one chosen from its logits."""
    if isinstance(answer, Drawn):
        drawn: list[int] = answer.tokens.tolist()
        return drawn
    return [choose(answer)]
