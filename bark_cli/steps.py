"""What a stage asks for, one request at a time: request -> logits of the ids that are legal there, or sound.

Each stage is a generator of requests. It is sent the answer to each request and returns its tokens at the
end: it needs no device and can be driven alone, interleaved with others, or by a test that makes logits up.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from torch import Tensor

from bark_cli.tokens import Tokens

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Prefill:
    """Begin a sequence with a whole prompt; answered with logits (len(legal),) of the next token."""

    ids: Tokens  # (T,)
    legal: range  # ids whose logits are wanted
    merged: Tokens | None = None  # (M,) ids whose embeddings are added to those of the first M positions


@dataclass(frozen=True)
class Decode:
    """Append one token to the sequence begun last; answered with logits (len(legal),) of the next token."""

    token: int
    legal: range


@dataclass(frozen=True, eq=False)
class FineWindow:
    """Predict one codebook over a window; answered with logits (T, V), V at least the codebook size."""

    codebook: int
    codes: Tokens  # (codebooks, T)


@dataclass(frozen=True, eq=False)
class Sound:
    """Decode codes; answered with samples (S,), F * hop of them where the codes are whole.

    Pieces continue each other: their samples join to those of the whole, and some may come with a later
    piece, at the latest with the last.
    """

    codes: Tokens  # (codebooks, F)
    extent: Literal["whole", "piece", "last piece"] = "whole"


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


Request = Prefill | Decode | FineWindow | Sound | Close
CausalSteps = Generator[Prefill | Decode, Tensor, Tokens]
CoarseSteps = Generator[Prefill | Decode | Wait, Tensor, Tokens]
FineSteps = Generator[FineWindow, Tensor, Tokens]
# An utterance, or some of its stages: (stage, request) -> answer
Job = Generator[tuple[str, Request], Any, Result]
