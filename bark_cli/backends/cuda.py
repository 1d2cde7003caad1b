"""The backend of NVIDIA GPUs: requests of the stages -> tokens, many steps at a time, from CUDA graphs.

A step of one token is many short kernels, which Python cannot launch as fast as a GPU runs them. So a step is
recorded once for each number of rows and reach, and the host looks at the tokens only now and then. On
another device all is the same but that steps are not recorded, which is how it is tested without a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from bark_cli.backends import CausalStage
from bark_cli.backends.slots import STEPS, Rows, Slots, StepShape, append
from bark_cli.backends.wide import WideParts
from bark_cli.checkpoint import Networks
from bark_cli.model.networks import GPT
from bark_cli.model.tokens import Logits
from bark_cli.stages.steps import Ahead, Answer, Decode, Prefill

REACH = 256  # positions; a step looks at a multiple of them, so that there are few graphs
WARM_UPS = 3  # before a step is recorded
MOST_GRAPHS = 256  # of a stage; only someone who tries many filters comes so far


@dataclass(eq=False)
class SlotSequence:
    """Where a sequence lies and how much of its slot is filled."""

    stage: CausalStage
    slot: int
    length: int


class Recorder:
    """Steps as CUDA graphs; on another device as they are."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        if device.type == "cuda":
            with torch.cuda.device(device):
                self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
                self._pool = torch.cuda.graph_pool_handle()

    def recorded(self, step: Callable[[], None]) -> Callable[[], None]:
        """What does the same as `step`, which may have run a few times before that."""
        if self._device.type != "cuda":
            return step
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            for _ in range(WARM_UPS):
                step()
        current.wait_stream(self._stream)
        graph = torch.cuda.CUDAGraph()
        # the codec may be at work in another thread: what that does is no error of this recording
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
            step()
        return graph.replay


