"""Damaged and hostile files, some of each kind: every reader takes them or raises BarkError, and soon."""

from __future__ import annotations

from pathlib import Path

import fuzz
import pytest

CASES = 80  # of a reader whose cases cost nothing; `python -m tests.fuzz` goes on from 1000


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, fuzz.Reader]:
    return {reader.name: reader for reader in fuzz.readers(tmp_path_factory.mktemp("fuzz"))}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BARK_HOME", str(tmp_path))  # which some readers put elsewhere


def test_no_case_raises_anything_else_or_takes_long(
    readers: dict[str, fuzz.Reader], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """By seconds of computing, whatever else the machine does; what libraries print is nobody's."""
    for reader in readers.values():
        for number in range(max(1, int(CASES / reader.cost))):
            try:
                took = fuzz.spent(reader, fuzz.case(reader, number))
            except Exception as error:
                pytest.fail(f"{reader.name} {number}: {error!r}")
            assert took < fuzz.MOST_S, f"{reader.name} {number}"


def test_what_was_not_read_well_once_is_now(readers: dict[str, fuzz.Reader]) -> None:
    assert {path.name for path in fuzz.CORPUS.iterdir()} <= readers.keys()
    for reader in readers.values():
        for path in fuzz.kept_cases(reader):
            assert fuzz.spent(reader, path.read_bytes()) < fuzz.MOST_S, path


def test_a_case_is_the_same_every_time_and_others_differ(readers: dict[str, fuzz.Reader]) -> None:
    for reader in readers.values():
        assert reader.cost > 4 or fuzz.case(reader, 3) == fuzz.case(reader, 3)
        assert reader.cost > 4 or len({fuzz.case(reader, number) for number in range(12)}) > 6


def test_the_fuzzer_finds_what_it_is_to_find() -> None:
    def careless(data: bytes, _: Path) -> object:
        return data.decode()[0]

    def slow(data: bytes, _: Path) -> object:
        return [n * n for n in range(10**6)]

    reader = fuzz.Reader("careless", [b"hello"], careless)
    found = set[type[Exception]]()
    for number in range(200):
        try:
            fuzz.spent(reader, fuzz.case(reader, number))
        except (UnicodeDecodeError, IndexError) as error:
            found.add(type(error))
    assert found == {UnicodeDecodeError, IndexError}
    assert fuzz.spent(fuzz.Reader("slow", [b"hello"], slow), b"") > 0.01
