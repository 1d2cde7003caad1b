"""How many threads this process may use, and how many a piece of work is worth: (width, rows) -> threads.

What the machine lends is asked of the system: the cores that this process may run on (`taskset`), the quota
of its control group (containers), and OMP_NUM_THREADS, which users of numerical programs know.
"""

from __future__ import annotations

import math
import os
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

NARROW = 512  # numbers in a step, its width times its rows, below which it is too short to be shared


def threads_for(width: int, rows: int) -> int:
    """Threads for one step of a network of that width over so many rows: a batch, a prompt or a window.

    Threads that share so short a step spend their time waiting for each other.
    """
    return 1 if width * rows < NARROW else lent_threads()


def threads_beside(width: int) -> int:
    """Threads that are quickest side by side, each with sequences of its own, in networks of that width.

    The weights of a narrow network are in every core's reach, and what is shared of it are its shortest
    steps. Those of a wide one are read from memory, better once for all sequences.
    """
    return lent_threads() if width < NARROW else 1


@lru_cache(maxsize=1)
def lent_threads() -> int:
    """Threads that this process may use at once, at least 1; asked once."""
    told = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    most = int(told) if told.isdecimal() and int(told) else math.inf
    return max(1, math.ceil(min(most, _cores(), cpu_quota())))


def cpu_quota(folder: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> float:
    """Cores that the control groups of this process grant it, in fractions; inf without a limit.

    Version 2 and its parents, else version 1.
    """
    quota = math.inf
    with suppress(OSError, ValueError):
        path = next((line[3:] for line in own.read_text().splitlines() if line.startswith("0::")), "/")
        place = folder / path.strip("/")
        for group in (place, *place.parents):
            if group != folder and folder not in group.parents:
                break
            with suppress(OSError, ValueError):
                granted, period = (group / "cpu.max").read_text().split()
                quota = min(quota, int(granted) / int(period))  # "max" is not a number
    with suppress(OSError, ValueError):  # version 1, where -1 is no limit
        granted, period = (
            (folder / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period")
        )
        quota = min(quota, int(granted) / int(period)) if int(granted) > 0 else quota
    return quota


def _cores() -> int:
    """Cores that this process may run on."""
    with suppress(AttributeError):  # Linux has it
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
