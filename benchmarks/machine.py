"""This machine -> what the tables say of it: its processor and what that can do, cores, versions."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bark_cli.backends.device import cpu_abilities


def machine() -> dict[str, Any]:
    """What is kept with each record."""
    return {
        "processor": _processor(),
        "abilities": cpu_abilities(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": version("torch"),
    }


def machine_line() -> str:
    """The same in a line."""
    found = machine()
    return f"{found['processor']} ({found['abilities']}), {found['cores']} cores, torch {found['torch']}"


def _processor() -> str:
    """Its name, where Linux tells it; else what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
