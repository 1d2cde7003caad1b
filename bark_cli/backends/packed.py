"""Int8 products and transformers computed by csrc/: rows (n, C) -> (n, R), (n, D) -> (n, D)."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from ctypes import Structure, byref, c_int32, c_void_p, sizeof
from dataclasses import dataclass
from typing import Any

import numpy as np

from bark_cli.backends import kernel
from bark_cli.backends.buffers import Array, Buffers, address, room
from bark_cli.backends.kernel import Layer, Matrix, Network, Scratch, Window
from bark_cli.backends.threads import NARROW, threads_for
from bark_cli.model.config import GPTConfig
from bark_cli.model.int8 import Int8Matrix
from bark_cli.model.options import StageSampling
from bark_cli.stages.sampling import RandomStream

NEVER = 2.0  # more than any probability
BLOCK = 16  # rows of a matrix that lie together; ROWS in csrc/network.h


class PackedMatrix:
    """An int8 matrix (R, C) as csrc/ reads it, and a bias (R,) or None.

    Raises:
        RuntimeError: the package was installed without its compiled code; `choose_precision` looks first.
    """

    def __init__(self, matrix: Int8Matrix, bias: Array | None = None) -> None:
        self._code = _compiled()
        self.rows = len(matrix.scale)
        blocks, total, calm = in_blocks(matrix.values)
        keep = self._memory = Buffers()
        self.struct = Matrix(
            keep.keep(blocks),
            keep.keep(_padded(matrix.scale)),
            None if bias is None else keep.keep(_padded(bias)),
            keep.keep(total),
            keep.keep(calm),
            self.rows,
            4 * blocks.shape[1],
        )

    def product(self, x: Array) -> Array:
        """x (n, C) -> float32 (n, R), each row of x rounded to 8 bits by its own largest value."""
        x = np.ascontiguousarray(x, np.float32)
        n, width = x.shape
        y = np.empty((n, self.rows), np.float32)
        part = min(n, int(self._code.bark_part()))
        bytes_each = self._code.bark_input_bytes(self.struct.columns)
        rounded, steps = room((part, bytes_each), np.uint8), room(part)
        scratch = Scratch(rounded=address(rounded), steps=address(steps))
        self._code.bark_product(self.struct, scratch, n, width, address(x), address(y), threads_for(width, n))
        return y


@dataclass(frozen=True, eq=False, kw_only=True)
class PackedLayer:
    """One block of a transformer: its four matrices, and weight and bias (or None) of its two norms."""

    attention: PackedMatrix
    projection: PackedMatrix
    expansion: PackedMatrix
    contraction: PackedMatrix
    norm_1: tuple[Array, Array | None]
    norm_2: tuple[Array, Array | None]


class Stack:
    """The blocks and last norm of a causal transformer; the sequences' caches belong to whoever calls."""

    def __init__(
        self, config: GPTConfig, layers: Sequence[PackedLayer], norm: tuple[Array, Array | None]
    ) -> None:
        self._code, self._memory, self._layers = _compiled(), Buffers(), layers
        keep = self._memory.keep
        self._network = Network(
            (Layer * config.n_layer)(*(self._struct(layer) for layer in layers)),
            keep(norm[0]), keep(norm[1]), config.n_layer, config.n_head, config.n_embd, config.block_size,
        )  # fmt: skip
        self._most = int(self._code.bark_part())
        self._width = config.n_embd
        self.is_narrow = config.n_embd < NARROW
        self._threads = min(os.cpu_count() or 1, int(self._code.bark_max_threads()))
        self._config = config
        share = int(self._code.bark_share())
        self._few = max(self._most, share)  # rows of a step, or of a thread that has a window of its own
        self._many = max(self._most, share * self._threads)  # of all threads that share a window
        self._rooms: dict[int, list[Scratch]] = {self._few: [], self._many: []}  # that no call uses

    @contextmanager
    def _room(self, rows: int) -> Iterator[Scratch]:
        """Memory for a call, which is nobody else's meanwhile; made when no other is free."""
        free = self._rooms[rows]
        try:
            found = free.pop()
        except IndexError:
            found = self._new_room(rows)
        try:
            yield found
        finally:
            free.append(found)

    def _new_room(self, rows: int) -> Scratch:
        """What no call touches of it takes no memory."""
        code, keep, width = self._code, self._memory.keep, self._width
        places = max(self._most, self._config.block_size)
        return Scratch(
            keep(room((rows, code.bark_input_bytes(4 * width)), np.uint8)),
            keep(room(rows)),
            keep(room((rows, 4 * width))),
            keep(room((places, 3 * width))),
            keep(room((places, width))),
            keep(self._cache(layers=1)),
        )

    def new_cache(self) -> Array:
        """Room for the keys and values of one sequence (csrc/cache.h): (layers, heads, spans, bytes)."""
        return self._cache(self._config.n_layer)

    def _cache(self, layers: int) -> Array:
        c = self._config
        spans = -(-c.block_size // int(self._code.bark_span()))
        return room((layers, c.n_head, spans, self._code.bark_span_bytes(c.n_embd // c.n_head)), np.uint8)

    def step(self, x: Array, caches: Sequence[Array], positions: Sequence[int]) -> Array:
        """Turn embeddings (n, D) into final hidden states in place; row i goes to positions[i] of caches[i].

        The rows may be n sequences, each with its own cache, or follow each other in one (`new_cache`).
        """
        for first in range(0, len(x), self._most):  # of a prompt each part sees those before
            rows = slice(first, first + self._most)
            n = len(x[rows])
            with self._room(self._few) as scratch:
                self._code.bark_step(
                    self._network, scratch, n, address(x[rows]),
                    (c_void_p * n)(*(address(cache) for cache in caches[rows])),
                    (c_int32 * n)(*positions[rows]), self._fitting(n),
                )  # fmt: skip
        return x

    def windows(self, asked: Sequence[tuple[Array, Array | None, int]]) -> list[Array]:
        """Final hidden states (T - first, D) of whole prompts or windows, whose embeddings (T, D) are lost.

        With a cache every position sees those before it, and its start is filled; without one all see all.
        They go side by side where each thread has two, and what is left by all threads.
        """
        threads = self._fitting(max(len(x) for x, _, _ in asked))
        windows = [
            Window(address(x), None if cache is None else address(cache), len(x), first)
            for x, cache, first in asked
        ]
        # with two for each thread, one that others leave less of its core leaves its share to the next
        count = max(1, min(threads, len(asked) // 2))
        rows = [self._many] + [self._few] * (count - 1)
        with ExitStack() as rooms:
            scratch = (Scratch * count)(*(rooms.enter_context(self._room(n)) for n in rows))
            self._code.bark_windows(
                self._network, scratch, count, len(asked), (Window * len(asked))(*windows), threads
            )
        return [x[first:] for x, _, first in asked]

    def generate(self, vocabulary: Structure, rows: ctypes.Array[Any], ids: int) -> None:
        """Let rows append and draw tokens (generate.py, which knows these structs), of so many legal ids."""
        n = len(rows)
        for first in range(0, n, self._most):
            count = min(self._most, n - first)
            x, logits = room((count, self._width)), room((count, ids))
            with self._room(self._few) as scratch:
                self._code.bark_generate(
                    self._network, scratch, byref(vocabulary), count,
                    byref(rows, first * sizeof(rows[0])), address(x), address(logits),
                    self._fitting(count),
                )  # fmt: skip

    def draw(self, logits: Array, n_codes: int, sampling: StageSampling, stream: RandomStream) -> Array:
        """One of the first `n_codes` ids for each row of logits (n, V), which are lost; -1: it holds NaN."""
        made, heap = np.empty(len(logits), np.int64), room_for_filters(sampling, self._threads * n_codes)
        words, state = words_of(stream, len(logits) * n_codes)
        self._code.bark_draw(
            address(logits), *logits.shape, n_codes, sampling.temperature, *filters(sampling),
            None if heap is None else address(heap), state, address(words), address(made),
            self._fitting(len(logits)),
        )  # fmt: skip
        return made

    def _fitting(self, rows: int) -> int:
        return min(self._threads, threads_for(self._width, rows))

    def _struct(self, layer: PackedLayer) -> Layer:
        keep = self._memory.keep
        norms = [keep(array) for array in (*layer.norm_1, *layer.norm_2)]
        matrices = (layer.attention, layer.projection, layer.expansion, layer.contraction)
        return Layer(*norms, *(matrix.struct for matrix in matrices))


def _compiled() -> ctypes.CDLL:
    code = kernel.compiled()
    if code is None:
        raise RuntimeError("there is no compiled int8 kernel")
    return code


def filters(sampling: StageSampling) -> tuple[int, float]:
    """Top-k and top-p as csrc/ reads them: 0 ids, and more than any probability, where there is none."""
    return min(sampling.top_k or 0, 2**31 - 1), NEVER if sampling.top_p is None else sampling.top_p


def room_for_filters(sampling: StageSampling, ids: int) -> Array | None:
    """What the filters sort ids in, where there are any."""
    return np.empty(ids, np.int32) if sampling.has_filters else None


def words_of(stream: RandomStream, count: int) -> tuple[Array, int | None]:
    """Room for words (count, 2) and the state that csrc/ makes them of; or words, and None."""
    if stream.state is None:
        return stream.words(count), None
    return np.empty((count, 2), np.uint32), address(stream.state)


def in_blocks(values: Array) -> tuple[Array, Array, Array]:
    """Int8 (R, C) -> what csrc/ reads (`Matrix` in csrc/network.h): values, sums of rows, calm runs.

    Values (blocks of 16 rows, C / 4, 16, 4) and sums (R,) padded to whole blocks; calm (R / 16, C / 16).
    """
    values = np.ascontiguousarray(values)
    rows, columns = values.shape
    n_blocks = -(-rows // BLOCK)
    blocks, total = room((n_blocks, -(-columns // 4), BLOCK, 4), np.int8), room(n_blocks * BLOCK, np.int32)
    calm = np.zeros((n_blocks, -(-columns // BLOCK)), np.uint8)
    _compiled().bark_pack(
        address(values), rows, columns, address(blocks), address(total), address(calm),
        threads_for(columns, rows),
    )  # fmt: skip
    return blocks, total, calm


def _padded(row: Array) -> Array:
    """(R,) as float32, with zeros up to a whole block."""
    whole = np.zeros(-(-len(row) // BLOCK) * BLOCK, np.float32)
    whole[: len(row)] = row
    return whole
