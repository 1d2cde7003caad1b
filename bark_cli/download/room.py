"""Room on the disk where the cache is: bytes needed -> nothing, or an error that names those missing."""

from __future__ import annotations

import shutil

from bark_cli import hub
from bark_cli.errors import OutputError
from bark_cli.units import human_bytes


def free_bytes() -> int:
    """Bytes that can be written where the cache is, or will be."""
    home = hub.bark_home().absolute()
    place = next(path for path in (home, *home.parents) if path.is_dir())
    return shutil.disk_usage(place).free


def check_room(name: str, needed: int) -> None:
    """Find out whether so many bytes can be written now, for the model of that name.

    Raises:
        OutputError: they cannot.
    """
    if (lacking := needed - (free := free_bytes())) > 0:
        raise OutputError(
            f"{name} needs {human_bytes(needed)} of disk in {hub.bark_home()} and "
            f"{human_bytes(free)} are free: {human_bytes(lacking)} are missing; "
            "make room (`bark cache prune`) or set BARK_HOME to a folder on another disk"
        )
