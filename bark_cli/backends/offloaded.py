"""The plain backend on a GPU of little memory: networks wait beside it, and only the one at work lies on it.

After SUNO_OFFLOAD_CPU of suno-ai/bark, bark/generation.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from bark_cli.backends import CausalStage
from bark_cli.backends.eager import EagerBackend
from bark_cli.checkpoint import Networks
from bark_cli.model.networks import KVCache
from bark_cli.model.tokens import Logits
from bark_cli.stages.steps import Decode, FineWindow, Prefill


class OffloadedBackend(EagerBackend):
    """The networks of one Bark, of which one at a time is on the device; implements `backends.Backend`.

    The codec, which threads of its own work with, computes where the networks wait.
    """

    def __init__(self, networks: Networks, device: torch.device) -> None:
        super().__init__(networks, torch.device("cpu"))
        self.device = device  # where token ids go, and so where a network has to be
        self._wide = networks.fine
        self._there: nn.Module | None = None

    def prefill(self, stage: CausalStage, request: Prefill) -> tuple[KVCache, Logits]:
        """Begin a sequence, with the stage's network on the device."""
        self._bring(self._causal[stage])
        return super().prefill(stage, request)

    def decode(self, stage: CausalStage, requests: Sequence[tuple[KVCache, Decode]]) -> list[Logits]:
        """Append one token to each sequence, with the stage's network on the device."""
        self._bring(self._causal[stage])
        return super().decode(stage, requests)

    def fine_logits(self, requests: Sequence[FineWindow]) -> list[Logits]:
        """Logits (window - first, vocabulary) of the codebook that each names, computed on the device."""
        self._bring(self._wide)
        return super().fine_logits(requests)

    def put_back(self) -> None:
        """Leave the device's memory to others."""
        if self._there is not None:
            self._there.to("cpu")
            self._there = None
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

    def _bring(self, network: nn.Module) -> None:
        if network is not self._there:
            self.put_back()
            self._there = network.to(self.device)
