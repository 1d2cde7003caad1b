"""What a stage asks of the network, one request at a time: request -> logits of the ids that are legal there.

Each stage is a generator of requests. It is sent the logits of each request and returns its tokens at the
end: it needs no device and can be driven alone, interleaved with others, or by a test that makes logits up.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from torch import Tensor

from bark_cli.tokens import Tokens


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


CausalSteps = Generator[Prefill | Decode, Tensor, Tokens]
FineSteps = Generator[FineWindow, Tensor, Tokens]
