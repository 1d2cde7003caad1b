"""The backend of OpenVINO: requests of the stages -> logits, codes (8, F) -> samples (N,), by its devices.

Keys and values are the state of infer requests. Sequences that are asked for together are brought into the
state of one, where they lie side by side (model/openvino/transformer.py); while the same ones go on, nothing
is moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bark_cli.backends import CausalStage
from bark_cli.backends.openvino_device import compiled, told_of_device
from bark_cli.checkpoint import Checkpoint, misfit
from bark_cli.errors import ModelError
from bark_cli.model.codec import FRAMES_AT_ONCE, Codec, frames_to_start
from bark_cli.model.config import CodecConfig
from bark_cli.model.openvino import PARTS
from bark_cli.model.openvino.graphs import graph
from bark_cli.model.openvino.weights import GraphStorage
from bark_cli.model.tokens import Logits, Samples, Tokens
from bark_cli.stages.steps import Decode, FineWindow, Prefill

Array = NDArray[Any]
KEPT = 4  # requests of sequences that are over, kept for the next
WASTE = 256  # masked positions at the beginning of all rows, beyond which they are cut off


@dataclass(eq=False)
class Group:
    """Sequences side by side in the state of one infer request."""

    request: Any
    length: int = 0  # positions of the state
    rows: list[OpenVINOSequence] = field(default_factory=list)  # who has which row; not all need be alive


@dataclass(eq=False)
class OpenVINOSequence:
    """Where a sequence lies: its row of a group, and how much of the end of that is its own."""

    stage: CausalStage
    length: int
    group: Group


class StatefulGPT:
    """The causal network of one stage, and the states of its sequences."""

    def __init__(self, stage: CausalStage, network: Any) -> None:
        self._stage, self._network = stage, network
        self._free: list[Any] = []

    def begin(self, ids: Tokens, merged: Tokens | None) -> tuple[OpenVINOSequence, Array]:
        """A sequence that holds a prompt (T,), and logits (V,) after it."""
        group = Group(self._request())
        merged = ids[:0] if merged is None else merged
        logits = self._infer(group, ids[None], merged[None], np.zeros(1, np.int64), [0])
        group.length = len(ids)
        group.rows = [OpenVINOSequence(self._stage, len(ids), group)]
        return group.rows[0], logits[0]

    def step(self, sequences: Sequence[OpenVINOSequence], tokens: Sequence[int]) -> Array:
        """Append a token to each: logits (n, V)."""
        group = self._together(sequences)
        ids = np.array(tokens, np.int64)[:, None]
        start = np.array([group.length - one.length for one in sequences], np.int64)
        order = [group.rows.index(one) for one in sequences]
        logits = self._infer(group, ids, ids[:, :0], start, order)
        group.rows = list(sequences)
        group.length += 1
        for one in sequences:
            one.length += 1
        return logits

    def end(self, sequence: OpenVINOSequence) -> None:
        """Forget a sequence; its row is left out of the next step."""
        group = sequence.group
        group.rows = [one if one is not sequence else _NOBODY for one in group.rows]
        self._recycle(group)

    def _together(self, sequences: Sequence[OpenVINOSequence]) -> Group:
        """The group of these and no others, to which their states are copied where they have none."""
        groups = {id(one.group): one.group for one in sequences}
        group = sequences[0].group
        alive = {id(one) for one in group.rows if one is not _NOBODY}
        longest = max(one.length for one in sequences)
        if len(groups) == 1 and len(alive) == len(sequences) and group.length - longest <= WASTE:
            return group
        held = {key: _state(each.request) for key, each in groups.items()}
        rows = [(held[id(one.group)], one.group.rows.index(one), one.length) for one in sequences]
        joined = Group(self._request(), longest, list(sequences))
        _fill(joined.request, rows, longest)
        for one in sequences:
            self.end(one)
            one.group = joined
        return joined

    def _infer(self, group: Group, ids: Array, merged: Array, start: Array, order: Sequence[int]) -> Array:
        given = {"ids": ids, "merged": merged, "start": start}
        inputs = {name: np.ascontiguousarray(values, np.int64) for name, values in given.items()}
        inputs["beam_idx"] = np.array(order, np.int32)
        with told_of_device():
            group.request.infer(inputs)
        logits: Array = group.request.get_output_tensor(0).data.copy()  # the next step overwrites it
        return logits

    def _request(self) -> Any:
        if not self._free:
            return self._network.create_infer_request()
        return self._free.pop()

    def _recycle(self, group: Group) -> None:
        """Take back the request of a group in which nobody is left."""
        if all(one is _NOBODY for one in group.rows) and len(self._free) < KEPT:
            group.request.reset_state()
            self._free.append(group.request)


class OpenVINOBackend:
    """The networks of one Bark on a device of OpenVINO; implements `backends.Backend`.

    Raises:
        ModelError: OpenVINO, or its device, cannot take such a model.
        GenerationError: the device has too little memory.
    """

    side_by_side = 1  # OpenVINO has threads of its own

    def __init__(self, checkpoint: Checkpoint, device: str, storage: GraphStorage) -> None:
        if why := misfit(checkpoint.config, "openvino"):
            raise ModelError(f"OpenVINO cannot take this model: {why}; use --device cpu")
        semantic, coarse, fine, codec = compiled(
            lambda: [graph(part, checkpoint.config, checkpoint.arrays, storage) for part in PARTS],
            device,
            is_exact=storage == "fp32",
        )
        self._causal: dict[CausalStage, StatefulGPT] = {
            "semantic": StatefulGPT("semantic", semantic),
            "coarse": StatefulGPT("coarse", coarse),
        }
        self._fine = fine.create_infer_request()
        self._codec, self._start = codec, _frames_to_start(checkpoint.config.codec)

    def prefill(self, stage: CausalStage, request: Prefill) -> tuple[OpenVINOSequence, Logits]:
        """Begin a sequence: its state, and logits (len(legal),) of the next token."""
        sequence, logits = self._causal[stage].begin(request.ids, request.merged)
        return sequence, _of(request.legal, logits)

    def decode(self, stage: CausalStage, requests: Sequence[tuple[OpenVINOSequence, Decode]]) -> list[Logits]:
        """Append one token to each sequence: logits (len(legal),) each."""
        sequences, steps = zip(*requests, strict=True)
        logits = self._causal[stage].step(sequences, [step.token for step in steps])
        return [_of(step.legal, own) for step, own in zip(steps, logits, strict=True)]

    def release(self, context: OpenVINOSequence) -> None:
        """Leave its state to the next sequence of its stage."""
        self._causal[context.stage].end(context)

    def fine_logits(self, requests: Sequence[FineWindow]) -> list[Logits]:
        """Logits (window - first, vocabulary) of the codebook that each request names, one by one."""
        found = []
        for step in requests:
            codes = np.ascontiguousarray(step.codes.T[None], np.int64)
            inputs = {"codes": codes, "codebook": np.int64(step.codebook), "first": np.int64(step.first)}
            with told_of_device():
                self._fine.infer(inputs)
            found.append(_float32(self._fine.get_output_tensor(0).data[0]))
        return found

    def decode_audio(self, codes: Tokens) -> Samples:
        """Codes (n_codebooks, F) -> samples (F * hop,)."""
        stream = self.audio_stream()
        return np.concatenate([stream.push(codes), stream.finish()])

    def audio_stream(self) -> OpenVINOStream:
        """Begin an utterance that is decoded as its codes come."""
        return OpenVINOStream(self._codec, self._start)

    def fit_threads(self, n_sequences: int, n_callers: int = 1) -> None:
        """Nothing to do: OpenVINO has threads of its own."""


class OpenVINOStream:
    """One utterance decoded as its codes come; the pieces join to what decoding all of them at once gives."""

    def __init__(self, codec: Any, start: int) -> None:
        self._request, self._start = codec.create_infer_request(), start
        self._past: dict[str, Array] = {}  # empty until the first samples
        self._before = {
            one.get_any_name(): np.zeros([n.get_length() if n.is_static else 0 for n in one.partial_shape])
            for one in codec.inputs[1:]
        }
        self._waiting: Tokens | None = None  # codes of the frames that are held back

    def push(self, codes: Tokens) -> Samples:
        """The next codes (n_codebooks, F) -> the next samples (N,), of the very first frames none yet."""
        if self._waiting is not None:
            codes = np.concatenate([self._waiting, codes], axis=1)
        if not codes.shape[1] or not (self._past or codes.shape[1] >= self._start):
            self._waiting = codes
            return _NO_SAMPLES
        self._waiting = None
        pieces = range(0, codes.shape[1], FRAMES_AT_ONCE)
        return np.concatenate([self._run(codes[:, first : first + FRAMES_AT_ONCE]) for first in pieces])

    def finish(self) -> Samples:
        """The samples that are left when no more codes come: of a very short utterance all."""
        codes, self._waiting = self._waiting, None
        return _NO_SAMPLES if codes is None or not codes.shape[1] else self._run(codes)

    def _run(self, codes: Tokens) -> Samples:
        with told_of_device():
            made = self._request.infer(
                {"codes": np.ascontiguousarray(codes, np.int64), **(self._past or self._before)}
            )
        named = {port.get_any_name(): values for port, values in made.items()}
        samples = _float32(named.pop("samples"))
        self._past = {name.removeprefix("next."): values.copy() for name, values in named.items()}
        return samples


def _state(request: Any) -> dict[str, Any]:
    """OpenVINO's tensors of keys and values (B, heads, L, head size) by their names."""
    return {one.name: one.state for one in request.query_state()}


def _fill(request: Any, rows: Sequence[tuple[dict[str, Any], int, int]], length: int) -> None:
    """Put rows, each of a state and the end of so many positions, one under the other, zeros before them."""
    import openvino as ov

    for one in request.query_state():
        first = rows[0][0][one.name].data
        whole = np.zeros((len(rows), first.shape[1], length, first.shape[3]), first.dtype)
        for target, (state, row, own) in zip(whole, rows, strict=True):
            target[:, length - own :] = state[one.name].data[row, :, -own:]
        one.state = ov.Tensor(whole)


def _of(legal: range, logits: Array) -> Logits:
    return _float32(logits[legal.start : legal.stop])


def _float32(values: Array) -> NDArray[np.float32]:
    """A copy, whatever the device computes in."""
    return values.astype(np.float32)


def _frames_to_start(config: CodecConfig) -> int:
    with torch.device("meta"):  # its structure only
        return frames_to_start(Codec(config).decoder)


_NO_SAMPLES: Samples = np.empty(0, np.float32)
_NOBODY: Any = None  # whose row is a sequence's that is over
