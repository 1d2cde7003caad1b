"""Where the lines of a ledger are: an output or a shard -> (at, size) of each line about it.

It is a database of SQLite's without a name: in memory while it is small, and in a temporary file that nobody
else sees when it is not. The ledger alone is the truth, and every run reads it anew.
"""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from bark_cli.errors import OutputError

_CACHE = -32 * 1024  # KiB of it in memory, at most
_TABLE = """
CREATE TABLE line (output BLOB NOT NULL, shard BLOB, at INTEGER NOT NULL, size INTEGER NOT NULL);
CREATE INDEX by_output ON line (output);
CREATE INDEX by_shard ON line (shard) WHERE shard IS NOT NULL;
"""


class LedgerLine(NamedTuple):
    """A line of the ledger, and what it is about."""

    output: str
    shard: str | None
    at: int  # bytes from the beginning
    size: int  # bytes


class Index:
    """The places of all lines."""

    def __init__(self) -> None:
        self._table = scratch_table(_TABLE, self)

    def add(self, places: Iterable[LedgerLine]) -> None:
        """Take note of lines, in the order of the file."""
        rows = ((key_of(output), shard and key_of(shard), at, size) for output, shard, at, size in places)
        with self._table:
            self._table.executemany("INSERT INTO line VALUES (?, ?, ?, ?)", rows)

    def of_output(self, output: str) -> Iterator[tuple[int, int]]:
        """(at, size) of the lines about an output, the latest first."""
        found = "SELECT at, size FROM line WHERE output = ? ORDER BY at DESC"
        yield from self._table.execute(found, (key_of(output),)).fetchall()

    def of_shard(self, shard: str) -> Iterator[tuple[int, int]]:
        """(at, size) of the lines about what a shard holds, in the order of the file."""
        found = "SELECT at, size FROM line WHERE shard = ? ORDER BY at"
        yield from self._table.execute(found, (key_of(shard),)).fetchall()

    def shards(self) -> list[str]:
        """The names of all shards, in order."""
        found = self._table.execute("SELECT DISTINCT shard FROM line WHERE shard IS NOT NULL ORDER BY shard")
        return [name_of(shard) for (shard,) in found]


class _Scratch(sqlite3.Connection):
    """A database whose errors for lack of room are ours."""

    def execute(self, *asked: Any) -> sqlite3.Cursor:
        with _told():
            return super().execute(*asked)

    def executemany(self, *asked: Any) -> sqlite3.Cursor:
        with _told():
            return super().executemany(*asked)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise OutputError(
            f"cannot write to the folder for temporary files: {error}; set SQLITE_TMPDIR to a larger one"
        ) from error


def scratch_table(schema: str, owner: object) -> sqlite3.Connection:
    """A database that ends with its owner, and that nothing else can open."""
    table = sqlite3.connect("", check_same_thread=False, factory=_Scratch)
    weakref.finalize(owner, table.close)
    table.executescript(f"PRAGMA journal_mode = OFF; PRAGMA cache_size = {_CACHE}; {schema}")
    return table


def key_of(name: str) -> bytes:
    """What a table knows a file by, whose name may hold what is not UTF-8."""
    return name.encode("utf-8", "surrogatepass")


def name_of(key: bytes) -> str:
    """The file's name that a key is of."""
    return key.decode("utf-8", "surrogatepass")