class SlottedGPT:
    """The causal network of one stage, and the slots of its sequences."""

    def __init__(self, network: GPT, device: torch.device) -> None:
        self._network, self._device = network, device
        self._slots = Slots(network.config, like=network.new_cache().keys)
        self._rows: dict[tuple[StepShape, int], Rows] = {}
        self._forget_steps()

    def begin(self, ids: Tensor, merged: Tensor | None, legal: range) -> tuple[int, Logits]:
        """A slot filled with a prompt (T,), and float32 logits (len(legal),) on the CPU."""
        before = self._slots.tensor
        slot = self._slots.take()
        if self._slots.tensor is not before:
            self._forget_steps()  # they hold the old memory
        merged = None if merged is None else merged[None]
        hidden = self._network.hidden(ids[None], merged, self._slots.cache(slot))[0, -1]
        head: Tensor = self._network.lm_head.weight[legal.start : legal.stop]
        return slot, torch.nn.functional.linear(hidden.to(head.dtype), head).float().cpu().numpy()

    def end(self, slot: int) -> None:
        """Take a slot back."""
        self._slots.give(slot)

    def logits(self, kind: StepShape, requests: Sequence[tuple[SlotSequence, Decode]]) -> list[Logits]:
        """Append one token to each sequence: float32 logits (size,) each, on the CPU."""
        rows = self._run(kind, requests, 1)
        return list(rows.logits[: len(requests)].cpu().numpy())

    def tokens(
        self, kind: StepShape, requests: Sequence[tuple[SlotSequence, Decode]], aheads: Sequence[Ahead]
    ) -> list[Answer]:
        """Append a token to each sequence, then those that are drawn: what each drew, the last not appended.

        Where the network returned NaN, that is the answer.
        """
        steps = min(STEPS, *(ahead.steps for ahead in aheads))
        rows = self._run(kind, requests, steps, aheads)
        made = rows.made[: len(requests), :steps].cpu().numpy()
        last_p = rows.last_p[: len(requests), :steps].cpu().double().numpy()
        return [
            np.full(kind.size, np.nan, np.float32) if np.isnan(p).any() else ahead.until_end(tokens, p)
            for ahead, tokens, p in zip(aheads, made, last_p, strict=True)
        ]

    def _run(
        self,
        kind: StepShape,
        requests: Sequence[tuple[SlotSequence, Decode]],
        steps: int,
        aheads: Sequence[Ahead] = (),
    ) -> Rows:
        """Do so many steps of these sequences; the device may still be at work on them."""
        last = max(sequence.length for sequence, _ in requests) + steps
        reach = min(self._network.config.block_size, -(-last // REACH) * REACH)
        rows, step = self._recorded(kind, 1 << (len(requests) - 1).bit_length(), reach)
        numbers = np.zeros(rows.numbers.shape, np.int64)  # of rows that are nobody's: all 0
        temperature = np.zeros(len(numbers), np.float32)
        for row, (sequence, request) in zip(numbers, requests, strict=False):
            row[:3] = request.token, sequence.slot, sequence.length
            sequence.length += steps
        for i, ahead in enumerate(aheads):
            numbers[i, 4:-STEPS] = [ids.start - kind.span.start for ids in ahead.legal]
            numbers[i, -STEPS:][:steps] = ahead.stream.keys(steps)
            temperature[i] = ahead.sampling.temperature
        rows.numbers.copy_(torch.from_numpy(numbers))
        rows.temperature.copy_(torch.from_numpy(temperature))
        for _ in range(steps):
            step()
        return rows

    def _recorded(self, kind: StepShape, count: int, reach: int) -> tuple[Rows, Callable[[], None]]:
        """A step of `count` rows, and those rows."""
        if len(self._steps) >= MOST_GRAPHS:
            self._forget_steps()
        if (kind, count) not in self._rows:
            self._rows[kind, count] = Rows.empty(count, kind, self._device)
        rows = self._rows[kind, count]
        if (kind, count, reach) not in self._steps:
            rows.numbers.zero_()  # what is done before it is recorded harms no sequence
            step = partial(append, self._network, self._slots.tensor, rows, reach)
            self._steps[kind, count, reach] = self._recorder.recorded(step)
        return rows, self._steps[kind, count, reach]

    def _forget_steps(self) -> None:
        self._steps: dict[tuple[StepShape, int, int], Callable[[], None]] = {}
        self._rows = {}
        self._recorder = Recorder(self._device)


class CudaBackend(WideParts):
    """The networks of one Bark on one GPU; implements `backends.Backend`."""

    def __init__(self, networks: Networks, device: torch.device) -> None:
        width = networks.coarse.config.n_embd
        super().__init__(networks.fine.to(device), networks.codec, device, width)
        self._causal: dict[CausalStage, SlottedGPT] = {
            "semantic": SlottedGPT(networks.semantic.to(device), device),
            "coarse": SlottedGPT(networks.coarse.to(device), device),
        }

    @torch.inference_mode()
    def prefill(self, stage: CausalStage, request: Prefill) -> tuple[SlotSequence, Logits]:
        """Begin a sequence: its slot, and logits (len(legal),) of the next token."""
        merged = None if request.merged is None else self._ids(request.merged)
        slot, logits = self._causal[stage].begin(self._ids(request.ids), merged, request.legal)
        return SlotSequence(stage, slot, len(request.ids)), logits

    @torch.inference_mode()
    def decode(self, stage: CausalStage, requests: Sequence[tuple[SlotSequence, Decode]]) -> list[Answer]:
        """Append one token to each sequence: logits (len(legal),), or tokens drawn where it looks ahead."""
        network, answers = self._causal[stage], dict[int, Answer]()
        together: dict[tuple[StepShape, bool], list[int]] = {}
        for i, (_, step) in enumerate(requests):
            together.setdefault((_kind(step), _ahead(step) is not None), []).append(i)
        with torch.cuda.device(self.device) if self.device.type == "cuda" else nullcontext():
            for (kind, draws), members in together.items():
                own = [requests[i] for i in members]
                aheads = [ahead for _, step in own if (ahead := _ahead(step)) is not None]
                made = network.tokens(kind, own, aheads) if draws else network.logits(kind, own)
                answers |= zip(members, made, strict=True)
        return [answers[i] for i in range(len(requests))]

    def release(self, context: SlotSequence) -> None:
        """Give the slot to the next sequence of its stage."""
        self._causal[context.stage].end(context.slot)


def _ahead(step: Decode) -> Ahead | None:
    """How it goes on, if tokens can be drawn on the device, where nobody knows what a reader allows."""
    return None if step.ahead is None or step.ahead.reader is not None else step.ahead


def _kind(step: Decode) -> StepShape:
    ahead = _ahead(step)
    if ahead is None:
        return StepShape(step.legal, len(step.legal), turns=1)
    legal, sampling = ahead.legal, ahead.sampling
    span = range(min(ids.start for ids in legal), max(ids.stop for ids in legal))
    return StepShape(span, len(legal[0]), len(legal), sampling.top_k, sampling.top_p)
