"""JSON that anybody may have written: bounded before it is parsed, and of the types that were asked for."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bark_cli.system.records import Bounds, is_text, parse, parse_object, read_object, record

BOUNDS = Bounds(10_000, items=100, depth=8)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@dataclass(frozen=True)
class Part:
    name: str
    size: int


@dataclass(frozen=True)
class Whole:
    name: str
    count: int
    share: float
    is_new: bool
    where: Path
    kind: Literal["a", "b"]
    parts: tuple[Part, ...]
    seed: int | None = None
    rest: Mapping[str, Any] | None = None


GOOD: dict[str, Any] = {
    **{"name": "n", "count": 1, "share": 1, "is_new": True, "where": "/x", "kind": "a"},
    "parts": [{"name": "p", "size": 2}],
}


def test_a_record_is_made_with_the_types_it_says() -> None:
    made = record(Whole, GOOD | {"seed": 7, "surprise": 1})
    assert made == Whole("n", 1, 1.0, True, Path("/x"), "a", (Part("p", 2),), 7)
    assert type(made.share) is float
    with pytest.raises(ValueError, match="unknown field 'surprise'"):
        record(Whole, GOOD | {"surprise": 1}, strict=True)
    with pytest.raises(ValueError, match="parts: unknown field 'more'"):
        record(Whole, GOOD | {"parts": [{"name": "p", "size": 2, "more": 1}]}, strict=True)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("name", [None, 5, ["n"], "a\0b", "\ud800", {}]),
        ("count", [None, "1", 1.0, True, 2**63, -(2**63), [1]]),
        ("share", [None, "1", True, float("inf"), float("nan"), 10**400]),
        ("is_new", [None, 1, "true"]),
        ("where", [None, 5, "a\0b"]),
        ("kind", ["c", None, 1, ["a"], {}]),
        ("parts", [None, {}, "p", [None], [{"name": "p"}], [{"name": "p", "size": "9"}], [[]]]),
        ("seed", ["7", 1.5, False]),
        ("rest", [[], "x", {"\ud800": 1}]),
    ],
)
def test_what_is_of_another_type_is_named(field: str, values: list[object]) -> None:
    for value in values:
        with pytest.raises(ValueError, match=f"^{field}: "):
            record(Whole, GOOD | {field: value})


def test_what_lacks_is_named_and_what_is_no_object_is_none() -> None:
    for field in ("name", "parts"):
        with pytest.raises(ValueError, match=f"{field} is missing"):
            record(Whole, {name: value for name, value in GOOD.items() if name != field})
    for other in (None, [], "x", 5):
        with pytest.raises(ValueError, match="not a JSON object"):
            record(Whole, other)


@given(st.dictionaries(st.sampled_from([*GOOD, "seed", "rest"]), VALUES))
def test_whatever_there_is_only_a_value_error_comes_of_it(changed: dict[str, Any]) -> None:
    try:
        made = record(Whole, parse(json.dumps(GOOD | changed), Bounds(10**6)))
    except ValueError:
        return
    assert is_text(made.name)
    assert type(made.count) is int


@given(VALUES)
def test_what_is_within_bounds_is_what_json_makes_of_it(value: object) -> None:
    text = json.dumps(value)
    assert parse(text, Bounds(10**6)) == json.loads(text)
    assert parse(text.encode(), Bounds(10**6)) == json.loads(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[" * 9 + "]" * 9, "more than 8 deep"),
        ('{"a":' * 9 + "1" + "}" * 9, "more than 8 deep"),
        ("[" * 9_000, "more than 8 deep"),
        ("[" + "1," * 101 + "1]", "more than 100 values"),
        ("[" + "[]," * 60 + "1]", "more than 100 values"),
        ('"' + "x" * 10_001 + '"', "more than 10,000 bytes"),
        ("9" * 5_000, "4300 digits"),
        ("NaN", "NaN is not a number"),
        ("-Infinity", "-Infinity is not a number"),
        ("", "Expecting value"),
        (b"\xff", "decode"),
    ],
)
def test_what_goes_beyond_a_bound_names_it(text: str | bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse(text, BOUNDS)


def test_brackets_and_commas_within_strings_do_not_count() -> None:
    for text in ("[" * 500, "," * 500, '"\\' * 100 + "[,"):
        assert parse(json.dumps([text]), BOUNDS) == [text]


@pytest.mark.parametrize("unit", ["[", '{"a":', "1,", '"', '\\"', '"\\', '["', "[],"])
def test_a_bomb_takes_neither_time_nor_memory(unit: str) -> None:
    data = (unit * (8 * 2**20 // len(unit))).encode()
    tracemalloc.start()
    began = time.process_time()
    with pytest.raises(ValueError):  # noqa: PT011  (which of them does not matter)
        parse(data, Bounds(16 * 2**20))
    took, most = time.process_time() - began, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert took < 20  # a quadratic one takes hours
    assert most < 100 * 2**20


def test_of_a_file_no_more_is_read_than_the_bound(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="more than 100 bytes"):
        read_object(Path("/dev/zero"), Bounds(100))
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbf{}")
    assert read_object(tmp_path / "a", BOUNDS) == {}
    with pytest.raises(ValueError, match="not a JSON object"):
        parse_object("[]", BOUNDS)
