"""JSON that anybody may have written -> values of the types asked for, within bounds, or ValueError.

`parse` bounds bytes, depth and items before the parser, which knows no bounds, sees a byte. `record` makes a
dataclass of what was found, by the annotations of its fields, and trusts no type.
"""

from __future__ import annotations

import json
import math
import os
import re
import types
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

_MAX_INTEGER = 2**63
# strings, which may hold anything, and what opens, closes and counts; it never looks at a character twice
_MARKS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{},]', re.DOTALL)
T = TypeVar("T")


@dataclass(frozen=True)
class Bounds:
    """Limits of JSON."""

    bytes: int
    items: int = 100_000  # values in all
    depth: int = 32  # lists and objects within each other
    unique: bool = False  # no object names anything twice; else the last one counts, as in most of the world


def parse(data: bytes | str, bounds: Bounds) -> Any:
    """The value that JSON text stands for.

    Raises:
        ValueError: it is not JSON, or goes beyond a bound; the message names the bound.
    """
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    if len(raw) > bounds.bytes:
        raise ValueError(f"it has more than {bounds.bytes:,} bytes")
    opened = raw.count(b"[") + raw.count(b"{")
    if opened > bounds.depth or raw.count(b",") + opened > bounds.items:
        _check_shape(raw, bounds)
    try:
        pairs = _unique if bounds.unique else None
        return json.loads(raw.decode("utf-8-sig"), parse_constant=_no_number, object_pairs_hook=pairs)
    except RecursionError as error:  # a bound that is too high for this stack
        raise ValueError("it is nested too deep") from error


def parse_object(data: bytes | str, bounds: Bounds) -> dict[str, Any]:
    """As `parse`, of an object.

    Raises:
        ValueError: as `parse`, or it is something else.
    """
    found = parse(data, bounds)
    if not isinstance(found, dict):
        raise ValueError("it is not a JSON object")
    return found


def read_object(path: Path, bounds: Bounds) -> dict[str, Any]:
    """As `parse_object`, of a file, of which no more is read than the bound and a byte.

    Raises:
        ValueError: as `parse_object`.
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        return parse_object(stream.read(bounds.bytes + 1), bounds)


def record(kind: type[T], found: object, *, strict: bool = False) -> T:
    """A dataclass made of a JSON object; keys that it does not know are left out, or an error if `strict`.

    Fields may be str, int, float, bool, Path, Literal, another dataclass, tuple[X, ...], Mapping[str, X], and
    X | None. A whole number is a float where one is wanted, and true is not a number.

    Raises:
        ValueError: a field lacks, or has another type; the message names it.
    """
    if not isinstance(found, dict):
        raise ValueError("it is not a JSON object")
    hints = _hints(cast(Any, kind))
    if strict and (unknown := sorted(found.keys() - hints.keys())):
        raise ValueError(f"unknown field {unknown[0]!r}")
    values = {}
    for one in fields(kind):  # type: ignore[arg-type]
        if one.name in found:
            try:
                values[one.name] = _typed(hints[one.name], found[one.name], strict)
            except ValueError as error:
                raise ValueError(f"{one.name}: {error}") from error
        elif one.default is MISSING and one.default_factory is MISSING:
            raise ValueError(f"{one.name} is missing")
    return kind(**values)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def is_text(value: object) -> bool:
    """Whether it is a string that could be a file's name: no NUL, and no half of a character."""
    if not isinstance(value, str) or "\0" in value:
        return False
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        return False
    return True


def _typed(kind: Any, value: object, strict: bool) -> Any:
    """The value as `kind`.

    Raises:
        ValueError: it is something else.
    """
    if kind is Any:
        return value
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in inner:
            return None
        return _typed(next(one for one in inner if one is not type(None)), value, strict)
    if origin is Literal:
        return _wanted(value in inner, value)
    if origin is tuple:
        return tuple(_typed(inner[0], one, strict) for one in _wanted(isinstance(value, list), value))
    if origin in (dict, Mapping):
        items = _wanted(isinstance(value, dict), value).items()
        return {_typed(str, name, strict): _typed(inner[1], one, strict) for name, one in items}
    if isinstance(kind, type) and issubclass(kind, str | Path):
        return kind(_wanted(is_text(value), value))
    if kind is bool:
        return _wanted(isinstance(value, bool), value)
    if kind in (int, float):
        return _number(kind, value)
    return record(kind, value, strict=strict)


def _number(kind: type[int] | type[float], value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | kind):
        raise ValueError("it is not a number of that kind")
    if not abs(value) < _MAX_INTEGER or not math.isfinite(value):
        raise ValueError("it is far too large")
    return kind(value)


def _wanted(is_so: bool, value: Any) -> Any:
    if not is_so:
        raise ValueError(f"it is of another type ({type(value).__name__})")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"it names {next(name for name in names if names.count(name) > 1)!r:.80} twice")
    return found


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is not a number of JSON")


def _check_shape(raw: bytes, bounds: Bounds) -> None:
    """Find out how deep and how long it is, without making anything of it."""
    depth = items = 0
    for mark in _MARKS.finditer(raw):
        first = raw[mark.start()]
        if first in b"[{":
            depth, items = depth + 1, items + 1
        elif first in b"]}":
            depth -= 1
        elif first == 0x2C:  # a comma
            items += 1
        if depth > bounds.depth:
            raise ValueError(f"it is nested more than {bounds.depth} deep")
        if items > bounds.items:
            raise ValueError(f"it holds more than {bounds.items:,} values")
