"""The plain backend: requests of the stages -> logits, codes (8, F) -> samples (N,), in eager torch.

In fp32 it is what every faster backend must equal. Steps of several sequences go together where that changes
no bit of them (together.py), all else one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import nn

from bark_cli.backends import CausalStage
from bark_cli.backends.logits import logits_of_each
from bark_cli.backends.together import can_go_together, rows_times, step, trial
from bark_cli.backends.trial import Step, size_of, steps_of
from bark_cli.backends.wide import WideParts
from bark_cli.checkpoint import Networks
from bark_cli.model.networks import GPT, KVCache
from bark_cli.model.tokens import Logits
from bark_cli.stages.steps import Decode, Prefill


class EagerBackend(WideParts):
    """The networks of one Bark on one device; implements `backends.Backend`."""

    def __init__(self, networks: Networks, device: torch.device) -> None:
        width = networks.coarse.config.n_embd
        super().__init__(networks.fine.to(device), networks.codec, device, width)
        self._causal: dict[CausalStage, GPT] = {
            "semantic": networks.semantic.to(device),
            "coarse": networks.coarse.to(device),
        }

    @torch.inference_mode()
    def prefill(self, stage: CausalStage, request: Prefill) -> tuple[KVCache, Logits]:
        """Begin a sequence: its cache, and logits (len(legal),) of the next token."""
        network = self._causal[stage]
        cache = network.new_cache()
        merged = None if request.merged is None else self._ids(request.merged)[None]
        hidden = network.hidden(self._ids(request.ids)[None], merged, cache)
        return cache, _logits(network.lm_head, hidden[0, -1], request.legal)

    @torch.inference_mode()
    def decode(self, stage: CausalStage, requests: Sequence[tuple[KVCache, Decode]]) -> list[Logits]:
        """Append one token to each sequence: logits (len(legal),) each."""
        network = self._causal[stage]
        if requests and can_go_together(network, self.device):
            return _together(network, requests)
        hidden = [
            network.hidden(torch.tensor([[step.token]], device=self.device), cache=cache)
            for cache, step in requests
        ]
        return [
            _logits(network.lm_head, h[0, -1], step.legal)
            for h, (_, step) in zip(hidden, requests, strict=True)
        ]

    def trial(self, most: int) -> Step | None:
        """Steps to be tried, of n <= `most` sequences; None where they go one by one."""
        networks = self._causal.values()
        if not all(can_go_together(network, self.device) for network in networks):
            return None
        with torch.inference_mode():
            return steps_of({size_of(network.config): partial(trial, network) for network in networks}, most)

    def release(self, context: KVCache) -> None:
        """Nothing to do: memory goes back when the cache is let go."""


def _together(network: GPT, requests: Sequence[tuple[KVCache, Decode]]) -> list[Logits]:
    """Append one token to each sequence, all at once: logits (len(legal),) each."""
    hidden = step(network, [one.token for _, one in requests], [cache for cache, _ in requests])

    def logits(rows: list[int], ids: range) -> Logits:
        head = network.lm_head.weight[ids.start : ids.stop]
        return rows_times(head, hidden[rows]).float().numpy()

    return logits_of_each([one.legal for _, one in requests], logits)


def _logits(head: nn.Module, hidden: torch.Tensor, legal: range) -> Logits:
    """Logits of the legal ids alone: the other rows of the head, most of it in coarse, are not read."""
    rows: torch.Tensor = head.weight[legal.start : legal.stop]  # type: ignore[index]
    logits: Logits = nn.functional.linear(hidden.to(rows.dtype), rows).float().cpu().numpy()
    return logits
