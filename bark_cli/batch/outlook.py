"""What is left to do of a batch, in a few bytes an item: what was planned -> which items are due, in order.

A list of ten million rows is gone through twice, once to look and once to make, and never held.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterable, Iterator

from bark_cli.batch.items import Item
from bark_cli.batch.outputs import Outputs, Task
from bark_cli.batch.plan import Planned
from bark_cli.errors import TextError

_NOT_DUE = -1.0


class Outlook:
    """For each item, in their order, the seconds of sound that are to be made of it."""

    def __init__(self) -> None:
        self._seconds = array("f")
        self._marks = array("I")  # of the outputs, to see that the second time brings the same items
        self.due = 0  # how many
        self.due_s = 0.0

    def add(self, task: Task, planned: Planned | None) -> None:
        """Take note of the next item; None: it was named before."""
        is_due = planned is not None and planned.is_due
        self._seconds.append(planned.estimate_s if planned is not None and is_due else _NOT_DUE)
        self._marks.append(_mark(task))
        if planned is not None and is_due:
            self.due += 1
            self.due_s += planned.estimate_s

    def tasks(self, items: Iterable[Item], outputs: Outputs) -> Iterator[tuple[Task, float]]:
        """Of the same items what is due, each with its seconds.

        Raises:
            TextError: they are not the same.
        """
        count = 0
        for item, seconds, mark in zip(items, self._seconds, self._marks, strict=False):
            count += 1
            task = outputs.task(item)
            if _mark(task) != mark:
                raise TextError(f"{item.source} was changed while it was read; run the same command again")
            if seconds >= 0:
                yield task, seconds
        if count < len(self._marks):
            raise TextError("there are fewer texts than when they were looked at; run the same command again")


def _mark(task: Task) -> int:
    return zlib.crc32(task.output.encode("utf-8", "surrogatepass"))
