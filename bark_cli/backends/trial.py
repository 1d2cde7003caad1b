"""How many sequences at once pay on this machine, found by trying: steps of n sequences -> a count."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

from bark_cli.backends import kernel
from bark_cli.backends.threads import lent_threads
from bark_cli.model.config import BarkConfig, GPTConfig
from bark_cli.store.speeds import recall_batch, remember_batch

COUNTS = (16, 4, 1)
ALIKE = 1.05  # of times that differ by less the larger count is taken: what else there is gains by it
BUDGET_S, LEAST_S = 0.25, 0.002
ROUNDS = 5  # at most; at least two, of which the first warms up

Step = Callable[[int], object]


@runtime_checkable
class Tries(Protocol):
    """A backend that lets its steps be tried."""

    @property
    def side_by_side(self) -> int:
        """How many callers have steps of their own at the same time."""
        ...

    def trial(self, most: int) -> Step | None:
        """What computes a step of n <= `most` sequences, each in the midst of its cache.

        None where they go one by one whatever is asked.
        """
        ...


def paying(backend: Tries, config: BarkConfig, precision: str, most: int) -> int | None:
    """How many at once pay, `paying_count` for each caller: tried once on this machine, and kept.

    None where it cannot be told, or where as many as were tried pay, so that more may.
    """
    kind, most = _kind(config, precision), min(most, COUNTS[0])
    if (count := recall_batch(kind)) is None:
        step = backend.trial(most)
        count = None if step is None else paying_count(step, most)
        if count is not None and most == COUNTS[0]:
            remember_batch(kind, count)
    return None if count is None or count >= most else count * backend.side_by_side


def _kind(config: BarkConfig, precision: str) -> str:
    """All that the count depends on, in words."""
    sizes = [size_of(gpt) for gpt in (config.semantic.gpt, config.coarse.gpt)]
    shapes = ", ".join("x".join(map(str, size)) for size in sizes)
    return f"{platform.node()} {kernel.variant()} {lent_threads()} threads {precision} {shapes}"


def size_of(gpt: GPTConfig) -> tuple[int, int, int]:
    """What a step's time depends on: layers, width and positions."""
    return gpt.n_layer, gpt.n_embd, gpt.block_size


def steps_of(trials: Mapping[tuple[int, int, int], Callable[[int], Step]], most: int) -> Step:
    """A step of each size of network; two of one size take the same time, and one is tried."""
    steps = [trial(most) for trial in trials.values()]
    return lambda count: [step(count) for step in steps]


def paying_count(step: Step, most: int) -> int | None:
    """Of COUNTS up to `most` the one whose steps take the least time for each sequence.

    Counts take turns, each for about as long as one step of the largest, and the best turn of each counts.
    None where other programs had this processor meanwhile: nothing can be told then.
    """
    counts = [count for count in COUNTS if count <= most]
    best = dict.fromkeys(counts, float("inf"))
    began, own = time.perf_counter(), time.thread_time()
    for n_round in range(ROUNDS):
        turn_s = LEAST_S
        for count in counts:
            per_row, turn_s = _turn(step, count, turn_s)
            best[count] = min(best[count], per_row)
        taken = time.perf_counter() - began
        if _is_busy(taken, time.thread_time() - own):
            return None
        if n_round and taken > BUDGET_S:
            break
    least = min(best.values())
    return next(count for count in counts if best[count] <= ALIKE * least)


def _turn(step: Step, count: int, least_s: float) -> tuple[float, float]:
    """Steps of so many for that long at least: seconds for each sequence, and in all."""
    began, n_rows, taken = time.perf_counter(), 0, 0.0
    while taken < least_s or not n_rows:
        step(count)
        n_rows += count
        taken = time.perf_counter() - began
    return taken / n_rows, taken


def _is_busy(taken_s: float, own_s: float) -> bool:
    """Whether a thread that had always something to do was without a processor for a third of the time."""
    return taken_s - own_s - time.get_clock_info("thread_time").resolution > taken_s / 3
