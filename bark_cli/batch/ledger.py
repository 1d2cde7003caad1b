"""What a batch has made: `.bark-batch.jsonl` in its folder, a line for each file, only ever added to.

A line is on the disk before its file gets its name, and counts only while that file is there as it was made:
so neither a kill between the two, nor a torn line, nor a file that somebody changed is mistaken for done.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from bark_cli.errors import OutputError
from bark_cli.system.files import told_of
from bark_cli.system.ours import check_ours, open_ours
from bark_cli.system.records import Bounds, parse, record

LEDGER_FILE = ".bark-batch.jsonl"
LOCK_FILE = ".bark-batch.lock"
SCRATCH_FOLDER = ".bark-batch.parts"  # files grow here; what a kill leaves is swept by the next run
_MOST_BYTES = 2**28  # of all lines, of which a million files take less
_LINE = Bounds(2**16, items=100)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One file that was made."""

    output: str  # below the folder, with /
    key: str  # of what it was made from, and how
    source: str
    seconds: float  # of sound
    seed: int
    size: int  # bytes
    mtime_ns: int
    sha256: str

    def describes(self, path: Path) -> bool:
        """Whether the file is there, and is the one that was made."""
        try:
            status = path.lstat()
            if not stat.S_ISREG(status.st_mode) or status.st_size != self.size:
                return False
            return status.st_mtime_ns == self.mtime_ns or sha256_of(path) == self.sha256  # it may be a copy
        except (OSError, ValueError):
            return False


class Ledger:
    """The entries of a folder; reading it takes no lock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.added: set[str] = set()  # outputs, by this process
        self._file = folder / LEDGER_FILE
        self._entries: dict[str, list[Entry]] = {}
        for entry in _read(self._file):
            self._entries.setdefault(entry.output, []).append(entry)

    @property
    def outputs(self) -> Iterator[Path]:
        """All files that batches have made here, or were about to."""
        return (self.folder / output for output in self._entries)

    def find(self, output: str, key: str) -> Entry | None:
        """What says that `output` is there, and made from just this."""
        path = self.folder / output
        entries = reversed(self._entries.get(output, []))
        return next((entry for entry in entries if entry.key == key and entry.describes(path)), None)

    def is_ours(self, output: str) -> bool:
        """Whether the file there is one that a batch made, of whatever, and nobody has changed since."""
        return any(entry.describes(self.folder / output) for entry in self._entries.get(output, []))

    def knows(self, output: str) -> bool:
        """Whether a batch has made such a file, or was about to."""
        return output in self._entries

    def add(self, *entries: Entry) -> None:
        """Write a line for each; they are on the disk when this returns.

        Raises:
            OutputError: the disk refuses.
        """
        line = b"".join(json.dumps(asdict(entry)).encode("ascii") + b"\n" for entry in entries)
        with told_of(self._file):
            descriptor = open_ours(self._file, os.O_RDWR | os.O_CREAT | os.O_APPEND)
            try:
                line = (b"\n" if _is_torn(descriptor) else b"") + line
                while line:
                    line = line[os.write(descriptor, line) :]
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        for entry in entries:
            self._entries.setdefault(entry.output, []).append(entry)
            self.added.add(entry.output)


@contextmanager
def hold(folder: Path) -> Iterator[tuple[Ledger, Path]]:
    """The ledger of a folder and an empty folder for files that are being made; no other batch has them.

    Raises:
        OutputError: another process has them, the folder cannot be written, or a link is where one of our own
            files is to be.
    """
    from filelock import FileLock, Timeout

    with told_of(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for ours in (LEDGER_FILE, LOCK_FILE):
            check_ours(folder / ours)
        lock = FileLock(folder / LOCK_FILE)
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise OutputError(f"another `bark batch` is writing to {folder}; wait for its end") from error
    scratch = folder / SCRATCH_FOLDER
    try:
        with told_of(scratch):
            if scratch.is_symlink():  # not ours, and what it leads to even less
                raise OutputError(f"{scratch} is a link; remove it")
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir(exist_ok=True)
        yield Ledger(folder), scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        lock.release()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def _read(file: Path) -> Iterator[Entry]:
    """The entries of a ledger, without what is torn or foreign."""
    try:
        descriptor = open_ours(file, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the folder's name
        reason = error.strerror if isinstance(error, OSError) else error
        raise OutputError(f"cannot read {file}: {reason}; check its permissions") from error
    with os.fdopen(descriptor, "rb") as stream:
        if os.fstat(stream.fileno()).st_size > _MOST_BYTES:
            raise OutputError(f"{file} has more than {_MOST_BYTES // 2**20} MiB; move it away")
        while line := stream.readline(_LINE.bytes + 1):
            try:
                yield record(Entry, parse(line, _LINE))
            except ValueError:
                continue  # the rest of a line that is too long is not an entry either


def _is_torn(descriptor: int) -> bool:
    """Whether the last line was never finished."""
    size = os.lseek(descriptor, 0, os.SEEK_END)
    if size == 0:
        return False
    os.lseek(descriptor, size - 1, os.SEEK_SET)
    return os.read(descriptor, 1) != b"\n"
