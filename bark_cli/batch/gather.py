"""What is asked for: folders, files, patterns, lists -> Items in natural order, 2 before 10."""

from __future__ import annotations

import glob
import os
import re
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import IO, BinaryIO, NoReturn

from bark_cli.batch.items import Item, is_list, items_of, lines_of
from bark_cli.errors import TextError, UsageError
from bark_cli.system.files import is_special
from bark_cli.text.documents import TEXT_SUFFIXES

STDIN = "-"
_DIGITS = re.compile(r"([0-9]+)")
_IN_MEMORY = 16 * 2**20  # bytes of standard input; more is kept in a temporary file


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where to look for items."""

    paths: Sequence[str]
    pattern: str | None = None  # of the files of a folder; None: those that end as texts do
    is_jsonl: bool = False  # every file is JSON Lines
    columns: Mapping[str, str] = field(default_factory=dict)  # field -> what lists call it: text -> caption
    encoding: str | None = None  # of tables; None: UTF-8, or what a byte order mark says
    stdin: BinaryIO | None = None  # what "-" is


class Gathered:
    """All items of some sources, as often as they are gone through.

    Folders are searched once; lists are read anew every time.

    What is wrong with one line or row is that item's problem.
    """

    def __init__(self, sources: Sources, is_ours: Callable[[Path], bool]) -> None:
        self._sources = sources
        _check_pattern(sources.pattern)
        found = [self._at(path) for path in sources.paths]
        self._found = [
            (root, [file for file in files if not isinstance(file, Path) or not is_ours(file)])
            for root, files in found
        ]
        if not any(files for _, files in self._found):
            raise _nothing(sources)

    @property
    def texts(self) -> Iterator[Path]:
        """The files that are an item each."""
        return (
            file
            for _, files in self._found
            for file in files
            if isinstance(file, Path) and not self._is_list(file)
        )

    def __iter__(self) -> Iterator[Item]:
        """Items in the order of the paths.

        Raises:
            UsageError: there are none.
            TextError: a list cannot be read.
        """
        count = 0
        for root, files in self._found:
            for file in files:
                for item in self._items(root, file):
                    count += 1
                    yield item
        if not count:
            raise _nothing(self._sources)

    def _at(self, path: str) -> tuple[Path, Sequence[Path | IO[bytes]]]:
        """A folder, and the files of one path below it."""
        if path == STDIN:
            kept = _spooled(self._sources)
            weakref.finalize(self, kept.close)
            return Path(), [kept]
        if (here := Path(path)).is_dir():
            return here, _walk(here, self._sources.pattern)
        if here.exists():
            return here.parent, [here]
        if glob.has_magic(path):
            root, found = _matches(path)
            if not found:
                raise UsageError(f"no file matches {path}; check the pattern")
            return root, found
        raise UsageError(f"there is no {path}; give files, folders or patterns such as 'texts/*.txt'")

    def _is_list(self, file: Path) -> bool:
        return self._sources.is_jsonl or is_list(file)

    def _items(self, root: Path, file: Path | IO[bytes]) -> Iterator[Item]:
        columns = self._sources.columns
        if not isinstance(file, Path):
            file.seek(0)
            yield from lines_of(file, "standard input", "", columns)
        elif self._is_list(file):
            yield from items_of(
                file, columns, is_jsonl=self._sources.is_jsonl, encoding=self._sources.encoding
            )
        else:
            name = file.relative_to(root).with_suffix("").as_posix()
            yield Item(source=str(file), name=name, file=file)


def gather(sources: Sources, *, is_ours: Callable[[Path], bool] = lambda _: False) -> Gathered:
    """All items: of each path in the order of the paths, and of a folder or a pattern in natural order.

    The place of a file below the folder that was given, or below the part of a pattern before its first star,
    is also its output's. Files that `is_ours` knows are none.

    Raises:
        UsageError: there is nothing at a path, nothing to do, or nothing to read standard input for.
        TextError: a folder cannot be read.
    """
    return Gathered(sources, is_ours)


def natural(path: PurePath) -> list[list[str | int]]:
    """What to sort paths by, so that numbers in them count as numbers."""
    split = (_DIGITS.split(name.casefold()) for name in path.parts)  # digits are at odd places
    return [[int(part) if n % 2 else part for n, part in enumerate(parts)] for parts in split]


def _check_pattern(pattern: str | None) -> None:
    try:
        PurePath("a").match("*" if pattern is None else pattern)
    except ValueError as error:
        raise UsageError(f"--glob takes a pattern such as '*.txt', not {pattern!r}") from error


def _walk(root: Path, pattern: str | None) -> list[Path]:
    """The files below a folder that are texts, or match; what is hidden is left alone."""
    found: list[Path] = []
    for folder, inner, names in os.walk(root, onerror=_unreadable):
        inner[:] = [name for name in inner if not name.startswith(".")]
        paths = [Path(folder, name) for name in names if not name.startswith(".")]
        # of a pipe nobody knows when it ends
        found += [
            path for path in paths if _is_wanted(path.relative_to(root), pattern) and not is_special(path)
        ]
    return sorted(found, key=lambda path: (natural(path), str(path)))


def _is_wanted(path: Path, pattern: str | None) -> bool:
    return path.suffix.lower() in TEXT_SUFFIXES if pattern is None else path.match(pattern)


def _unreadable(error: OSError) -> NoReturn:
    where = error.filename
    raise TextError(f"cannot read folder {where}: {error.strerror}; check its permissions") from error


def _matches(pattern: str) -> tuple[Path, list[Path]]:
    """The folder before the first star, and the files."""
    parts = Path(pattern).parts
    plain = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    found = [Path(path) for path in glob.glob(pattern, recursive=True)]  # noqa: PTH207  (it may be absolute)
    files = [path for path in found if path.is_file()]
    return Path(*parts[:plain]), sorted(files, key=lambda path: (natural(path), str(path)))


def _spooled(sources: Sources) -> IO[bytes]:
    """Standard input, to be read more than once."""
    if not sources.is_jsonl:
        raise UsageError("- reads JSON Lines from a pipe; add --jsonl (for one text, `bark say -`)")
    if sources.stdin is None:
        raise UsageError("- reads JSON Lines from a pipe, and there is none; pipe them in, or give a file")
    kept = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  (it ends with the command)
    shutil.copyfileobj(sources.stdin, kept)
    return kept


def _nothing(sources: Sources) -> UsageError:
    where = ", ".join(sources.paths)
    if not any(Path(path).is_dir() for path in sources.paths):
        return UsageError(f"there is nothing to say in {where}; write a text into each line or row")
    asked = sources.pattern or " ".join(f"*{suffix}" for suffix in TEXT_SUFFIXES)
    return UsageError(f"there is nothing to say in {where} (looked for {asked}); use --glob")
