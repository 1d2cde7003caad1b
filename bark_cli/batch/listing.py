"""The files below a URL: a name -> its size; a folder is listed once, when one of its names is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Lock
from typing import NamedTuple

from bark_cli.batch.index import key_of, name_of, scratch_table

_LISTED = "CREATE TABLE listed (name BLOB PRIMARY KEY, size INTEGER, md5 TEXT) WITHOUT ROWID"


class Listed(NamedTuple):
    """What has a name."""

    size: int | None  # bytes; None: it is a folder
    md5: str | None = None  # where the store gives it


class ListedFolder:
    """What was there when its folder was asked for, and what has become of it since; little memory is taken.

    Args:
        ask: what lies in a folder, by names below all.
    """

    def __init__(self, ask: Callable[[str], Iterable[tuple[str, Listed]]]) -> None:
        self._ask = ask
        self._table = scratch_table(_LISTED, self)
        self._folders = set[str]()
        self._lock = Lock()  # chunks of one worker end on threads of their own

    def look(self, folder: str) -> None:
        """Ask for a folder, unless that was done."""
        if folder in self._folders:
            return
        rows = ((key_of(name), *listed) for name, listed in self._ask(folder))
        with self._lock, self._table:
            self._table.executemany("INSERT OR REPLACE INTO listed VALUES (?, ?, ?)", rows)
        self._folders.add(folder)

    def find(self, name: str) -> Listed | None:
        """What has a name; None where nothing has it."""
        self.look(name.rpartition("/")[0])
        wanted = "SELECT size, md5 FROM listed WHERE name = ?"
        with self._lock:
            row = self._table.execute(wanted, (key_of(name),)).fetchone()
        return None if row is None else Listed(*row)

    def names(self, folder: str) -> list[str]:
        """The names within a folder of all files in it."""
        self.look(folder)
        wanted = "SELECT name FROM listed WHERE name > ? AND name < ? AND size IS NOT NULL"
        within = (key_of(f"{folder}/"), key_of(f"{folder}0")) if folder else (b"", b"\xff")  # 0 comes after /
        with self._lock:
            rows = self._table.execute(wanted, within).fetchall()
        found = (name[len(within[0]) :] for (name,) in rows)
        return [name_of(name) for name in found if b"/" not in name]

    def learn(self, name: str, listed: Listed) -> None:
        """Take note of what has a name now."""
        with self._lock:
            self._table.execute("INSERT OR REPLACE INTO listed VALUES (?, ?, ?)", (key_of(name), *listed))

    def forget(self, name: str) -> None:
        """Take note that nothing has it any more."""
        with self._lock:
            self._table.execute("DELETE FROM listed WHERE name = ?", (key_of(name),))
