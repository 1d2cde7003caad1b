"""The plain backend: requests of the stages -> logits, codes (8, F) -> samples (N,), in eager fp32 torch.

It runs one sequence after the other, and is what every faster backend must equal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bark_cli.backends import AudioStream, CausalStage
from bark_cli.checkpoint import Networks
from bark_cli.model import GPT, KVCache
from bark_cli.steps import Decode, FineWindow, Prefill
from bark_cli.tokens import Tokens


class EagerBackend:
    """The networks of one Bark on one device; implements `backends.Backend`."""

    def __init__(self, networks: Networks, device: torch.device) -> None:
        self.device = device
        self._causal: dict[CausalStage, GPT] = {
            "semantic": networks.semantic.to(device),
            "coarse": networks.coarse.to(device),
        }
        self._fine = networks.fine.to(device)
        # MPS lacks operators that EnCodec needs
        self._codec = networks.codec.to("cpu" if device.type == "mps" else device)

    @torch.inference_mode()
    def prefill(self, stage: CausalStage, request: Prefill) -> tuple[KVCache, Tensor]:
        """Begin a sequence: its cache, and logits (len(legal),) of the next token."""
        network = self._causal[stage]
        cache = KVCache.empty(network.config, batch=1, like=network.wte.weight)
        merged = None if request.merged is None else self._ids(request.merged)[None]
        hidden = network.hidden(self._ids(request.ids)[None], merged, cache)
        return cache, _logits(network.lm_head, hidden[0, -1], request.legal)

    @torch.inference_mode()
    def decode(self, stage: CausalStage, requests: Sequence[tuple[KVCache, Decode]]) -> list[Tensor]:
        """Append one token to each sequence: logits (len(legal),) each."""
        network = self._causal[stage]
        hidden = [
            network.hidden(torch.tensor([[step.token]], device=self.device), cache=cache)
            for cache, step in requests
        ]
        return [
            _logits(network.lm_head, h[0, -1], step.legal)
            for h, (_, step) in zip(hidden, requests, strict=True)
        ]

    def release(self, context: KVCache) -> None:
        """Nothing to do: memory goes back when the cache is let go."""

    @torch.inference_mode()
    def fine_logits(self, requests: Sequence[FineWindow]) -> list[Tensor]:
        """Logits (window, vocabulary) of the codebook that each request names."""
        return [
            self._fine(step.codebook, self._ids(step.codes.T)[None])[0].float().cpu() for step in requests
        ]

    def decode_audio(self, codes: Tokens) -> Tensor:
        """Codes (n_codebooks, F) -> float32 samples (F * hop,) on the CPU."""
        device = self._codec.codebooks.device
        return self._codec.decode(torch.from_numpy(codes).to(device)).cpu()

    def audio_stream(self) -> AudioStream:
        """Begin an utterance that is decoded as its codes come."""
        return _AudioSoFar(self.decode_audio)

    def _ids(self, ids: Tokens) -> Tensor:
        return torch.from_numpy(ids).to(self.device)


class _AudioSoFar:
    """An audio stream that decodes all there is again for every piece: right, since the codec is causal."""

    def __init__(self, decode: Callable[[Tokens], Tensor]) -> None:
        self._decode = decode
        self._codes: list[Tokens] = []
        self._delivered = 0  # samples

    def push(self, codes: Tokens) -> Tensor:
        """The next codes (n_codebooks, F) -> the next float32 samples (F * hop,) on the CPU."""
        self._codes.append(codes)
        samples = self._decode(np.concatenate(self._codes, axis=1))
        new = samples[self._delivered :]
        self._delivered = len(samples)
        return new


def _logits(head: nn.Linear, hidden: Tensor, legal: range) -> Tensor:
    """Logits of the legal ids alone: the other rows of the head, most of it in coarse, are not read."""
    return F.linear(hidden, head.weight[legal.start : legal.stop]).float().cpu()
