"""What a batch has made: `.bark-batch.jsonl` in its folder, a line for each file, only ever added to.

A line is on the disk before its file gets its name, and counts only while that file is there as it was made:
so neither a kill between the two, nor a torn line, nor a file that somebody changed is mistaken for done.
What was packed into a shard has a line of its own, which counts as long as the shard is there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import accumulate, chain
from pathlib import Path

from bark_cli.batch.destination import Destination, FileFacts, LocalFolder
from bark_cli.batch.index import Index, LedgerLine
from bark_cli.errors import OutputError, UsageError
from bark_cli.system.excerpt import excerpt
from bark_cli.system.files import told_of, write_whole
from bark_cli.system.ours import check_ours, open_ours, read_ours
from bark_cli.system.records import Bounds, parse, record

LEDGER_FILE = ".bark-batch.jsonl"
LOCK_FILE = ".bark-batch.lock"
URL_FILE = ".bark-batch.url"  # where the files lie that a ledger tells of, unless they lie beside it
SCRATCH_FOLDER = ".bark-batch.parts"  # files grow here; what a kill leaves is swept by the next run
SHARD_NAME = re.compile(r"data/train-([0-9]{5,9})\.(?:parquet|tar)")  # a line of any other is foreign
_LINE = Bounds(2**16, items=100)
_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("output", "key", "source", "sha256"), (str,)),
    **dict.fromkeys(("seed", "size", "mtime_ns"), (int,)),
    "seconds": (int, float),
    "shard": (str, type(None)),
}
_MOST = 2**63  # of any number
_LONGEST_URL = 4096  # bytes


@dataclass(frozen=True, kw_only=True)
class Entry(FileFacts):
    """One file that was made, or one that a shard holds; then the facts are those of the shard."""

    output: str  # below the folder, with /
    key: str  # of what it was made from, and how
    source: str
    seconds: float  # of sound
    seed: int
    shard: str | None = None  # below the folder; None: a file of its own

    @property
    def file(self) -> str:
        """What lies in the folder."""
        return self.output if self.shard is None else self.shard

    @property
    def is_begun(self) -> bool:
        """Whether it only says that somebody was asked to make the file, and to put it there."""
        return self.sha256 == ""


class Ledger:
    """The entries of a folder; reading it takes no lock, and little memory however many there are.

    Args:
        folder: where the ledger lies.
        destination: where its files lie; None: in the same folder.
    """

    def __init__(self, folder: Path, destination: Destination | None = None) -> None:
        self.destination: Destination = destination or LocalFolder(folder)
        self.placed = 0  # by this process; what belongs together counts once
        self._file = folder / LEDGER_FILE
        self._index = Index()
        self._shards: dict[tuple[str, str], bool] = {}  # by name and hash: whether one is as it was made
        _check_place(folder, destination)
        self._index.add(_lines(self._file))

    @property
    def shards(self) -> list[str]:
        """All shards that batches have made here, or were about to."""
        return self._index.shards()

    def find(self, output: str, key: str) -> Entry | None:
        """What says that `output` is there, and made from just this.

        The latest that fits what is there counts: where only a size is told, older ones may fit, too.
        """
        latest = next(filter(self._is_there, self._entries(output)), None)
        return latest if latest is not None and latest.key == key else None

    def is_ours(self, output: str) -> bool:
        """Whether the file there is one that a batch made, of whatever, and nobody has changed since."""
        return any(entry.shard is None and self._is_there(entry) for entry in self._entries(output))

    def is_begun(self, output: str) -> bool:
        """Whether what lies there, if anything does, was being written when a run was killed."""
        latest = next(self._entries(output), None)
        return latest is not None and latest.is_begun

    def shard_of(self, output: str) -> str | None:
        """The shard that holds it, of whatever it was made."""
        found = (
            entry for entry in self._entries(output) if entry.shard is not None and self._is_there(entry)
        )
        return next((entry.shard for entry in found), None)

    def held_by(self, shard: str) -> Iterator[Entry]:
        """What a shard holds, if it is there as it was made."""
        found = (self._read(at, size) for at, size in self._index.of_shard(shard))
        return (entry for entry in found if entry is not None and self._is_there(entry))

    def knows(self, output: str) -> bool:
        """Whether a batch has made such a file or shard, or was about to."""
        lines = chain(self._index.of_output(output), self._index.of_shard(output))
        return next(lines, None) is not None

    def add(self, *entries: Entry) -> None:
        """Write a line for each; they are on the disk when this returns.

        Raises:
            OutputError: the disk refuses.
        """
        lines = [_line(entry) for entry in entries]
        with told_of(self._file):
            descriptor = open_ours(self._file, os.O_RDWR | os.O_CREAT | os.O_APPEND)
            try:
                data = (b"\n" if _is_torn(descriptor) else b"") + b"".join(lines)
                at = os.lseek(descriptor, 0, os.SEEK_END) + len(data) - sum(map(len, lines))
                while data:
                    data = data[os.write(descriptor, data) :]
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        ends = accumulate(map(len, lines), initial=at)
        parts = zip(entries, ends, lines, strict=False)
        renewed = {entry.shard for entry in entries}
        self._shards = {which: there for which, there in self._shards.items() if which[0] not in renewed}
        self._index.add(LedgerLine(entry.output, entry.shard, at, len(line)) for entry, at, line in parts)

    def _entries(self, output: str) -> Iterator[Entry]:
        """Those of one output, the latest first."""
        found = (self._read(at, size) for at, size in self._index.of_output(output))
        return (entry for entry in found if entry is not None)

    def _read(self, at: int, size: int) -> Entry | None:
        """The entry that begins at that byte; None where the line is foreign."""
        descriptor = open_ours(self._file, os.O_RDONLY)
        try:
            os.lseek(descriptor, at, os.SEEK_SET)
            return record(Entry, parse(os.read(descriptor, size), _LINE))
        except ValueError:
            return None
        finally:
            os.close(descriptor)

    def _is_there(self, entry: Entry) -> bool:
        """Whether its file is as it was made; a shard, which has many entries, is looked at once."""
        if entry.shard is None:
            return self.destination.holds(entry.output, entry)
        which = entry.shard, entry.sha256
        if which not in self._shards:
            self._shards[which] = self.destination.holds(entry.shard, entry)
        return self._shards[which]


@contextmanager
def hold(folder: Path, destination: Destination | None = None) -> Iterator[tuple[Ledger, Path]]:
    """The ledger of a folder and an empty folder for files that are being made; no other batch has them.

    `destination` is where the files go, if not into the same folder. A folder that was made for the ledger
    goes again where the block ends before anything is made.

    Raises:
        OutputError: another process has them, the folder cannot be written, or a link is where one of our own
            files is to be.
        UsageError: the ledger is about files in another place.
    """
    from filelock import FileLock, Timeout

    with told_of(folder):
        is_new = not folder.exists()
        if not is_new and not folder.is_dir():
            raise OutputError(f"{folder} is a file; give -o a folder for the files")
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
        ledger = Ledger(folder, destination)
        if destination is not None:
            write_whole(folder / URL_FILE, destination.shown().encode(), force=True, follow=False)
        ledger.destination.sweep(ledger.knows)
        yield ledger, scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if is_new and not (folder / LEDGER_FILE).exists():
            with suppress(OSError):  # somebody may have put something into it
                (folder / URL_FILE).unlink(missing_ok=True)
                (folder / LOCK_FILE).unlink()
                folder.rmdir()
        lock.release()


def _check_place(folder: Path, destination: Destination | None) -> None:
    """Check that a ledger is about the files of a place, or of none yet; None: of those beside it.

    Raises:
        UsageError: it is about files in another place.
    """
    with told_of(folder / URL_FILE):
        found = read_ours(folder / URL_FILE, _LONGEST_URL)
    url = None if found is None else found.decode("utf-8", "replace")
    if destination is None:
        if url is not None:
            raise UsageError(f"{folder} holds the ledger of {excerpt(url, 200)}; give -o another folder")
        return
    if url is None and (folder / LEDGER_FILE).exists():
        raise UsageError(f"the ledger in {folder} is of the files beside it; give another with --ledger")
    if url not in (None, destination.shown()):
        raise UsageError(
            f"the ledger in {folder} is of {excerpt(url, 200)}; give another folder with --ledger"
        )


def _line(entry: Entry) -> bytes:
    """A line of the file; what has no shard says nothing of one."""
    values = {name: value for name, value in vars(entry).items() if value is not None}
    return json.dumps(values).encode("ascii") + b"\n"


def _lines(file: Path) -> Iterator[LedgerLine]:
    """Where the lines of a ledger are, and what they are about; what is torn or foreign is left out."""
    try:
        descriptor = open_ours(file, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the folder's name
        reason = error.strerror if isinstance(error, OSError) else error
        raise OutputError(f"cannot read {file}: {reason}; check its permissions") from error
    at = 0
    with os.fdopen(descriptor, "rb") as stream:
        while line := stream.readline(_LINE.bytes + 1):
            try:
                found = parse(line, _LINE)
                if not _is_plain(found):
                    record(Entry, found)
                shard = found.get("shard")
                if shard is None or SHARD_NAME.fullmatch(shard):
                    yield LedgerLine(found["output"], shard, at, len(line))
            except ValueError:
                pass  # the rest of a line that is too long is not an entry either
            at += len(line)


def _is_plain(found: object) -> bool:
    """Whether it is an entry beyond doubt; to find out more takes ten times as long, and lines are many."""
    if not isinstance(found, dict) or any(
        type(found.get(name)) not in kinds for name, kinds in _KINDS.items()
    ):
        return False
    texts = (found["output"], found["key"], found["source"], found["sha256"], found.get("shard") or "a")
    numbers = (found["seconds"], found["seed"], found["size"], found["mtime_ns"])
    return all(map(str.isprintable, texts)) and all(abs(number) < _MOST for number in numbers)


def _is_torn(descriptor: int) -> bool:
    """Whether the last line was never finished."""
    size = os.lseek(descriptor, 0, os.SEEK_END)
    if size == 0:
        return False
    os.lseek(descriptor, size - 1, os.SEEK_SET)
    return os.read(descriptor, 1) != b"\n"
