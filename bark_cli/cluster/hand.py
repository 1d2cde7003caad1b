"""One worker of a run as the command sees it: its orders, and how many more it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bark_cli.batch.order import Order
from bark_cli.cluster.hiring import Hiring
from bark_cli.cluster.job import Ready
from bark_cli.cluster.models import Packed
from bark_cli.cluster.status import WorkerStatus

_SIDE_BY_SIDE = 8  # chunks that a worker may have


@dataclass(eq=False)
class Hand:
    """A worker, and what it has to do."""

    actor: Any
    loading: Any  # a reference, until it is ready
    status: WorkerStatus
    ready: Ready | None = None
    on_trial: bool = False  # it has one order and gets no other until that is over
    chunks: dict[Any, dict[str, Order]] = field(default_factory=dict)  # by their streams

    @property
    def orders(self) -> list[Order]:
        """All that it has not finished."""
        return [order for chunk in self.chunks.values() for order in chunk.values()]

    @property
    def n_orders(self) -> int:
        """How many these are."""
        return sum(map(len, self.chunks.values()))

    @property
    def room(self) -> int:
        """How many more orders it takes now."""
        if self.ready is None or self.on_trial or len(self.chunks) >= _SIDE_BY_SIDE:
            return 0
        size = self.chunk_size
        return size if self.n_orders <= self.ready.batch_size + size else 0

    @property
    def chunk_size(self) -> int:
        """Orders that go out together."""
        return 1 if self.ready is None else -(-self.ready.batch_size // 4)


def hire(number: int, worker: Any, hiring: Hiring, job: Any, packed: Mapping[int, Sequence[Packed]]) -> Hand:
    """Start a worker somewhere on the cluster, and have it load its model.

    Args:
        number: which of all it is.
        worker: a `Worker` class that Ray knows.
        hiring: what it gets of its machine.
        job: a reference to the `Job`.
        packed: models that it may lack.
    """
    actor = worker.options(
        num_cpus=hiring.cpus,
        num_gpus=hiring.gpus,
        max_concurrency=_SIDE_BY_SIDE + 2,
        max_restarts=0,
        runtime_env={"env_vars": {"OMP_WAIT_POLICY": "passive"}},  # as the command has it
    ).remote(hiring.cpus)
    return Hand(actor, actor.load.remote(job, packed), WorkerStatus(number))
