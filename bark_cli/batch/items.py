"""A list of what is asked for: JSON Lines, a table, Parquet -> Items, one at a time."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import IO, Any

from bark_cli.batch.lists import open_list, parquet_rows, table_lines
from bark_cli.errors import BarkError, OptionError, TextError
from bark_cli.system.records import Bounds, is_text, parse
from bark_cli.text.documents.dialogue import parse_cast
from bark_cli.text.split.sentences import is_language

LINES = (".jsonl", ".jsonl.gz", ".jsonl.zst")
PARQUET = ".parquet"
# suffix -> what stands between columns, unless the header tells
TABLES = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
FIELDS = ("text", "voice", "output", "seed", "id", "language", "cast")
_MAX_LINE = 16 * 2**20  # bytes; more is no text to be spoken
_LINE = Bounds(_MAX_LINE, items=100, depth=4, unique=True)


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
    language: str | None = None  # None: what voice and letters suggest
    cast: Mapping[str, str] = field(default_factory=dict)  # voices of a script's names
    problem: BarkError | None = None  # what is wrong with it already


def is_list(file: Path) -> bool:
    """Whether a file's name says that it holds many texts."""
    return file.name.lower().endswith((*LINES, *TABLES, PARQUET))


def items_of(
    file: Path, columns: Mapping[str, str], *, is_jsonl: bool = False, encoding: str | None = None
) -> Iterator[Item]:
    """The items of a list; what is wrong with one line or row is that item's problem.

    Args:
        file: its name says what it is, unless it is JSON Lines whatever its name is.
        columns: field -> what the list calls it.
        is_jsonl: whether it is.
        encoding: of a table; the others are in UTF-8.

    Raises:
        TextError: it cannot be read, or has no column of texts.
        OptionError: there is no such encoding.
    """
    name = file.name.lower()
    if is_jsonl or name.endswith(LINES):
        with open_list(file) as stream:
            yield from lines_of(stream, str(file), _stem(file), columns)
    elif file.suffix.lower() in TABLES:
        yield from _rows(file, columns, encoding)
    else:
        for number, row in enumerate(parquet_rows(file, {f: _called(f, columns) for f in FIELDS}), 1):
            yield _checked_item(row, f"{file}:{number}", f"{file.stem}-{number:05d}")


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


def lines_of(stream: IO[bytes], source: str, stem: str, columns: Mapping[str, str]) -> Iterator[Item]:
    """The items of JSON Lines; empty lines count, and are nothing.

    Raises:
        TextError: a line is too long; what else is wrong with one is its item's problem.
    """
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


def _rows(file: Path, columns: Mapping[str, str], encoding: str | None) -> Iterator[Item]:
    """The items of a table with a header; rows without words are nothing.

    Raises:
        TextError: it cannot be read, or its header names no column "text".
    """
    with closing(table_lines(file, encoding)) as lines:
        header = next(lines, "")
        between = max((*TABLES.values(), ";", "|"), key=header.count) if header else ","
        recent: list[str] = []  # what the row that was read last is made of
        table = csv.reader(_kept(chain([header], lines), recent), delimiter=between)
        try:
            yield from _items_of(table, file, columns, recent)
        except csv.Error as error:
            raise TextError(
                f"{file}:{table.line_num} is not a row of a table ({error}); correct it"
            ) from error


def _kept(lines: Iterable[str], recent: list[str]) -> Iterator[str]:
    """The lines, each of which is also in `recent` until that is cleared."""
    for line in lines:
        recent.append(line)
        yield line


