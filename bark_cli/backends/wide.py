"""What every backend does in one piece: fine windows -> logits, codes (8, F) -> samples (N,)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from bark_cli.model.codec import Codec, CodecStream
from bark_cli.model.tokens import Tokens
from bark_cli.stages.steps import FineWindow


class WideParts:
    """The fine network and the codec on one device; half of a `backends.Backend`."""

    def __init__(
        self, fine: Callable[[int, Tensor, int], Tensor], codec: Codec, device: torch.device
    ) -> None:
        self.device = device
        self._fine = fine  # called as `model.FineGPT` is
        # MPS lacks operators that EnCodec needs
        self._codec = codec.to("cpu" if device.type == "mps" else device)

    @torch.inference_mode()
    def fine_logits(self, requests: Sequence[FineWindow]) -> list[Tensor]:
        """Logits (window - first, vocabulary) of the codebook that each request names.

        One window fills every processor, so they go one by one, and none depends on the others.
        """
        return [
            self._fine(step.codebook, self._ids(step.codes.T)[None], step.first)[0].float().cpu()
            for step in requests
        ]

    def decode_audio(self, codes: Tokens) -> Tensor:
        """Codes (n_codebooks, F) -> float32 samples (F * hop,) on the CPU."""
        device = self._codec.codebooks.device
        return self._codec.decode(torch.from_numpy(codes).to(device)).cpu()

    def audio_stream(self) -> SoundStream:
        """Begin an utterance that is decoded as its codes come."""
        return SoundStream(self._codec)

    def _ids(self, ids: Tokens) -> Tensor:
        return torch.from_numpy(ids).to(self.device)


class SoundStream:
    """A codec stream that takes numpy codes and returns its samples to the CPU."""

    def __init__(self, codec: Codec) -> None:
        self._stream = CodecStream(codec)
        self._device = codec.codebooks.device

    def push(self, codes: Tokens) -> Tensor:
        """The next codes (n_codebooks, F) -> the next samples (N,), of the very first frames none yet."""
        return self._stream.push(torch.from_numpy(codes).to(self._device)).cpu()

    def finish(self) -> Tensor:
        """The samples that are left when no more codes come."""
        return self._stream.finish().cpu()
