"""What the interchangeable parts must do: requests of the stages -> logits, codes (8, F) -> samples (N,)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

from torch import Tensor

from bark_cli.steps import Decode, FineWindow, Prefill
from bark_cli.tokens import Tokens

CausalStage = Literal["semantic", "coarse"]


class Backend(Protocol):
    """What the pipeline needs of a device; all logits come back as float32 on the CPU.

    A causal sequence is known by the context that `prefill` returned: only its backend looks inside. Methods
    that take several requests may run them together, but no answer may depend on which others came with it.
    """

    def prefill(self, stage: CausalStage, request: Prefill) -> tuple[Any, Tensor]:
        """Begin a sequence: its context, and logits (len(legal),) of the next token."""
        ...

    def decode(self, stage: CausalStage, requests: Sequence[tuple[Any, Decode]]) -> list[Tensor]:
        """Append one token to each sequence: logits (len(legal),) each."""
        ...

    def fine_logits(self, requests: Sequence[FineWindow]) -> list[Tensor]:
        """Logits (window, vocabulary) of the codebook that each request names."""
        ...

    def decode_audio(self, codes: Tokens) -> Tensor:
        """Codes (n_codebooks, F) -> float32 samples (F * hop,) on the CPU."""
        ...
