"""Many steps in one call of the kernel (csrc/generate.c): sequences and how they go on -> the tokens drawn.

Python between two steps costs as much as a step of a narrow network, and threads that wait fall asleep.
"""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import c_int32
from dataclasses import dataclass
from typing import Any

import numpy as np

from bark_cli.backends.buffers import Array, Buffers, address
from bark_cli.backends.kernel import Matrix, RowStruct, VocabularyStruct
from bark_cli.backends.packed import NEVER, PackedMatrix, Stack, filters, room_for_filters, words_of
from bark_cli.model.tokens import Tokens
from bark_cli.stages.steps import Ahead

STEPS = 8  # in a call: what has to wait for it, such as Ctrl-C, waits for no more
SHORT_STEPS = 16  # the same of a narrow network


@dataclass(frozen=True, eq=False)
class StoredTable:
    """An embedding (N, D): float32, or int8 with a scale for each row."""

    rows: Array
    scale: Array | None

    def __call__(self, ids: Tokens) -> Array:
        """Ids (n,) -> float32 (n, D), the caller's own."""
        found = self.rows[ids].astype(np.float32)
        if self.scale is not None:
            found *= self.scale[ids, None]
        return found


@dataclass(frozen=True, eq=False)
class Going:
    """A sequence that goes on: its cache, how much of it is filled, the token to append, and what then."""

    cache: Array
    length: int
    token: int
    ahead: Ahead


@dataclass(frozen=True, eq=False)
class DrawnIds:
    """What a sequence drew: ids (n,), all but the last appended, and how likely the end was each time."""

    ids: Tokens
    end_p: Array  # (n,) NaN where the network returned NaN
    steps: int  # that random numbers were made for
    size: int  # numbers of each
    mark: Any  # of their stream, where the first begin


class Vocabulary:
    """What ids are to a network: their embeddings, places (block, D), and the rows of its head by packs."""

    def __init__(
        self, table: StoredTable, places: Array, packs: dict[range, PackedMatrix], turns: int
    ) -> None:
        self._memory = Buffers()
        self._packs = {ids: index for index, ids in enumerate(packs)}
        self._heads = list(packs.values())
        self.size = len(next(iter(packs)))
        keep = self._memory.keep
        self.struct = VocabularyStruct(
            keep(table.rows), keep(table.scale), turns, keep(places),
            (Matrix * len(packs))(*(head.struct for head in self._heads)),
            (c_int32 * len(packs))(*(ids.start for ids in packs)),
        )  # fmt: skip

    def order(self, ahead: Ahead) -> Array:
        """Which pack is legal at the next step, the one after it and so on: int32 (turns,)."""
        return np.array([self._packs[ids] for ids in ahead.legal], np.int32)


def generate(stack: Stack, vocabulary: Vocabulary, going: Sequence[Going]) -> list[DrawnIds]:
    """Let sequences go on together, STEPS tokens at most; none hears of the others."""
    most = SHORT_STEPS if stack.is_narrow else STEPS
    rows = (RowStruct * len(going))()
    held = []  # what the rows point at
    for row, one in zip(rows, going, strict=True):
        ahead, wanted = one.ahead, min(most, one.ahead.steps)
        # the very numbers, in the very order, that `sampling.draw` takes; at best made step by step
        at_once = wanted if ahead.stream.state is None else 1
        mark, (words, state) = ahead.stream.mark(), words_of(ahead.stream, at_once * vocabulary.size)
        made, end_p = np.zeros(wanted, np.int64), np.zeros(wanted, np.float32)
        order = vocabulary.order(ahead)
        heap = room_for_filters(ahead.sampling, vocabulary.size)
        held.append((made, end_p, at_once, mark, words, order, heap))
        row.cache, row.state, row.words = address(one.cache), state, address(words)
        row.packs, row.made, row.end_p = address(order), address(made), address(end_p)
        row.token, row.position, row.wanted = one.token, one.length, wanted
        row.temperature, row.may_end = ahead.sampling.temperature, ahead.may_end
        row.top_k, row.top_p = filters(ahead.sampling)
        row.heap = None if heap is None else address(heap)
        row.enough = NEVER if ahead.min_end_p is None else ahead.min_end_p
        if ahead.reader is not None:
            place = ahead.reader.place
            rules, row.last, row.at = place.rules, place.last, place.at
            row.cycle, row.placed, row.reach = rules.cycle, rules.n_placed, rules.reach
    stack.generate(vocabulary.struct, rows, vocabulary.size)
    return [
        DrawnIds(made[: row.done], end_p[: row.done], max(row.done, at_once), vocabulary.size, mark)
        for row, (made, end_p, at_once, mark, *_) in zip(rows, held, strict=True)
    ]
