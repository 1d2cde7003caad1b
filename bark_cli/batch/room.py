"""A file's name in the destination of a batch -> whether a new file may take it, and room for it."""

from __future__ import annotations

from dataclasses import dataclass

from bark_cli.batch.destination import Destination
from bark_cli.batch.ledger import Ledger
from bark_cli.batch.outputs import check_inside
from bark_cli.errors import OutputError

KEPT = ".kept"  # what a file is called that somebody changed, when it is made anew


@dataclass(frozen=True, kw_only=True)
class Room:
    """A name that a file may take."""

    replaces: bool  # something has it that may be written over
    kept: str | None = None


def make_room(output: str, ledger: Ledger, *, overwrite: bool) -> Room:
    """See to it that a name is free, or what has it may be written over.

    A file that a batch has made and somebody changed since gets another name.

    Raises:
        OutputError: somebody else's file has it.
    """
    destination = ledger.destination
    check_inside(output, destination.folder)
    check_free(output, ledger, overwrite=overwrite)
    if not destination.exists(output):
        return Room(replaces=overwrite)
    if overwrite or ledger.is_ours(output) or ledger.is_begun(output):
        return Room(replaces=True)
    return Room(replaces=False, kept=keep_aside(output, destination))


def check_free(output: str, ledger: Ledger, *, overwrite: bool = False) -> None:
    """Find out whether a file may take that name.

    Raises:
        OutputError: somebody else's file has it.
    """
    destination = ledger.destination
    path = destination.shown(output)
    if destination.is_folder(output):
        raise OutputError(f"{path} is a folder; rename it")
    if not overwrite and destination.exists(output) and not ledger.knows(output):
        raise OutputError(f"{path} was not made by this batch; move it away, or use --overwrite")


def keep_aside(output: str, destination: Destination) -> str:
    """Give a file another name, which no file has; returns the last part of it.

    Raises:
        OutputError: that name is taken, too.
    """
    kept = output + KEPT
    if destination.exists(kept):
        path, other = destination.shown(output), destination.shown(kept)
        raise OutputError(f"{path} was changed since it was made, and so was {other}; move one of them away")
    destination.rename(output, kept)
    return kept.rpartition("/")[2]
