"""The workers of a cluster -> a table with a line for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bark_cli.cli.table import aligned
from bark_cli.system.units import human_speed

if TYPE_CHECKING:
    from bark_cli.cluster.status import WorkerStatus

_HEADER = ("WORKER", "NODE", "STATE", "FILES", "SPEECH", "SPEED")
_NODE = 6  # of the letters of a node's id, which tell nodes with one name apart


def worker_lines(workers: Sequence[WorkerStatus], most: int | None = None) -> list[str]:
    """The table; where there are more than `most`, those are left out that have the least to tell."""
    if not workers:
        return []
    shown = sorted(workers, key=lambda worker: (worker.state == "lost", worker.number))[:most]
    lines = aligned([_HEADER, *map(_row, shown)])
    left = len(workers) - len(shown)
    return [*lines, f"and {left} more"] if left else lines


def _row(worker: WorkerStatus) -> tuple[str, ...]:
    failed = f", {worker.failed} failed" if worker.failed else ""
    factor = worker.real_time_factor
    return (
        str(worker.number),
        f"{worker.host} {worker.node[:_NODE]}".strip(),
        worker.state,
        f"{worker.made}{failed}",
        f"{worker.audio_s:.0f} s",
        "" if factor is None else human_speed(factor),
    )
