"""What every backend of torch does in one piece: fine windows -> logits, codes (8, F) -> samples (N,)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from bark_cli.backends.threads import NARROW
from bark_cli.model.codec import Codec, CodecStream
from bark_cli.model.tokens import Logits, Samples, Tokens
from bark_cli.stages.steps import FineWindow


class TorchCodec:
    """The codec on one device; a part of a `backends.Backend`."""

    def __init__(self, codec: Codec, device: torch.device) -> None:
        # MPS lacks operators that EnCodec needs
        self._codec = codec.to("cpu" if device.type == "mps" else device)

    def decode_audio(self, codes: Tokens) -> Samples:
        """Codes (n_codebooks, F) -> samples (F * hop,)."""
        device = self._codec.codebooks.device
        return _samples(self._codec.decode(torch.from_numpy(codes).to(device)))

    def audio_stream(self) -> SoundStream:
        """Begin an utterance that is decoded as its codes come."""
        return SoundStream(self._codec)


class WideParts(TorchCodec):
    """The fine network and the codec on one device, and torch's threads; half of a `backends.Backend`."""

    side_by_side = 1  # torch has threads of its own

    def __init__(
        self, fine: Callable[[int, Tensor, int], Tensor], codec: Codec, device: torch.device, width: int
    ) -> None:
        super().__init__(codec, device)
        self.device = device
        self._fine = fine  # called as `model.FineGPT` is
        self._threads = OwnThreads(width)

    @torch.inference_mode()
    def fine_logits(self, requests: Sequence[FineWindow]) -> list[Logits]:
        """Logits (window - first, vocabulary) of the codebook that each request names.

        One window fills every processor, so they go one by one, and none depends on the others.
        """
        return [
            self._fine(step.codebook, self._ids(step.codes.T)[None], step.first)[0].float().cpu().numpy()
            for step in requests
        ]

    def fit_threads(self, n_sequences: int, n_callers: int = 1) -> None:
        """Let torch use as many threads as steps of so many sequences are worth."""
        self._threads.use(n_sequences)

    def _ids(self, ids: Tokens) -> Tensor:
        return torch.from_numpy(ids).to(self.device)


class SoundStream:
    """A codec stream that takes and returns arrays."""

    def __init__(self, codec: Codec) -> None:
        self._stream = CodecStream(codec)
        self._device = codec.codebooks.device

    def push(self, codes: Tokens) -> Samples:
        """The next codes (n_codebooks, F) -> the next samples (N,), of the very first frames none yet."""
        return _samples(self._stream.push(torch.from_numpy(codes).to(self._device)))

    def finish(self) -> Samples:
        """The samples that are left when no more codes come."""
        return _samples(self._stream.finish())


class OwnThreads:
    """How many threads torch computes with on the calling thread, fitted to the work; others keep theirs.

    Threads that share a step of less than NARROW numbers spend their time waiting for each other, and where
    another process has one of the cores they spin for it: nano took twenty times as long then.
    """

    def __init__(self, width: int) -> None:
        self._width, self._all = width, torch.get_num_threads()

    def use(self, n_sequences: int) -> None:
        """Fit them to steps of so many sequences at once."""
        wanted = 1 if self._width * n_sequences < NARROW else self._all
        if wanted != torch.get_num_threads():
            torch.set_num_threads(wanted)
            # what it sets is this thread's own, but also what later threads begin with: that is put back
            restore = threading.Thread(target=torch.set_num_threads, args=(self._all,))
            restore.start()
            restore.join()


def _samples(tensor: Tensor) -> Samples:
    found: Samples = tensor.cpu().numpy()
    return found
