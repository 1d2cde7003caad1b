"""Files and folders that are being written: a folder -> a hidden part in it, locked while its process lives.

The lock (flock) is the system's own and ends with the process, however that ends: a part that can be locked
was left by a process that was killed, and the next one to write there sweeps it.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows; there nothing is swept
    fcntl = None  # type: ignore[assignment]

PARTS = ".bark-*.part"  # their names, for a glob
_NAME = re.compile(r"\.bark-[0-9a-f]{12}\.part")
_LOOK = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def new_part(target: Path) -> tuple[Path, int]:
    """A new file beside `target` and a descriptor to read and write it, which holds its lock.

    Raises:
        OSError: the folder cannot be written.
    """
    _sweep(str(target.parent))
    while True:
        part = part_name(target)
        # 0o666 lets the umask decide, as for any new file; mkstemp would give a private one
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        descriptor = os.open(part, flags, 0o666)
        if _lock(descriptor) is not False and os.fstat(descriptor).st_nlink:
            return part, descriptor
        os.close(descriptor)  # another process swept it before it was locked


def new_part_folder(target: Path) -> tuple[Path, int | None]:
    """The same of a folder; the descriptor only holds the lock.

    Raises:
        OSError: the folder cannot be written.
    """
    _sweep(str(target.parent))
    while True:
        part = part_name(target)
        part.mkdir()
        if fcntl is None:
            return part, None
        with suppress(FileNotFoundError):  # another process swept it before it was locked
            descriptor = os.open(part, os.O_RDONLY)
            if _lock(descriptor) is not False and part.is_dir():
                return part, descriptor
            os.close(descriptor)


def is_written(part: Path) -> bool | None:
    """Whether a process holds the lock of a part; None where that cannot be found out."""
    try:
        descriptor = os.open(part, _LOOK)
    except OSError:
        return None
    try:
        is_free = _lock(descriptor)
    finally:
        os.close(descriptor)
    return None if is_free is None else not is_free


@contextmanager
def held(folder: Path) -> Iterator[bool]:
    """Make a folder of ours and hold its lock: whether no other process has it. Left empty, it goes again.

    Raises:
        OSError: it cannot be made.
    """
    while True:
        folder.mkdir(mode=0o700, exist_ok=True)
        if fcntl is None:
            try:
                yield True
            finally:
                with suppress(OSError):
                    folder.rmdir()
            return
        descriptor = os.open(folder, os.O_RDONLY)
        is_ours = _lock(descriptor) is not False
        with suppress(FileNotFoundError):  # who had it may have removed it since
            if os.path.samestat(os.fstat(descriptor), folder.stat()):
                break
        os.close(descriptor)
    try:
        yield is_ours
    finally:
        if is_ours:
            with suppress(OSError):  # it may be another's by now, made since it was removed
                if os.path.samestat(os.fstat(descriptor), folder.stat()):
                    folder.rmdir()
        os.close(descriptor)


def part_name(target: Path) -> Path:
    """A hidden name beside `target`, which nothing has."""
    return target.with_name(f".bark-{secrets.token_hex(6)}.part")


def _lock(descriptor: int) -> bool | None:
    """Whether the lock was to be had; None where the file system knows none."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


@cache  # once for each folder
def _sweep(folder: str) -> None:
    """Remove the parts that no process writes any more."""
    if fcntl is None:
        return
    with suppress(OSError), os.scandir(folder) as found:
        for entry in [one for one in found if _NAME.fullmatch(one.name)]:
            with suppress(OSError):
                _remove_if_left(entry.path)


def _remove_if_left(path: str) -> None:
    descriptor = os.open(path, _LOOK)
    try:
        if _lock(descriptor):
            if os.path.isdir(path):  # noqa: PTH112
                shutil.rmtree(path, ignore_errors=True)
            else:
                os.unlink(path)  # noqa: PTH108
    finally:
        os.close(descriptor)
