"""How long ago the command was entered: the start of this process -> seconds."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

_IMPORTED = time.perf_counter()


def seconds_since_start() -> float:
    """Seconds since this process was started; where the system does not tell, since its first imports."""
    with suppress(AttributeError, OSError, ValueError, IndexError):  # Linux
        fields = (
            Path("/proc/self/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        )
        started = int(fields[19]) / os.sysconf("SC_CLK_TCK")  # seconds after the system's own start
        return time.clock_gettime(time.CLOCK_BOOTTIME) - started
    return time.perf_counter() - _IMPORTED
