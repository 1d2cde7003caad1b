"""A finished file -> its name in the folder of a batch, in one step, and in the ledger before."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from bark_cli.batch.ledger import Entry, Ledger, sha256_of
from bark_cli.batch.outputs import check_inside
from bark_cli.errors import OutputError
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


def place(new: NewFile, ledger: Ledger, *, overwrite: bool = False) -> tuple[Entry, Path | None]:
    """Give a finished file its name, after it is in the ledger.

    A file that a batch has made and somebody changed since is kept under another name.

    Returns:
        The entry, and where such a file is now.

    Raises:
        OutputError: the name is somebody else's file's, or the disk refuses.
    """
    target, kept = ledger.folder / new.output, None
    check_inside(new.output, ledger.folder)
    check_free(new.output, ledger, overwrite=overwrite)
    with told_of(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        status = new.staged.stat()
        entry = Entry(
            output=new.output,
            key=new.key,
            source=new.source,
            seconds=new.seconds,
            seed=new.seed,
            size=status.st_size,
            mtime_ns=status.st_mtime_ns,
            sha256=sha256_of(new.staged),
        )
        if not overwrite and os.path.lexists(target) and not ledger.is_ours(new.output):
            kept = _keep_aside(target)
        ledger.add(entry)
        new.staged.replace(target)
    return entry, kept


def _keep_aside(path: Path) -> Path:
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
