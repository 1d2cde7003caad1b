"""How many sequences at once pay on this machine, found by trying: steps of n sequences -> a count."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from bark_cli.backends import kernel
from bark_cli.backends.threads import NARROW, lent_threads
from bark_cli.model.config import BarkConfig, GPTConfig
from bark_cli.store.speeds import recall_batch, remember_batch

COUNTS = (1, 4, 16)
FEW = 4  # for each thread of a narrow network in int8: the others are within 5 % of it, which no trial tells
ALIKE = 1.05  # times that differ by less are taken for the same
BUDGET_S = 0.2  # after which no more rounds are begun
ROUNDS = range(3, 16)  # at least and, where they are short, at most
TURN_S = 0.002  # at least

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
    """How many at once pay, for each caller: tried once on this machine, and kept where it is clear.

    None where it cannot be told, or where as many as were tried pay, so that more may. Of narrow networks in
    int8 it is known.
    """
    if precision == "int8" and config.widest < NARROW:
        return FEW * backend.side_by_side
    kind, most = _kind(config, precision), min(most, COUNTS[-1])
    if (count := recall_batch(kind)) is None:
        step = backend.trial(most)
        turns = None if step is None else turns_of(step, most)
        if turns is not None:
            count = quickest(turns)
            if most == COUNTS[-1] and is_clear(turns, count):
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


def turns_of(step: Step, most: int) -> Mapping[int, Sequence[float]] | None:
    """Seconds that steps of COUNTS up to `most` take for each sequence, turn by turn.

    None where other programs had this processor meanwhile: nothing can be told then.
    """
    turns: dict[int, list[float]] = {count: [] for count in COUNTS if count <= most}
    began, own = time.perf_counter(), time.thread_time()
    for n_rounds in range(1, ROUNDS.stop):
        for count, turn in turns.items():
            turn.append(_turn(step, count))
        passed = time.perf_counter() - began
        if _is_busy(passed, time.thread_time() - own):
            return None
        if n_rounds in ROUNDS and passed > BUDGET_S:
            break
    return turns


def quickest(turns: Mapping[int, Sequence[float]]) -> int:
    """The quickest of counts, the smallest first, by their seconds for each sequence, turn by turn.

    The best turn of each counts. How far it can be believed is told by the middle one: a larger count has to
    gain more than they differ by, and more than ALIKE.
    """
    best = _best(turns)
    sure = max(ALIKE, *(sorted(turn)[len(turn) // 2] / min(turn) for turn in turns.values()))
    found = min(best)
    for count, seconds in best.items():
        if seconds * sure < best[found]:
            found = count
    return found


def is_clear(turns: Mapping[int, Sequence[float]], found: int) -> bool:
    """Whether no other count had a better best turn than the one found, or only by ALIKE."""
    best = _best(turns)
    return best[found] <= ALIKE * min(best.values())


def _best(turns: Mapping[int, Sequence[float]]) -> dict[int, float]:
    """The best turn of each count."""
    return {count: min(turn) for count, turn in turns.items()}


def _turn(step: Step, count: int) -> float:
    """Seconds for each sequence of steps of so many, for TURN_S at least."""
    marks = [time.perf_counter()]
    while marks[-1] - marks[0] < TURN_S:
        step(count)
        marks.append(time.perf_counter())
    if len(marks) > 2:  # where steps are short, the first finds the nearest caches full of other things
        del marks[0]
    return (marks[-1] - marks[0]) / (len(marks) - 1) / count


def _is_busy(taken_s: float, own_s: float) -> bool:
    """Whether a thread that had always something to do was without a processor for a third of the time."""
    return taken_s - own_s - time.get_clock_info("thread_time").resolution > taken_s / 3