def _items_of(table: Any, file: Path, columns: Mapping[str, str], recent: list[str]) -> Iterator[Item]:
    """The items of an open table, whose last row is made of the lines `recent`.

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
    if twice := [name for name in (wanted, *FIELDS) if names.count(name) > 1]:
        raise TextError(f'{file} has two columns "{twice[0]}"; rename one')
    lowered = {name: column.lower() for name, column in columns.items()}
    recent.clear()
    for row in table:
        where, usual = f"{file}:{table.line_num}", f"{file.stem}-{table.line_num:05d}"
        known = _renamed(dict(zip(names, row, strict=False)), lowered)
        found = {n: v if n == "text" else v.strip() for n, v in known.items() if n in FIELDS and v.strip()}
        if (why := _misread(row, len(names), recent, table.dialect.delimiter)) is not None:
            yield Item(source=where, name=usual, problem=TextError(why))
        elif found:
            yield _checked_item(_with_number(found), where, usual)
        recent.clear()


def _misread(row: list[str], n_columns: int, lines: list[str], between: str) -> str | None:
    """Why a row cannot be what was meant: text would be lost, or taken for another row's."""
    if any(cell.strip() for cell in row[n_columns:]):
        return (
            f"it has {len(row)} cells below {n_columns} columns; put quotation marks around a text that "
            f"holds {between!r}"
        )
    n_lines = len(lines)
    if n_lines > 1 or (n_lines and lines[0].count('"') % 2):
        try:
            list(csv.reader(lines, delimiter=between, strict=True))
        except csv.Error as error:
            if n_lines > 1:
                return (
                    f"a quotation mark opens {n_lines - 1} lines before, and none closes it there; close it"
                )
            if "end of data" in str(error):
                return "a quotation mark opens, and none closes it; close it"
    return None


def item_of(row: dict[str, Any], where: str, usual: str) -> Item:
    """The item of a row by our names: where it is from, and what it is called where it does not say.

    Raises:
        TextError: it has no text, or other fields, or one of another type.
    """
    return _item(_checked(row), where, usual)


def _checked_item(row: dict[str, Any], where: str, usual: str) -> Item:
    """The item of a row, which may be a problem."""
    try:
        return item_of(row, where, usual)
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
    if not isinstance(found, dict):
        return _checked(found)
    if (wanted := _called("text", columns)) not in found and wanted != "text":
        raise TextError(f"it has no {wanted!r}, where --column says that its text is; correct one of them")
    return _checked(_renamed(found, columns))


def _checked(found: Any) -> dict[str, Any]:
    """The fields of one line or row, each of its type.

    Raises:
        TextError: it has no text, or other fields, or one of another type.
    """
    if not isinstance(found, dict) or not isinstance(found.get("text"), str):
        raise TextError('it has no text; write {"text": "…"}')
    if unknown := [name for name in found if name not in FIELDS]:
        raise TextError(f"it has an unknown field {unknown[0]!r}; known are {', '.join(FIELDS)}; remove it")
    for name in ("voice", "output", "language"):
        if not isinstance(found.get(name), str | None):
            raise TextError(f"its {name} is not a string; put it in quotes")
    if (language := found.get("language")) and not is_language(language):
        raise TextError(f"its language {language[:20]!r} is no code such as en or pt-BR; correct it")
    if not isinstance(found.get("id"), str | int | None):
        raise TextError("its id is neither a string nor a number; correct it")
    for name, value in found.items():
        if isinstance(value, str) and len(value) > _MAX_LINE:
            raise TextError(f"its {name} is longer than {_MAX_LINE // 2**20} MiB; split it into several")
        if isinstance(value, str) and not is_text(value):
            raise TextError(f"its {name} holds a NUL or half a character, such as \\ud83d alone; correct it")
    if (cast := found.get("cast")) is not None:
        found |= {"cast": _cast(cast)}
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
        language=found.get("language"),
        cast=found.get("cast") or {},
    )


def _cast(found: Any) -> dict[str, str]:
    """The voices of a script's names: an object of JSON, a map of Parquet, or ANNA=nano/anna, BEN=nano/ben.

    Raises:
        TextError: it is something else.
    """
    pairs = found.items() if isinstance(found, dict) else found
    try:
        if isinstance(pairs, str):
            return parse_cast(filter(str.strip, pairs.split(",")))
        named = [(name, voice) for name, voice in pairs if voice is not None]
        if all(is_text(word) for pair in named for word in pair):
            return parse_cast(f"{name}={voice}" for name, voice in named)
    except (OptionError, TypeError, ValueError):
        pass
    raise TextError('its cast does not name voices; write {"ANNA": "nano/anna"}, in a table ANNA=nano/anna')
