"""One sound of a data set and what is to be known of it; and what writes and reads shards of them."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

ShardKind = Literal["parquet", "webdataset"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One sound, as it is in every kind of shard."""

    name: str  # below the folder, if it were a file of its own
    sound: bytes  # a whole file
    text: str
    voice: str | None
    seed: int
    duration: float  # seconds
    sample_rate: int  # Hz
    model: str
    settings: str  # those that were chosen; JSON


class Shard(Protocol):
    """A shard that is being written; it is whole once it is closed."""

    def add(self, row: Row) -> None:
        """Put a row at its end."""

    def close(self) -> None:
        """End it."""

    def abandon(self) -> None:
        """Let go of it where it cannot be ended; nothing is raised."""


class ShardForm(Protocol):
    """How shards of a kind are written and read."""

    suffix: str

    def create(self, path: Path) -> Shard:
        """A new shard at a path."""

    def copy_without(self, old: Path, new: Path, names: Set[str]) -> None:
        """Write a shard anew that lacks some of its rows."""


def plain(name: str) -> str:
    """A name with what is not Unicode in it written out, for a file's name may hold anything."""
    return name.encode("utf-8", "backslashreplace").decode()
