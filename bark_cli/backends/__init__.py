"""What the interchangeable parts must do: requests of the stages -> logits, codes (8, F) -> samples (N,)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

from torch import Tensor

from bark_cli.model.tokens import Tokens
from bark_cli.stages.steps import Answer, Decode, FineWindow, Prefill

CausalStage = Literal["semantic", "coarse"]


class AudioStream(Protocol):
    """The codec at work on one utterance, piece by piece; all pieces joined equal `decode_audio`'s sound."""

    def push(self, codes: Tokens) -> Tensor:
        """The next codes (n_codebooks, F) -> the next float32 samples (N,), maybe none, on the CPU."""
        ...

    def finish(self) -> Tensor:
        """The samples that are left when no more codes come; often none."""
        ...


class Backend(Protocol):
    """What the pipeline needs of a device; all logits come back as float32 on the CPU.

    A causal sequence is known by the context that `prefill` returned: only its backend looks inside. Methods
    that take several requests may run them together, but no answer may depend on which others came with it.
    `decode_audio` and `audio_stream` may be called from another thread while the other methods are at work.
    """

    def prefill(self, stage: CausalStage, request: Prefill) -> tuple[Any, Tensor]:
        """Begin a sequence: its context, and logits (len(legal),) of the next token."""
        ...

    def decode(self, stage: CausalStage, requests: Sequence[tuple[Any, Decode]]) -> Sequence[Answer]:
        """Append one token to each sequence: logits (len(legal),) each, or tokens if `ahead` lets it draw."""
        ...

    def release(self, context: Any) -> None:
        """Take back what a sequence that is over has held; its context is not used again."""
        ...

    def fine_logits(self, requests: Sequence[FineWindow]) -> list[Tensor]:
        """Logits (window - first, vocabulary) of the codebook that each request names."""
        ...

    def decode_audio(self, codes: Tokens) -> Tensor:
        """Codes (n_codebooks, F) -> float32 samples (F * hop,) on the CPU."""
        ...

    def audio_stream(self) -> AudioStream:
        """Begin an utterance that is decoded as its codes come."""
        ...
