"""What is asked for: folders, files, patterns, JSON Lines, tables -> Items in natural order, 2 before 10."""

from __future__ import annotations

import csv
import glob
import io
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, BinaryIO, NoReturn

from bark_cli.batch.lists import open_list, parquet_rows
from bark_cli.errors import BarkError, TextError, UsageError
from bark_cli.system.records import Bounds, is_text, parse
from bark_cli.text.documents import MAX_BYTES, TEXT_SUFFIXES, decode

STDIN = "-"
LINES = (".jsonl", ".jsonl.gz", ".jsonl.zst")
PARQUET = ".parquet"
TABLES = {".csv": ",", ".tsv": "\t"}  # suffix -> what stands between columns, unless the header tells
FIELDS = ("text", "voice", "output", "seed", "id")
_MAX_LINE = 16 * 2**20  # bytes; more is no text to be spoken
_LINE = Bounds(_MAX_LINE, items=100, depth=4)
_DIGITS = re.compile(r"([0-9]+)")


@dataclass(frozen=True, kw_only=True)
class Item:
    """One sound to be made."""

    source: str  # as it is shown: a path, or path:line
    name: str  # of the output below its folder, with /; without a suffix unless it was asked for by that name
    named: bool = False  # by a line of JSON: its suffix counts
    file: Path | None = None  # where the text is
    text: str = ""  # or the text itself
    voice: str | None = None  # None is that of the whole batch
    seed: int | None = None
    problem: BarkError | None = None  # what is wrong with it already


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where to look for items."""

    paths: Sequence[str]
    pattern: str | None = None  # of the files of a folder; None: those that end as texts do
    is_jsonl: bool = False  # every file is JSON Lines
    columns: Mapping[str, str] = field(default_factory=dict)  # field -> what lists call it: text -> caption
    stdin: BinaryIO | None = None  # what "-" is


def gather(sources: Sources) -> list[Item]:
    """All items: of each path in the order of the paths, and of a folder or a pattern in natural order.

    The place of a file below the folder that was given, or below the part of a pattern before its first star,
    is also its output's. What is wrong with one line of JSON is that item's problem.

    Raises:
        UsageError: there is nothing at a path, nothing to do, or nothing to read standard input for.
        TextError: a folder or a file of JSON Lines cannot be read.
    """
    items = [item for path in sources.paths for item in _at(path, sources)]
    if not items:
        asked = sources.pattern or " ".join(f"*{suffix}" for suffix in TEXT_SUFFIXES)
        where = ", ".join(sources.paths)
        raise UsageError(f"there is nothing to say in {where} (looked for {asked}); use --glob")
    return items


def natural(path: PurePath) -> list[list[str | int]]:
    """What to sort paths by, so that numbers in them count as numbers."""
    split = (_DIGITS.split(name.casefold()) for name in path.parts)  # digits are at odd places
    return [[int(part) if n % 2 else part for n, part in enumerate(parts)] for parts in split]


def _at(path: str, sources: Sources) -> Iterator[Item]:
    """The items of one path."""
    if path == STDIN:
        yield from _stdin_lines(sources)
    elif (here := Path(path)).is_dir():
        yield from _files(here, _walk(here, sources.pattern), sources)
    elif here.exists():
        yield from _files(here.parent, [here], sources)
    elif glob.has_magic(path):
        root, found = _matches(path)
        if not found:
            raise UsageError(f"no file matches {path}; check the pattern")
        yield from _files(root, found, sources)
    else:
        raise UsageError(f"there is no {path}; give files, folders or patterns such as 'texts/*.txt'")


def _files(root: Path, files: Iterable[Path], sources: Sources) -> Iterator[Item]:
    for file in files:
        name = file.name.lower()
        if sources.is_jsonl or name.endswith(LINES):
            with open_list(file) as stream:
                yield from _lines(stream, str(file), _stem(file), sources.columns)
        elif file.suffix.lower() in TABLES:
            yield from _rows(file, sources.columns)
        elif file.suffix.lower() == PARQUET:
            for number, row in enumerate(
                parquet_rows(file, {f: _called(f, sources.columns) for f in FIELDS}), 1
            ):
                yield _checked_item(row, f"{file}:{number}", f"{file.stem}-{number:05d}")
        else:
            name = file.relative_to(root).with_suffix("").as_posix()
            yield Item(source=str(file), name=name, file=file)


def _walk(root: Path, pattern: str | None) -> list[Path]:
    """The files below a folder that are texts, or match; what is hidden is left alone."""
    found: list[Path] = []
    for folder, inner, names in os.walk(root, onerror=_unreadable):
        inner[:] = [name for name in inner if not name.startswith(".")]
        paths = [Path(folder, name) for name in names if not name.startswith(".")]
        found += [
            path for path in paths if _is_wanted(path.relative_to(root), pattern) and not _is_waited_for(path)
        ]
    return sorted(found, key=lambda path: (natural(path), str(path)))


def _is_wanted(path: Path, pattern: str | None) -> bool:
    return path.suffix.lower() in TEXT_SUFFIXES if pattern is None else path.match(pattern)


def _is_waited_for(path: Path) -> bool:
    """Whether it is a pipe, a socket or a device, of which nobody knows when it ends."""
    try:
        mode = path.stat().st_mode
    except OSError:  # a link to nothing, say; whoever reads it will tell
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


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


def _stdin_lines(sources: Sources) -> Iterator[Item]:
    if not sources.is_jsonl:
        raise UsageError("- reads JSON Lines from a pipe; add --jsonl (for one text, `bark say -`)")
    if sources.stdin is None:
        raise UsageError("- reads JSON Lines from a pipe, and there is none; pipe them in, or give a file")
    yield from _lines(sources.stdin, "standard input", "", sources.columns)


def _stem(file: Path) -> str:
    """What a list is called, without what it is packed with."""
    return Path(file.stem).stem if file.suffix.lower() in (".gz", ".zst") else file.stem


def _called(name: str, columns: Mapping[str, str]) -> str:
    """What lists call a field."""
    return columns.get(name, name)


def _renamed(row: dict[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    """A row by the names of our fields; a column whose field another stands for is left out."""
    ours = {name: field for field, name in columns.items()}
    return {ours.get(name, name): value for name, value in row.items() if name in ours or name not in columns}


def _lines(stream: BinaryIO, source: str, stem: str, columns: Mapping[str, str]) -> Iterator[Item]:
    """The items of JSON Lines; empty lines count, and are nothing."""
    read = iter(lambda: stream.readline(_MAX_LINE + 1), b"")
    for number, line in enumerate(read, start=1):
        if len(line) > _MAX_LINE:
            most = _MAX_LINE // 2**20
            raise TextError(f"{source}:{number} is longer than {most} MiB; are these JSON Lines?")
        if line.strip():
            where, usual = f"{source}:{number}", f"{stem}-{number:05d}" if stem else f"{number:05d}"
            try:
                yield _item(_parse(line, columns), where, usual)
            except TextError as error:
                yield Item(source=where, name=usual, problem=error)


def _rows(file: Path, columns: Mapping[str, str]) -> Iterator[Item]:
    """The items of a table with a header; rows without words are nothing.

    Raises:
        TextError: it cannot be read, or its header names no column "text".
    """
    try:
        with file.open("rb") as stream:
            text = decode(stream.read(MAX_BYTES + 1), source=str(file))
    except OSError as error:
        raise TextError(f"cannot read {file}: {error.strerror}; check its permissions") from error
    header = text.partition("\n")[0]
    between = max((*TABLES.values(), ";"), key=header.count) if header else ","
    table = csv.reader(io.StringIO(text, newline=""), delimiter=between)
    try:
        yield from _items_of(table, file, columns)
    except csv.Error as error:
        raise TextError(f"{file}:{table.line_num} is not a row of a table ({error}); correct it") from error


def _items_of(table: Any, file: Path, columns: Mapping[str, str]) -> Iterator[Item]:
    """The items of an open table.

    Raises:
        TextError: its header names no column "text".
        csv.Error: it is no table.
    """
    names = [name.strip().lower() for name in next(table, [])]
    if (wanted := _called("text", columns).lower()) not in names:
        raise TextError(
            f'{file} has no column "{wanted}" (its first row: {", ".join(names)[:80]}); name one, beside '
            f"{', '.join(FIELDS[1:])} if you like"
        )
    lowered = {name: column.lower() for name, column in columns.items()}
    for row in table:
        where, usual = f"{file}:{table.line_num}", f"{file.stem}-{table.line_num:05d}"
        known = _renamed(dict(zip(names, row, strict=False)), lowered)
        found = {n: v for n, v in known.items() if n in FIELDS and v.strip()}
        if found:
            yield _checked_item(_with_number(found), where, usual)


def _checked_item(row: dict[str, Any], where: str, usual: str) -> Item:
    """The item of a row, which may be a problem."""
    try:
        return _item(_checked(row), where, usual)
    except TextError as error:
        return Item(source=where, name=usual, problem=error)


def _with_number(found: dict[str, Any]) -> dict[str, Any]:
    """A row whose seed, if it has one, is a number as in JSON."""
    seed = found.get("seed", "").strip()
    return found | {"seed": int(seed)} if re.fullmatch("[0-9]{1,10}", seed) else found


def _parse(line: bytes, columns: Mapping[str, str]) -> dict[str, Any]:
    """The fields of one line.

    Raises:
        TextError: it is not a JSON object, or has other fields, or one of another type.
    """
    try:
        found = parse(line, _LINE)
    except ValueError as error:  # UnicodeDecodeError is one
        raise TextError(f'it is not a line of JSON ({error}); write {{"text": "…"}}') from error
    return _checked(_renamed(found, columns) if isinstance(found, dict) else found)


def _checked(found: Any) -> dict[str, Any]:
    """The fields of one line or row, each of its type.

    Raises:
        TextError: it has no text, or other fields, or one of another type.
    """
    if not isinstance(found, dict) or not isinstance(found.get("text"), str):
        raise TextError('it has no text; write {"text": "…"}')
    if unknown := [name for name in found if name not in FIELDS]:
        raise TextError(f"it has an unknown field {unknown[0]!r}; known are {', '.join(FIELDS)}; remove it")
    for name in ("voice", "output"):
        if not isinstance(found.get(name), str | None):
            raise TextError(f"its {name} is not a string; put it in quotes")
    if not isinstance(found.get("id"), str | int | None):
        raise TextError("its id is neither a string nor a number; correct it")
    for name, value in found.items():
        if isinstance(value, str) and not is_text(value):
            raise TextError(f"its {name} holds a NUL or half a character, such as \\ud83d alone; correct it")
    seed = found.get("seed")
    if seed is not None and (type(seed) is not int or not 0 <= seed < 2**32):
        raise TextError("its seed is not a whole number from 0 to 4294967295; correct it")
    return found


def _item(found: dict[str, Any], where: str, usual: str) -> Item:
    named = found.get("output") is not None
    other = usual if found.get("id") is None else str(found["id"])
    return Item(
        source=where,
        name=found["output"] if named else other,
        named=named,
        text=found["text"],
        voice=found.get("voice"),
        seed=found.get("seed"),
    )
