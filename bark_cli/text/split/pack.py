"""Units in a row (sizes, and the breaks after them) -> groups of neighbours, alike in size, that end well.

The least squares of dynamic programming, as TeX breaks a paragraph into lines (Knuth and Plass, 1981).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import NamedTuple

from bark_cli.text.split.atoms import Break


class Unit(NamedTuple):
    """A stretch of text that stays together."""

    end: int  # offset in the paragraph
    tokens: float  # of the model's, as a part of those it reads at once
    seconds: float  # as a part of those it speaks at once
    words: float
    after: Break

    @property
    def size(self) -> float:
        """As a part of the larger of the two limits it meets."""
        return max(self.tokens, self.seconds)


def join(a: Unit, b: Unit) -> Unit:
    """Two neighbours as one."""
    return Unit(b.end, a.tokens + b.tokens, a.seconds + b.seconds, a.words + b.words, b.after)


def heavier(unit: Unit, weight: float) -> Unit:
    """A unit whose tokens count `weight` times as much."""
    return unit._replace(tokens=unit.tokens * weight)


FITS = 1 + 1e-9  # the size of a piece may be 1, and sums of parts are not exact
_GRAIN = 1 / 12  # of a piece: what is smaller joins its neighbour before pieces are planned
_COST = {Break.INSIDE: 0.8, Break.WORD: 0.35, Break.CLAUSE: 0.05}
_ORPHAN_WORDS = 3  # fewer said alone make Bark invent more
_ORPHAN_COST = 1.0
_OVER_TARGET_COST = 0.6  # by how many times over; worth it to take in an orphan, and not otherwise


def pack(units: Iterable[Unit], target: float = 1.0) -> list[Unit]:
    """Neighbours joined: every group near `target`, none over 1 in size, ending at the most natural places.

    A unit that is larger stays by itself. Takes time in proportion to the number of units.
    """
    grains = coarsen(units, _GRAIN * target)
    best = [0.0]  # the least cost of the first n grains
    first: list[int] = []  # where the last group of those begins
    for n in range(1, len(grains) + 1):
        cost, begin = min(_choices(grains, n, best, target))
        best.append(cost)
        first.append(begin)
    groups: list[Unit] = []
    n = len(grains)
    while n:
        groups.append(reduce(join, grains[first[n - 1] : n]))
        n = first[n - 1]
    return groups[::-1]


def _choices(grains: list[Unit], n: int, best: list[float], target: float) -> Iterable[tuple[float, int]]:
    """(cost of all up to grain n, first grain of the group that ends there)."""
    tokens = seconds = words = 0.0
    end_cost = _COST.get(grains[n - 1].after, 0.0) if n < len(grains) else 0.0
    for begin in range(n - 1, -1, -1):
        grain = grains[begin]
        tokens, seconds, words = tokens + grain.tokens, seconds + grain.seconds, words + grain.words
        size = max(tokens, seconds)
        if size > FITS and begin < n - 1:
            return
        cost = (1 - size / target) ** 2 if size <= target else 0.0
        if size > target * FITS and begin < n - 1:
            cost = _OVER_TARGET_COST * size / target
        if words < _ORPHAN_WORDS:
            cost += _ORPHAN_COST
        yield best[begin] + cost + end_cost, begin


def coarsen(units: Iterable[Unit], grain: float) -> list[Unit]:
    """Units below `grain` joined to the next one, clauses kept apart where they have a quarter of it."""
    grains: list[Unit] = []
    current: Unit | None = None
    for unit in units:
        if current is not None and join(current, unit).size > FITS:
            grains.append(current)
            current = None
        current = unit if current is None else join(current, unit)
        enough = grain / 4 if current.after > Break.WORD else grain
        if current.size >= enough:
            grains.append(current)
            current = None
        elif current.after > Break.WORD and grains and _takes(grains[-1], current):
            grains[-1] = join(grains[-1], current)
            current = None
    return grains if current is None else [*grains, current]


def _takes(previous: Unit, rest: Unit) -> bool:
    """Whether the end of a clause belongs to what was cut off before it."""
    return previous.after < Break.CLAUSE and join(previous, rest).size <= FITS
