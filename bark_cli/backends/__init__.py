"""What the interchangeable parts must do: requests of the stages -> logits, codes (8, F) -> samples (N,)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol, runtime_checkable

from bark_cli.model.tokens import Logits, Samples, Tokens
from bark_cli.stages.steps import Answer, Decode, FineAnswer, FineWindow, Prefill

CausalStage = Literal["semantic", "coarse"]


class AudioStream(Protocol):
    """The codec at work on one utterance, piece by piece; all pieces joined equal `decode_audio`'s sound."""

    def push(self, codes: Tokens) -> Samples:
        """The next codes (n_codebooks, F) -> the next samples (N,), maybe none."""
        ...

    def finish(self) -> Samples:
        """The samples that are left when no more codes come; often none."""
        ...


class Decoder(Protocol):
    """A codec at work."""

    def decode_audio(self, codes: Tokens) -> Samples:
        """Codes (n_codebooks, F) -> samples (F * hop,)."""
        ...

    def audio_stream(self) -> AudioStream:
        """Begin an utterance that is decoded as its codes come."""
        ...


class Backend(Decoder, Protocol):
    """What the pipeline needs of a device.

    A causal sequence is known by the context that `prefill` returned: only its backend looks inside. Methods
    that take several requests may run them together, but no answer may depend on which others came with it.
    """

    @property
    def side_by_side(self) -> int:
        """How many threads, each with requests of its own, are quickest at once; no more may call."""
        ...

    def prefill(self, stage: CausalStage, request: Prefill) -> tuple[Any, Logits]:
        """Begin a sequence: its context, and logits (len(legal),) of the next token."""
        ...

    def decode(self, stage: CausalStage, requests: Sequence[tuple[Any, Decode]]) -> Sequence[Answer]:
        """Append one token to each sequence: logits (len(legal),) each, or tokens if `ahead` lets it draw."""
        ...

    def release(self, context: Any) -> None:
        """Take back what a sequence that is over has held; its context is not used again."""
        ...

    def fine_logits(self, requests: Sequence[FineWindow]) -> Sequence[FineAnswer]:
        """Logits (window - first, vocabulary) of the codebook that each names, or codes, if it may draw."""
        ...

    def fit_threads(self, n_sequences: int, n_callers: int = 1) -> None:
        """Let the calling thread, one of so many, use as many processors as its steps are worth."""
        ...


@runtime_checkable
class BeginsSeveral(Protocol):
    """A backend to which prompts are quickest several at once."""

    @property
    def prompts_at_once(self) -> int:
        """How many at most are to be begun together."""
        ...

    def prefill_all(self, stage: CausalStage, requests: Sequence[Prefill]) -> list[tuple[Any, Logits]]:
        """`Backend.prefill` of several sequences, none of which depends on the others."""
        ...
