"""Orders whose worker has died -> what is made again, and which of them is to blame.

As nobody knows which of several killed it, each of them is then made by a worker that has nothing else; one
whose worker dies again is failed.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import replace

from bark_cli.batch.make import Failed
from bark_cli.batch.order import Order
from bark_cli.errors import GenerationError

_FATAL = 2  # workers that die with an order, the last of them when it had no other
_MOST_MACHINES = 3  # that may be lost with an order before it is suspected


class Suspicion:
    """What of a run is to be made once more; true where there is any."""

    def __init__(self) -> None:
        self.alone: deque[Order] = deque()  # each by a worker that has no other
        self.again: deque[Order] = deque()  # like any
        self._losses: Counter[str] = Counter()  # by output: machines that were lost with it
        self._kills: Counter[str] = Counter()  # by output: workers that died with it

    def __bool__(self) -> bool:
        return bool(self.alone or self.again)

    def lost_with_machine(self, orders: Sequence[Order]) -> None:
        """Have them made again; the reason is hardly one of them, unless it happens again and again."""
        for order in orders:
            self._losses[order.task.output] += 1
            again = self._losses[order.task.output] <= _MOST_MACHINES
            (self.again if again else self.alone).append(_once_more(order))

    def died(self, orders: Sequence[Order]) -> list[Failed]:
        """Count it against orders; returns that one which was alone, and there before: it did it."""
        failed = []
        for order in orders:
            self._kills[order.task.output] += 1
            if len(orders) > 1 or self._kills[order.task.output] < _FATAL:
                self.alone.append(_once_more(order))
                continue
            error = GenerationError(
                f"{_FATAL} workers have died of it, one of them with nothing else to do; look at it"
            )
            failed.append(Failed(task=order.task, error=error))
        return failed


def _once_more(order: Order) -> Order:
    """An order whose file may be where it goes: its worker was killed before it could tell."""
    return replace(order, replaces=True)
