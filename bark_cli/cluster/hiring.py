"""What was asked for and the machines of a cluster -> how many workers, and what each has of its machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bark_cli.errors import OptionError

_USUAL_CPUS = 4  # of a worker; more threads make a small batch hardly faster


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the user asked for; None leaves it to the cluster."""

    workers: int | None = None
    cpus: int | None = None
    gpus: float | None = None


@dataclass(frozen=True, kw_only=True)
class Hiring:
    """How many workers, and what each has of its machine."""

    workers: int
    cpus: int
    gpus: float


def hiring(asked: Asked, machines: Sequence[Mapping[str, float]]) -> Hiring:
    """Fill in what was not asked for: as many workers as fit, with a GPU each where there are any.

    Args:
        asked: by the user.
        machines: what each has: CPU, GPU.

    Raises:
        OptionError: no machine has room for a worker.
    """
    cpus = [int(machine.get("CPU", 0)) for machine in machines]
    has_gpus = any(machine.get("GPU", 0) for machine in machines)
    gpus = asked.gpus if asked.gpus is not None else float(has_gpus)
    one = asked.cpus or _cpus(asked.workers, [count for count in cpus if count], gpus)
    fitting = sum(_room(machine, one, gpus) for machine in machines)
    if not fitting:
        most = max(cpus, default=0)
        raise OptionError(
            f"no machine of the cluster has {one} CPUs and {gpus:g} GPUs for a worker (at most {most} CPUs); "
            "ask for fewer with --worker-cpus and --worker-gpus"
        )
    return Hiring(workers=min(asked.workers or fitting, fitting), cpus=one, gpus=gpus)


def _cpus(workers: int | None, cpus: Sequence[int], gpus: float) -> int:
    """The CPUs of a worker: one beside a GPU, else what leaves room for all."""
    if gpus or not cpus:
        return 1
    return max(1, min(_USUAL_CPUS, min(cpus), sum(cpus) // (workers or 1)))


def _room(machine: Mapping[str, float], cpus: int, gpus: float) -> int:
    """How many workers fit on a machine."""
    by_cpu = int(machine.get("CPU", 0)) // cpus
    return min(by_cpu, int(machine.get("GPU", 0) / gpus)) if gpus else by_cpu
