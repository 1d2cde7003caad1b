"""Many steps in one call of the kernel (csrc/generate.c): sequences and how they go on -> the tokens drawn.

Python between two steps costs as much as a step of a narrow network, and threads that wait fall asleep.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import POINTER, Structure, c_float, c_int32, c_void_p
from dataclasses import dataclass

import torch
from torch import Tensor

from bark_cli.backends.kernel import Matrix, Memory, Packed, Stack
from bark_cli.model.tokens import Tokens
from bark_cli.stages.steps import Ahead

STEPS = 8  # in a call: what has to wait for it, such as Ctrl-C, waits for no more
STORED = {torch.float32: 0, torch.bfloat16: 1, torch.int8: 2}
NEVER = 2.0  # more than any probability


class _Vocabulary(Structure):
    _fields_ = (
        ("rows", c_void_p), ("scale", c_void_p), ("stored", c_int32), ("turns", c_int32),
        ("positions", c_void_p), ("heads", POINTER(Matrix)), ("starts", POINTER(c_int32)),
    )  # fmt: skip


class _Row(Structure):
    _fields_ = (
        ("cache", c_void_p), ("uniform", c_void_p), ("packs", c_void_p), ("made", c_void_p),
        ("end_p", c_void_p), ("token", c_int32), ("position", c_int32), ("wanted", c_int32),
        ("temperature", c_float), ("enough", c_float), ("may_end", c_int32), ("done", c_int32),
    )  # fmt: skip


LAYOUT = ctypes.sizeof(_Vocabulary) | ctypes.sizeof(_Row) << 16


@dataclass(frozen=True, eq=False)
class StoredTable:
    """An embedding (N, D) as it is stored: of floats, or int8 with a scale for each row."""

    rows: Tensor
    scale: Tensor | None

    def __call__(self, ids: Tensor) -> Tensor:
        """Ids (...) -> float32 (..., D), the caller's own."""
        found = self.rows[ids].float()
        return found if self.scale is None else found.mul_(self.scale[ids, None])


@dataclass(frozen=True, eq=False)
class Going:
    """A sequence that goes on: its cache, how much of it is filled, the token to append, and what then."""

    cache: Tensor
    length: int
    token: int
    ahead: Ahead


@dataclass(frozen=True, eq=False)
class Drawn:
    """What a sequence drew: ids (n,), all but the last appended, and how likely the end was each time."""

    ids: Tokens
    end_p: Tensor  # (n,) NaN where the network returned NaN


class Vocabulary:
    """What ids are to a network: their embeddings, places (block, D), and the rows of its head by packs."""

    def __init__(self, table: StoredTable, places: Tensor, packs: dict[range, Packed], turns: int) -> None:
        self._memory = Memory()
        self._packs = {ids: index for index, ids in enumerate(packs)}
        self._heads = list(packs.values())
        self.size = len(next(iter(packs)))
        rows = table.rows if table.rows.dtype in STORED else table.rows.float()
        keep = self._memory.keep
        self.struct = _Vocabulary(
            keep(rows), keep(None if table.scale is None else table.scale.float()), STORED[rows.dtype], turns,
            keep(places), (Matrix * len(packs))(*(head.struct for head in self._heads)),
            (c_int32 * len(packs))(*(ids.start for ids in packs)),
        )  # fmt: skip

    def order(self, ahead: Ahead) -> Tensor:
        """Which pack is legal at the next step, the one after it and so on: int32 (turns,)."""
        return torch.tensor([self._packs[ids] for ids in ahead.legal], dtype=torch.int32)


def generate(stack: Stack, vocabulary: Vocabulary, going: Sequence[Going]) -> list[Drawn]:
    """Let sequences go on together, STEPS tokens at most; none hears of the others."""
    rows = (_Row * len(going))()
    held = []  # what the rows point at
    for row, one in zip(rows, going, strict=True):
        ahead, wanted = one.ahead, min(STEPS, one.ahead.steps)
        # the very numbers, in the very order, that `sampling.draw` takes
        uniform = torch.empty(wanted, vocabulary.size, dtype=torch.float64).uniform_(generator=ahead.stream)
        made, end_p = torch.zeros(wanted, dtype=torch.int64), torch.zeros(wanted)
        order = vocabulary.order(ahead)
        held.append((made, end_p, uniform, order))
        row.cache, row.uniform, row.packs = one.cache.data_ptr(), uniform.data_ptr(), order.data_ptr()
        row.made, row.end_p = made.data_ptr(), end_p.data_ptr()
        row.token, row.position, row.wanted = one.token, one.length, wanted
        row.temperature, row.may_end = ahead.sampling.temperature, ahead.may_end
        row.enough = NEVER if ahead.min_end_p is None else ahead.min_end_p
    stack.generate(vocabulary.struct, rows, vocabulary.size)
    return [
        Drawn(made[: row.done].numpy(), end_p[: row.done])
        for row, (made, end_p, *_) in zip(rows, held, strict=True)
    ]
