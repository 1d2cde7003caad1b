"""Where each sound goes: Items -> files below one folder, of which none leaves it and no two are the same."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath, PureWindowsPath

from bark_cli.audio.formats import FORMATS
from bark_cli.batch.items import Item
from bark_cli.errors import UsageError
from bark_cli.system.excerpt import excerpt

_MOST_IN_NAME, _MOST_IN_PATH = 255, 4095  # bytes, of a name and of all; what systems allow
OWN_NAMES = ".bark-"  # what files of the batch itself begin with


@dataclass(frozen=True, kw_only=True)
class Task:
    """An item, and where it goes."""

    item: Item
    output: str  # below the folder, with /
    format: str
    subtitles: str | None = None  # the same for a file beside it


def assign(
    items: Sequence[Item],
    folder: Path,
    format: str,
    *,
    joined: str | None = None,
    subtitles: str | None = None,
) -> list[Task]:
    """Give every item its file.

    Args:
        items: what is to be made.
        folder: what all files lie below.
        format: of FORMAT_NAMES, where a line of JSON does not ask for another by a suffix.
        joined: a file that is made besides.
        subtitles: srt or vtt, for a file beside each.

    A name that no file can have, or that leads out of the folder, is that item's problem and no other's.

    Raises:
        UsageError: two would write one file, or one would write over one of the texts.
    """
    texts = {os.path.realpath(item.file) for item in items if item.file is not None}
    taken: dict[str, str] = {} if joined is None else {_normal(joined): "--join"}
    tasks = []
    for item in items:
        task = _task(item, format, subtitles)
        try:
            for output in filter(None, (task.output, task.subtitles)):
                _check_name(item, output, folder)
                check_inside(output, folder)
        except UsageError as error:
            tasks.append(replace(task, item=replace(item, problem=item.problem or error)))
            continue
        if taken.get(_normal(task.output)) == item.source:  # what is named twice is made once
            continue
        for output in filter(None, (task.output, task.subtitles)):
            if (other := taken.setdefault(_normal(output), item.source)) != item.source:
                both = f"{other} and {item.source}"
                raise UsageError(f"{both} would both be written to {output}; rename one of them")
            if os.path.realpath(folder / output) in texts:
                raise UsageError(f"{folder / output} is one of the texts; give -o another folder")
        tasks.append(task)
    return tasks


def check_inside(output: str, folder: Path) -> None:
    """Find out whether a file lies below the folder, wherever links may lead.

    Raises:
        UsageError: it does not, or has a name that only our own files have.
    """
    path, windows = PurePosixPath(output), PureWindowsPath(output)
    if any(part.startswith(OWN_NAMES) for part in windows.parts):
        raise _no_name(output)
    leads_out = windows.anchor or path.is_absolute() or ".." in windows.parts
    real = Path(os.path.realpath((folder / path).parent))
    if leads_out or not real.is_relative_to(os.path.realpath(folder)):
        raise UsageError(f"its output {output!r} leads out of {folder}; give a path inside of it")


def _check_name(item: Item, output: str, folder: Path) -> None:
    """Find out whether a file can have that name.

    Raises:
        UsageError: it cannot.
    """
    # a file's own name is a name, whatever is in it
    is_name = item.name.isprintable() and item.name != "" and not item.name.endswith((".", "/"))
    if item.file is None and not is_name:
        raise _no_name(item.name)
    longest = max((len(os.fsencode(part)) for part in PurePosixPath(output).parts), default=0)
    if longest > _MOST_IN_NAME or len(os.fsencode(folder.absolute() / output)) > _MOST_IN_PATH:
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
    return os.path.normcase(output)
