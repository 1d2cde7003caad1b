"""Bark's own files in a folder that may be anybody's: a path -> that file, and never what a link leads to.

A folder that was cloned or is shared may hold a link, a pipe or a device where a file of ours is to be; to
write through it would change, or run, what the user never named. `openat` with O_NOFOLLOW (POSIX) decides
it in one step: there is no moment between looking and opening.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from bark_cli.errors import OutputError

_LINK = {errno.ELOOP, getattr(errno, "EMLINK", errno.ELOOP), getattr(errno, "EFTYPE", errno.ELOOP)}
_HAS_FOLDERS = os.open in os.supports_dir_fd  # Windows has no handles of folders
_SAFE = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_ALWAYS = _SAFE | getattr(os, "O_BINARY", 0)
_WRITES = os.O_WRONLY | os.O_RDWR


def open_ours(path: Path, flags: int) -> int:
    """A descriptor of our file `path`, opened with `flags`; only an ordinary file of one name is opened.

    The folder may be reached by links, for the user named it; the file may not be one.

    Raises:
        OutputError: it is a link, a pipe, a device or a folder, or is to be written and has another name.
        OSError: it is not there, or the system refuses.
    """
    if not _HAS_FOLDERS:
        check_ours(path)
        return os.open(path, flags | _ALWAYS, 0o666)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        descriptor = os.open(path.name, flags | _ALWAYS, 0o666, dir_fd=folder)
    except OSError as error:
        if error.errno in _LINK or error.errno in (errno.ENXIO, errno.EISDIR):
            raise _foreign(path, os.stat(path.name, dir_fd=folder, follow_symlinks=False)) from error
        raise
    finally:
        os.close(folder)
    try:
        _check(path, os.fstat(descriptor), writes=bool(flags & _WRITES))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def check_ours(path: Path) -> None:
    """Find out whether a file of ours is, or can be, at `path`, before somebody else opens it by that name.

    Raises:
        OutputError: as `open_ours`.
    """
    with suppress(FileNotFoundError, NotADirectoryError):
        _check(path, path.lstat(), writes=True)


def read_ours(path: Path, most_bytes: int) -> bytes | None:
    """What our file holds, and one byte more than `most_bytes` where it holds more; None where there is none.

    Raises:
        OutputError: as `open_ours`.
        OSError: the system refuses.
    """
    try:
        descriptor = open_ours(path, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read(most_bytes + 1)


def _check(path: Path, status: os.stat_result, *, writes: bool) -> None:
    if not stat.S_ISREG(status.st_mode) or (writes and status.st_nlink > 1):
        raise _foreign(path, status)


def _foreign(path: Path, status: os.stat_result) -> OutputError:
    kinds = {
        stat.S_IFLNK: "a link",
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
    }
    hard = "known by another name too (a hard link)" if stat.S_ISREG(status.st_mode) else None
    what = hard or kinds.get(stat.S_IFMT(status.st_mode), "a device")
    return OutputError(
        f"{path} is {what}, which Bark does not follow; put a plain file in its place, or remove it"
    )
