"""The fast backend of CPUs: requests of the stages -> logits, the causal networks in int8 (kernel.py).

Every answer is the same to the last bit whatever else is in the batch: sums of integer products are exact,
and all else happens row by row. Long prompts go through bf16 where the CPU has units for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bark_cli.backends import CausalStage
from bark_cli.backends.device import has_bf16_units
from bark_cli.backends.kernel import Int8GPT
from bark_cli.backends.wide import WideParts
from bark_cli.checkpoint import Checkpoint, build_causal, build_codec, build_fine
from bark_cli.model import GPT, KVCache
from bark_cli.steps import Decode, Prefill


@dataclass(eq=False)
class Sequence8:
    """The cache of one sequence, (layers, 2, heads, positions, head size), and how much of it is filled."""

    stage: CausalStage
    cache: Tensor
    length: int


class Int8Backend(WideParts):
    """The networks of one Bark on the CPU; implements `backends.Backend`."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        dtype = torch.bfloat16 if has_bf16_units() else torch.float32
        super().__init__(build_fine(checkpoint, dtype), build_codec(checkpoint), torch.device("cpu"))
        config = checkpoint.config
        self._causal: dict[CausalStage, Int8GPT] = {
            "semantic": Int8GPT(config.semantic.gpt, *checkpoint.stored("semantic")),
            "coarse": Int8GPT(config.coarse.gpt, *checkpoint.stored("coarse")),
        }
        # Coarse opens a window every 60 tokens, and with a voice each begins with a long prompt. The prompt
        # of semantic comes once an utterance, so that stage does without a second copy of its weights.
        self._wide: GPT | None = build_causal(checkpoint, "coarse", dtype) if has_bf16_units() else None
        self._free: dict[CausalStage, list[Tensor]] = {"semantic": [], "coarse": []}

    @torch.inference_mode()
    def prefill(self, stage: CausalStage, request: Prefill) -> tuple[Sequence8, Tensor]:
        """Begin a sequence: its cache, and logits (len(legal),) of the next token."""
        network, free = self._causal[stage], self._free[stage]
        cache = free.pop() if free else network.new_cache()
        ids = torch.from_numpy(request.ids)
        merged = None if request.merged is None else torch.from_numpy(request.merged)
        if stage == "coarse" and self._wide is not None:
            hidden = self._wide.hidden(ids[None], merged, KVCache(cache[:, 0, None], cache[:, 1, None]))[0]
        else:
            places = range(len(ids))
            hidden = network.step(
                network.embed(ids, torch.arange(len(ids)), merged), [cache] * len(ids), places
            )
        sequence = Sequence8(stage, cache, len(ids))
        return sequence, network.logits(hidden[-1:].float().contiguous(), request.legal)[0]

    @torch.inference_mode()
    def decode(self, stage: CausalStage, requests: Sequence[tuple[Sequence8, Decode]]) -> list[Tensor]:
        """Append one token to each sequence: logits (len(legal),) each."""
        network = self._causal[stage]
        sequences = [sequence for sequence, _ in requests]
        places = [sequence.length for sequence in sequences]
        tokens = torch.tensor([step.token for _, step in requests])
        hidden = network.step(
            network.embed(tokens, torch.tensor(places)), [sequence.cache for sequence in sequences], places
        )
        for sequence in sequences:
            sequence.length += 1
        return _logits(network, hidden, [step.legal for _, step in requests])

    def release(self, context: Sequence8) -> None:
        """Keep the cache for the next sequence of its stage."""
        self._free[context.stage].append(context.cache)


def _logits(network: Int8GPT, hidden: Tensor, legal: Sequence[range]) -> list[Tensor]:
    """Logits (len(legal[i]),) of each row of hidden (n, D); rows that want the same ids go together."""
    if all(wanted == legal[0] for wanted in legal):
        return list(network.logits(hidden, legal[0]))
    answers: dict[int, Tensor] = {}
    for wanted in set(legal):
        rows = [i for i, ids in enumerate(legal) if ids == wanted]
        answers |= zip(rows, network.logits(hidden[rows], wanted), strict=True)
    return [answers[i] for i in range(len(legal))]
