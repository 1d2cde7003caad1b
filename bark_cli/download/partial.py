"""What has come of a file so far: bytes -> `<target>.<digest>.part` on the disk, hashed as they come.

They are written as they come, so that a process that is killed loses next to nothing. The part of another
version of the file has another name, and so is never gone on with.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bark_cli.download.failures import AGAIN
from bark_cli.download.hub import RemoteFile
from bark_cli.errors import OutputError
from bark_cli.system.files import is_disk_full
from bark_cli.system.ours import open_ours
from bark_cli.system.units import human_bytes

_READ_BYTES = 2**20


def part_path(file: RemoteFile, target: Path) -> Path:
    """Where what has come of `file` lies until it is whole."""
    digest = file.sha256 or file.git_sha1 or hashlib.sha256(file.url.encode()).hexdigest()
    return target.with_name(f"{target.name}.{digest[:12]}.part")


def is_whole(file: RemoteFile, target: Path) -> bool:
    """Whether `target` is already there, as it must be, found by reading all of it.

    Raises:
        OutputError: it cannot be read.
    """
    digest, expected = _new_digest(file)
    with _disk(file, target):
        if expected is None or not target.is_file() or target.stat().st_size != file.size:
            return False
        with target.open("rb") as stream:
            while data := stream.read(_READ_BYTES):
                digest.update(data)
    return bool(digest.hexdigest() == expected)


class PartialFile:
    """The part of one file, open; every method raises OutputError where the disk refuses."""

    def __init__(self, file: RemoteFile, target: Path, on_bytes: Callable[[int], None]) -> None:
        self.file, self.target, self.path = file, target, part_path(file, target)
        self.on_bytes = on_bytes  # told by how many bytes it has grown
        self.size = 0  # bytes
        self._digest, self._expected = _new_digest(file)
        with _disk(file, target):
            target.parent.mkdir(parents=True, exist_ok=True)
            _remove_others(self.path, target)
            # unbuffered: what has come is the system's at once, and outlives this process
            self._stream = os.fdopen(open_ours(self.path, os.O_RDWR | os.O_CREAT), "r+b", buffering=0)
            try:
                self._read_back()
            except BaseException:
                self._stream.close()
                raise

    @property
    def is_full(self) -> bool:
        """Whether as many bytes are here as there should be."""
        return self.size == self.file.size

    def mismatch(self) -> str | None:
        """What is wrong with all the bytes together; None: nothing."""
        found = self._digest.hexdigest()
        if self._expected in (None, found):
            return None
        return f"its {self._digest.name} is {found}, and {self._expected} was expected"

    def append(self, data: bytes) -> None:
        """Take what came; as much as the disk takes is kept."""
        view = memoryview(data)
        with _disk(self.file, self.target, self.size):
            while view:
                written = self._stream.write(view)
                self._digest.update(view[:written])
                self.size += written
                self.on_bytes(written)
                view = view[written:]

    def clear(self) -> None:
        """Begin again."""
        if self.size:
            self.on_bytes(-self.size)
        with _disk(self.file, self.target):
            self._stream.seek(0)
            self._stream.truncate()
        self.size, self._digest = 0, _new_digest(self.file)[0]

    def finish(self) -> None:
        """Give it its final name."""
        with _disk(self.file, self.target, self.size):
            os.fsync(self._stream.fileno())
            self._stream.close()
            self.path.replace(self.target)

    def close(self) -> None:
        """Leave it for another day, unless nothing has come."""
        self._stream.close()
        if self.size == 0:
            with suppress(OSError):
                self.path.unlink()

    def _read_back(self) -> None:
        """Hash what an earlier process left."""
        for data in iter(lambda: self._stream.read(_READ_BYTES), b""):
            self._digest.update(data)
            self.size += len(data)
        if self.size:
            self.on_bytes(self.size)


def _new_digest(file: RemoteFile) -> tuple[Any, str | None]:
    """An empty hash, and what it is to become: sha256, else git's sha1; None where nothing is known."""
    if file.sha256 is None and file.git_sha1 is not None:
        return hashlib.sha1(b"blob %d\0" % file.size, usedforsecurity=False), file.git_sha1
    return hashlib.sha256(), file.sha256


def _remove_others(part: Path, target: Path) -> None:
    """Remove parts of other versions of the same file, which nobody will go on with."""
    names = re.compile(rf"{re.escape(target.name)}\.[0-9a-f]{{12}}\.part")
    for path in target.parent.iterdir():
        if names.fullmatch(path.name) and path.name != part.name:
            path.unlink()


@contextmanager
def _disk(file: RemoteFile, target: Path, have: int = 0) -> Iterator[None]:
    """What the disk refuses, in one line; `have` bytes of the file are here."""
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            lacking = f"{human_bytes(file.size - have)} more for {file.path} in {target.parent}"
            raise OutputError(f"the disk is full: it takes {lacking}; make room, then {AGAIN}") from error
        reason = error.strerror or error
        raise OutputError(
            f"cannot write {target}: {reason}; set BARK_HOME to a folder that can be written"
        ) from error
