"""A finished file -> its name where the files of a batch lie, in one step, and in the ledger before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bark_cli.batch.ledger import Entry, Ledger
from bark_cli.batch.room import Room, make_room
from bark_cli.errors import BarkError
from bark_cli.system.files import told_of


@dataclass(frozen=True)
class NewFile:
    """A finished file that has not its name yet."""

    staged: Path
    output: str
    key: str
    source: str
    seconds: float
    seed: int


@dataclass(frozen=True)
class Placed:
    """A file that has its name, or may take it now."""

    entry: Entry
    room: Room  # that was made for it


def place(new: NewFile, ledger: Ledger, *, overwrite: bool = False) -> Placed:
    """Give a finished file its name, after it is in the ledger.

    A file that a batch has made and somebody changed since is kept under another name.

    Raises:
        OutputError: the name is somebody else's file's, or the disk refuses.
    """
    [found] = place_all([[new]], ledger, overwrite=overwrite)
    if isinstance(found, BarkError):
        raise found
    return found


def place_all(
    sets: Sequence[Sequence[NewFile]], ledger: Ledger, *, overwrite: bool = False
) -> list[Placed | BarkError]:
    """Place many files with one wait for the disk; those of a set belong together, and the last is its sign.

    Returns:
        For each set what became of its last file, or why none of it is to be had.

    Raises:
        OutputError: the ledger cannot be written.
    """
    found: list[list[Placed] | BarkError] = []
    for together in sets:
        try:
            found.append([_ready(new, ledger, overwrite=overwrite) for new in together])
        except BarkError as error:
            found.append(error)
    if entries := [one.entry for ready in found if not isinstance(ready, BarkError) for one in ready]:
        ledger.add(*entries)
    results: list[Placed | BarkError] = []
    for together, ready in zip(sets, found, strict=True):
        try:
            if isinstance(ready, BarkError):
                raise ready
            for new, one in zip(together, ready, strict=True):
                ledger.destination.put(new.staged, new.output, replaces=one.room.replaces)
            ledger.placed += 1
            results.append(ready[-1])
        except BarkError as error:
            results.append(error)
    return results


def _ready(new: NewFile, ledger: Ledger, *, overwrite: bool) -> Placed:
    """See to it that the name is free, and describe the file."""
    room = make_room(new.output, ledger, overwrite=overwrite)
    with told_of(new.staged):
        facts = ledger.destination.facts(new.staged)
    entry = Entry(
        output=new.output,
        key=new.key,
        source=new.source,
        seconds=new.seconds,
        seed=new.seed,
        **asdict(facts),
    )
    return Placed(entry, room)
