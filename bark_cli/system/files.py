"""Write a file whole or not at all: path + bytes, whole or in pieces -> the file, or the old one."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from bark_cli.errors import OutputError
from bark_cli.system.parts import new_part

_ELSEWHERE = "choose another place"
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}


def check_target(path: Path, *, force: bool = False, follow: bool = True) -> None:
    """Find out whether `path` can be written, before the work that fills it is done.

    A link that the user names has to lead to a file. One at a name that we chose (`follow` off) is never
    written through, for whoever made the folder may have put it there.

    Raises:
        OutputError: it exists and `force` is off, or is not a file, or its folder is missing or read-only.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        mode = None
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the name
        raise OutputError(_cannot_write(path, error)) from error
    if path.is_symlink() and (mode is None or not follow):
        where = "a link" if mode is not None else "a link to nothing"
        raise OutputError(f"{path} is {where}; remove it, or choose another name")
    if mode is not None and stat.S_ISDIR(mode):
        raise OutputError(f"{path} is a folder; give the name of a file in it")
    if mode is not None and not stat.S_ISREG(mode):  # a device: replacing it would take it from everyone
        raise OutputError(f"{path} is not an ordinary file; choose another name")
    if mode is not None and not force:
        raise OutputError(_exists(path))
    if not path.parent.is_dir():
        lacking = "is not a folder" if path.parent.exists() else "does not exist; create it first"
        raise OutputError(f"cannot write {path}: {path.parent} {lacking}")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write {path}: folder {path.parent} is read-only; choose another folder")


def is_special(path: str | Path) -> bool:
    """Whether it is a pipe, a device or a socket, which no file can be put in the place of."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116  (of a name that may hold a NUL)
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def write_whole(
    path: Path, data: bytes, *, force: bool = False, follow: bool = True, synced: bool = True
) -> None:
    """Put `data` under `path` by way of a temporary file beside it, so that no reader ever sees a part.

    Not `synced`, it may be damaged if the power fails soon after: for what can be done without.

    Raises:
        OutputError: as `check_target`, or the disk refuses (full, gone); no temporary file is left.
    """
    with new_file(path, force=force, follow=follow, synced=synced) as stream, told_of(path):
        stream.write(data)


@contextmanager
def new_file(
    path: Path, *, force: bool = False, follow: bool = True, synced: bool = True
) -> Iterator[BinaryIO]:
    """A stream whose bytes become `path` when the block ends; after an error in it there is no trace of them.

    Until then they are in a hidden file beside it. What the block itself writes is not watched: an OSError of
    the stream (a full disk) comes as it is, and `told_of` makes the error of it that a user should see.

    Raises:
        OutputError: as `check_target`, at the start or, made meanwhile, at the end; or the disk refuses.
    """
    with new_path(path, force=force, follow=follow, synced=synced) as part:
        with told_of(path):
            stream = part.open("r+b")
        try:
            yield stream
            with told_of(path):
                stream.flush()
                stream.close()
        finally:
            with suppress(OSError):  # what it could not write has been told of, or does not matter any more
                stream.close()


@contextmanager
def new_path(path: Path, *, force: bool = False, follow: bool = True, synced: bool = True) -> Iterator[Path]:
    """The same for code that opens files by their names: an empty file that is `path` when the block ends.

    Raises:
        OutputError: as `new_file`.
    """
    check_target(path, force=force, follow=follow)
    # a link keeps pointing where it points; to rename a file over one that is made meanwhile follows none
    target = path.resolve() if follow else path.parent.resolve() / path.name
    with told_of(path):
        part, lock = new_part(target)
    try:
        try:
            yield part
            if synced:
                with told_of(path), part.open("rb+") as stream:
                    os.fsync(stream.fileno())
        finally:
            os.close(lock)  # Windows renames nothing that is open
        if not force and target.exists():  # somebody has made it meanwhile
            raise OutputError(_exists(path))
        with told_of(path):
            part.replace(target)
    finally:
        with suppress(OSError):
            part.unlink()


@contextmanager
def told_of(path: Path, instead: str = _ELSEWHERE) -> Iterator[None]:
    """Turn an OSError of the block into the OutputError that names `path` and what to do instead."""
    try:
        yield
    except OSError as error:
        raise OutputError(_cannot_write(path, error, instead)) from error


def is_disk_full(error: OSError) -> bool:
    """Whether there is no room, on the disk or in the user's share of it."""
    return error.errno in _FULL


def _exists(path: Path) -> str:
    return f"{path} exists; use --force to write over it"


def _cannot_write(path: Path, error: OSError | ValueError, instead: str = _ELSEWHERE) -> str:
    reason = error.strerror if isinstance(error, OSError) else error
    return f"cannot write {path}: {reason}; {instead}"
