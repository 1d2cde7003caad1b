"""Where the files of a batch lie, each by its name with /: a folder of this machine, or a URL (`url`).

A file appears there whole, or not at all.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bark_cli.errors import OutputError
from bark_cli.system.files import told_of


@dataclass(frozen=True, kw_only=True)
class FileFacts:
    """What a file is known by."""

    size: int  # bytes
    mtime_ns: int
    sha256: str
    md5: str | None = None  # where it goes to a URL: stores tell it of what they hold


class UnreachableError(OutputError):
    """A place at a URL that cannot be reached, or refuses whatever is put there."""


class Destination(Protocol):
    """What files are put into, and found in again."""

    @property
    def folder(self) -> Path | None:
        """Where it is on this machine; None where it is not."""

    def shown(self, output: str = "") -> str:
        """How a file, or all of them, is shown to people."""

    def exists(self, output: str) -> bool:
        """Whether anything has that name."""

    def is_folder(self, output: str) -> bool:
        """Whether a folder has it."""

    def holds(self, output: str, facts: FileFacts) -> bool:
        """Whether just that file has it."""

    def facts(self, staged: Path) -> FileFacts:
        """What a finished file will be known by.

        Raises:
            OSError: it cannot be read.
        """

    def names(self, folder: str) -> list[str]:
        """The names of all files that lie in a folder below it."""

    def put(self, staged: Path, output: str, *, replaces: bool) -> None:
        """Move a finished file there.

        Raises:
            OutputError: it cannot be, or the name is taken and `replaces` is off.
        """

    def rename(self, output: str, name: str) -> None:
        """Give a file another name."""

    def remove(self, output: str) -> None:
        """Remove a file."""

    def reading(self, output: str, scratch: Path) -> AbstractContextManager[Path]:
        """A file's bytes in a file of this machine; a copy lies in `scratch` until the block ends."""

    def sweep(self, is_ours: Callable[[str], bool]) -> None:
        """Remove what was left of files that a kill kept from appearing."""


class LocalFolder:
    """A folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def folder(self) -> Path:
        """Itself."""
        return self._folder

    def shown(self, output: str = "") -> str:
        """Its path."""
        return str(self.folder / output)

    def exists(self, output: str) -> bool:
        """Whether there is a file, a folder or a link."""
        return os.path.lexists(self.folder / output)

    def is_folder(self, output: str) -> bool:
        """Whether it is a folder, or a link to one."""
        return (self.folder / output).is_dir()

    def holds(self, output: str, facts: FileFacts) -> bool:
        """Whether it has that size, and that time or those bytes: it may be a copy."""
        path = self.folder / output
        try:
            status = path.lstat()
            if not stat.S_ISREG(status.st_mode) or status.st_size != facts.size:
                return False
            return status.st_mtime_ns == facts.mtime_ns or sha256_of(path) == facts.sha256
        except (OSError, ValueError):
            return False

    def facts(self, staged: Path) -> FileFacts:
        """Its size, its time and its hash."""
        return facts_of(staged)

    def names(self, folder: str) -> list[str]:
        """All that is there, in any order."""
        return [path.name for path in (self.folder / folder).glob("*")]

    def put(self, staged: Path, output: str, *, replaces: bool) -> None:
        """Rename it; it has to lie on the same disk, and whoever calls has looked what else has the name."""
        path = self.folder / output
        with told_of(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            staged.replace(path)

    def rename(self, output: str, name: str) -> None:
        """Rename it."""
        path = self.folder / output
        with told_of(path):
            path.rename(self.folder / name)

    def remove(self, output: str) -> None:
        """Remove it."""
        path = self.folder / output
        with told_of(path):
            path.unlink()

    @contextmanager
    def reading(self, output: str, scratch: Path) -> Iterator[Path]:
        """The file itself."""
        yield self.folder / output

    def sweep(self, is_ours: Callable[[str], bool]) -> None:
        """Nothing is left but what lies in the scratch folder of `hold`."""


def facts_of(path: Path, *, with_md5: bool = False) -> FileFacts:
    """What a file is known by.

    Raises:
        OSError: it cannot be read.
    """
    status, sha256 = path.stat(), hashlib.sha256()
    md5 = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(2**20):
            sha256.update(block)
            if with_md5:
                md5.update(block)
    return FileFacts(
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        sha256=sha256.hexdigest(),
        md5=md5.hexdigest() if with_md5 else None,
    )


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    return facts_of(path).sha256
