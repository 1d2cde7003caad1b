"""The user's home: the environment and the system's list of users -> a folder, which need not be there.

A container may run as a user that no list knows, without HOME. pathlib then raises; here such a home is one
in which nothing lies and nothing can be written, so that all that needs none works.
"""

from __future__ import annotations

import os
from pathlib import Path

_NOWHERE = Path(os.devnull, "no-home")


def home() -> Path:
    """Where the user's files lie."""
    found = os.path.expanduser("~")  # noqa: PTH111  (pathlib's raises)
    return _NOWHERE if found == "~" else Path(found)


def expanded(path: str | os.PathLike[str]) -> Path:
    """The path with ~ and ~user put in; one of a user whom nobody knows stays as it is."""
    return Path(os.path.expanduser(path))  # noqa: PTH111


def xdg_folder(variable: str) -> Path | None:
    """The folder that a variable such as XDG_CACHE_HOME names; a relative one counts for nothing.

    So the XDG Base Directory Specification has it: else every working folder had files of its own.
    """
    found = expanded(os.environ.get(variable, ""))
    return found if found.is_absolute() else None
