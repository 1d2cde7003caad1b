"""Where each sound goes: Items -> files below one folder, of which none leaves it and no two are the same."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath, PureWindowsPath

from bark_cli.audio.formats import FORMATS
from bark_cli.batch.index import scratch_table
from bark_cli.batch.items import Item
from bark_cli.errors import UsageError
from bark_cli.system.excerpt import excerpt

_MOST_IN_NAME, _MOST_IN_PATH = 255, 4095  # bytes, of a name and of all; what systems allow
_MOST_FOLDERS = 10_000  # that are looked at once
_TAKEN = "CREATE TABLE taken (output BLOB PRIMARY KEY, source BLOB NOT NULL) WITHOUT ROWID"
JOINED = "--join"  # whose the file that all are joined into is
OWN_NAMES = ".bark-"  # what files of the batch itself begin with


@dataclass(frozen=True, kw_only=True)
class Task:
    """An item, and where it goes."""

    item: Item
    output: str  # below the folder, with /
    format: str
    subtitles: str | None = None  # the same for a file beside it

    @property
    def outputs(self) -> list[str]:
        """All its files; the sound is the last, and the sign that all are there."""
        return [self.output] if self.subtitles is None else [self.subtitles, self.output]


class Outputs:
    """The names below a folder, and which item has each; little memory is taken however many there are.

    Args:
        folder: what all files lie below; None: it is not on this machine.
        format: of FORMAT_NAMES, where a line of JSON does not ask for another by a suffix.
        joined: a file that is made besides.
        subtitles: srt or vtt, for a file beside each.
        texts: files that are read, and so not to be written over.
    """

    def __init__(
        self,
        folder: Path | None,
        format: str,
        *,
        joined: str | None = None,
        subtitles: str | None = None,
        texts: Iterable[Path] = (),
    ) -> None:
        self._folder, self._format, self._subtitles = folder, format, subtitles
        self._depth = 0 if folder is None else len(os.fsencode(folder.absolute())) + 1  # bytes before a path
        self._texts = set(map(os.path.realpath, texts))
        self._taken = scratch_table(_TAKEN, self)
        self._inside = lru_cache(_MOST_FOLDERS)(partial(is_inside, folder))
        if joined is not None:
            self._owner(joined, JOINED)

    def task(self, item: Item) -> Task:
        """Where an item goes, if that is a name for it."""
        return _task(item, self._format, self._subtitles)

    def claim(self, item: Item) -> Task | None:
        """Where an item goes, and nothing else; None for what was named before and is made once.

        A name that no file can have, that leads out of the folder, or that another row of a list has is that
        item's problem and no other's.

        Raises:
            UsageError: two texts would write one file, or one would write over one of the texts.
        """
        task, folder = self.task(item), self._folder
        outputs = [task.output] if task.subtitles is None else [task.output, task.subtitles]
        try:
            for output in outputs:
                _check_name(item, output, self._depth)
                _check_place(output, folder, self._inside)
        except UsageError as error:
            return replace(task, item=replace(item, problem=item.problem or error))
        for number, output in enumerate(outputs):
            other, why = self._in_the_way(output)
            if other is None:
                other, why = self._owner(output, item.source), f"would both be written to {output}"
                if other == item.source and not number:
                    return None
            if other not in (None, item.source):
                found = UsageError(f"{other} and {item.source} {why}; rename one of them")
                if item.file is not None or other == JOINED:
                    raise found
                return replace(task, item=replace(item, problem=item.problem or found))
            if folder and self._texts and os.path.realpath(folder / output) in self._texts:
                raise UsageError(f"{folder / output} is one of the texts; give -o another folder")
        return task

    def _owner(self, output: str, source: str) -> str | None:
        """Take a name, and those of the folders that it lies in, or find out which item has it."""
        key, value = os.fsencode(_normal(output)), os.fsencode(source)
        put = "INSERT OR IGNORE INTO taken VALUES (?, ?)"
        if not self._taken.execute(put, (key, value)).rowcount:
            return self._source(output)
        self._taken.executemany(put, ((os.fsencode(_normal(f"{one}/")), value) for one in _folders(output)))
        return None

    def _in_the_way(self, output: str) -> tuple[str | None, str]:
        """Which item has a file where this one needs a folder, or the other way round; and why that fails."""
        for name in (*_folders(output), f"{output}/"):
            if (other := self._source(name)) is not None:
                return other, f"would make {name.rstrip('/')} both a file and a folder"
        return None, ""

    def _source(self, name: str) -> str | None:
        """Which item has a name; of a folder it ends in /, and the item is the first in it."""
        key = os.fsencode(_normal(name))
        found = self._taken.execute("SELECT source FROM taken WHERE output = ?", (key,)).fetchone()
        return None if found is None else os.fsdecode(found[0])


def _folders(output: str) -> list[str]:
    """Those that a file lies in, below that of all."""
    return [str(above) for above in PurePosixPath(output).parents[:-1]]


def assign(
    items: Iterable[Item],
    folder: Path | None,
    format: str,
    *,
    joined: str | None = None,
    subtitles: str | None = None,
) -> list[Task]:
    """Give every one of a few items its file, as `Outputs` does.

    Raises:
        UsageError: two would write one file, or one would write over one of the texts.
    """
    items = list(items)
    texts = [item.file for item in items if item.file is not None]
    outputs = Outputs(folder, format, joined=joined, subtitles=subtitles, texts=texts)
    return [task for item in items if (task := outputs.claim(item)) is not None]


def check_inside(output: str, folder: Path | None) -> None:
    """Find out whether a file lies below the folder, wherever links may lead.

    Raises:
        UsageError: it does not, or has a name that only our own files have.
    """
    _check_place(output, folder, partial(is_inside, folder))


def _check_place(output: str, folder: Path | None, is_inside: Callable[[PurePosixPath], bool]) -> None:
    """As `check_inside`; `is_inside` finds out of a folder below ours where it really is."""
    path, windows = PurePosixPath(output), PureWindowsPath(output)
    if any(part.startswith(OWN_NAMES) for part in windows.parts):
        raise _no_name(output)
    leads_out = windows.anchor or path.is_absolute() or ".." in windows.parts
    if leads_out or not is_inside(path.parent):
        where = "the place that all go to" if folder is None else folder
        raise UsageError(f"its output {output!r} leads out of {where}; give a path inside of it")


def is_inside(folder: Path | None, below: PurePosixPath) -> bool:
    """Whether a folder below ours really is; where there are no links (None), names alone tell."""
    return folder is None or Path(os.path.realpath(folder / below)).is_relative_to(os.path.realpath(folder))


def _check_name(item: Item, output: str, depth: int) -> None:
    """Check that a file can have that name, below a folder whose path takes that many bytes.

    Raises:
        UsageError: it cannot.
    """
    # a file's own name is a name, whatever is in it
    is_name = item.name.isprintable() and item.name != "" and not item.name.endswith((".", "/"))
    if item.file is None and not is_name:
        raise _no_name(item.name)
    below = os.fsencode(output)
    if max(map(len, below.split(b"/"))) > _MOST_IN_NAME or depth + len(below) > _MOST_IN_PATH:
        raise UsageError(f"the name of its output is too long ({excerpt(output, 40)}); give it a shorter one")


def _task(item: Item, format: str, subtitles: str | None) -> Task:
    suffix = PurePosixPath(item.name).suffix
    known = item.named and suffix.lower() in FORMATS
    path = PurePosixPath(item.name if known else f"{item.name}.{format}")
    beside = None if subtitles is None else str(path.parent / f"{path.stem}.{subtitles}")
    format = suffix.lower()[1:] if known else format
    return Task(item=item, output=path.as_posix(), format=format, subtitles=beside)


def _no_name(name: str) -> UsageError:
    return UsageError(f"{name!r} is not a name for its output; choose another")


def _normal(output: str) -> str:
    """What all names of one file share: on a Mac neither case nor composition tells two apart."""
    if sys.platform == "darwin":
        return unicodedata.normalize("NFC", output).casefold()
    return os.path.normcase(output)
