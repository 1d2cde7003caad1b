"""Room on the disk where the cache is: bytes needed -> nothing, or an error that names those missing."""

from __future__ import annotations

from bark_cli import store
from bark_cli.errors import OutputError
from bark_cli.system.units import human_bytes


def check_room(name: str, needed: int) -> None:
    """Check that there is room on the disk for the model of that name.

    Raises:
        OutputError: they cannot.
    """
    if (lacking := needed - (free := store.free_bytes())) > 0:
        raise OutputError(
            f"{name} needs {human_bytes(needed)} of disk in {store.bark_home()} and "
            f"{human_bytes(free)} are free: {human_bytes(lacking)} are missing; "
            "make room (`bark cache prune`) or set BARK_HOME to a folder on another disk"
        )
