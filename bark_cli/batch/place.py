"""A finished file -> its name in the folder of a batch, in one step, and in the ledger before."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bark_cli.batch.ledger import Entry, Ledger, measured
from bark_cli.batch.outputs import check_inside
from bark_cli.errors import BarkError, OutputError
from bark_cli.system.files import told_of

KEPT = ".kept"  # what a file is called that somebody changed, when it is made anew


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
    """A file that has its name."""

    entry: Entry
    kept: Path | None = None  # where a file of that name is now that somebody had changed


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
            for new in together:
                with told_of(ledger.folder / new.output):
                    new.staged.replace(ledger.folder / new.output)
            ledger.placed += 1
            results.append(ready[-1])
        except BarkError as error:
            results.append(error)
    return results


def _ready(new: NewFile, ledger: Ledger, *, overwrite: bool) -> Placed:
    """See to it that the name is free, and describe the file."""
    target, kept = ledger.folder / new.output, None
    check_inside(new.output, ledger.folder)
    check_free(new.output, ledger, overwrite=overwrite)
    with told_of(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        entry = Entry(
            output=new.output,
            key=new.key,
            source=new.source,
            seconds=new.seconds,
            seed=new.seed,
            **measured(new.staged),
        )
        if not overwrite and os.path.lexists(target) and not ledger.is_ours(new.output):
            kept = keep_aside(target)
    return Placed(entry, kept)


def keep_aside(path: Path) -> Path:
    """Give a file another name, which no file has."""
    kept = path.with_name(path.name + KEPT)
    if os.path.lexists(kept):
        raise OutputError(f"{path} was changed since it was made, and so was {kept}; move one of them away")
    return path.rename(kept)


def check_free(output: str, ledger: Ledger, *, overwrite: bool = False) -> None:
    """Find out whether a file may take that name.

    Raises:
        OutputError: somebody else's file has it.
    """
    path = ledger.folder / output
    if path.is_dir():
        raise OutputError(f"{path} is a folder; rename it")
    if not overwrite and os.path.lexists(path) and not ledger.knows(output):
        raise OutputError(f"{path} was not made by this batch; move it away, or use --overwrite")
