"""Bark's own files, damaged or hostile: commands name what is damaged, pass it over, and can remove it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bark_cli.audio.provenance import NOTICE, parse_comment
from bark_cli.batch.ledger import LEDGER_FILE, Entry, Ledger
from bark_cli.cli import main
from bark_cli.store import bark_home, models_home
from bark_cli.store.conversions import conversions
from bark_cli.store.places import converted_home

MANIFEST: dict[str, Any] = {
    "version": 1,
    "name": "own",
    "build": "local-01234567",
    "origin": "/models/own",
    "revision": None,
    "layout": "native",
    "fetched": [],
    "files": [{"path": "config.json", "size": 2, "sha256": "0" * 64}],
    "created": "2026-11-22T13:00:00+00:00",
    "bark_version": "0.1",
}
FILE = MANIFEST["files"][0]
DAMAGES: list[Any] = [
    *(MANIFEST | {"name": value} for value in (5, None, ["own"], "\ud800", "a\0b")),
    *(MANIFEST | {"files": [FILE | {"size": value}]} for value in ("9", None, 1.5, True, 10**30, [9])),
    *(MANIFEST | {"files": [FILE | {"path": value}]} for value in (7, None, "a\0b", "\ud800", "../x")),
    *(MANIFEST | {key: {}} for key in MANIFEST),
    *({k: v for k, v in MANIFEST.items() if k != key} for key in MANIFEST),
    *([], None, 7, "x"),
]


@pytest.fixture
def home() -> Path:
    home = models_home() / "own"
    (home / "local-01234567").mkdir(parents=True)
    (home / "local-01234567" / "config.json").write_text("{}")
    return home


@pytest.mark.parametrize("raw", [b"", b"\xff", b"[" * 10**6, b"9" * 5000, b'{"version": NaN}', b"{" * 10**5])
def test_bytes_that_are_no_manifest(raw: bytes, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    named_skipped_and_removed(home, raw, capsys)


@pytest.mark.parametrize("found", DAMAGES, ids=range(len(DAMAGES)))
def test_a_manifest_of_other_types(found: Any, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    named_skipped_and_removed(home, json.dumps(found).encode(), capsys)


def named_skipped_and_removed(home: Path, raw: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "manifest.json").write_bytes(raw)
    for command in (["voices", "ls"], ["cache", "ls"], ["cache", "prune", "--dry-run"]):
        assert main(command) == 0, command
    assert "nano/" in capsys.readouterr().out
    assert main(["cache", "verify", "own"]) == 1
    assert "own is damaged (manifest.json cannot be read)" in capsys.readouterr().err
    assert main(["say", "Hello.", "--dry-run"]) == 0  # with nano
    capsys.readouterr()
    assert main(["say", "Hello.", "--dry-run", "-m", "own"]) == 1
    assert "damaged" in capsys.readouterr().err
    assert main(["cache", "rm", "own", "-y"]) == 0
    assert not home.exists()


@pytest.mark.parametrize(
    "source",
    [
        *(b"", b"[" * 10**5, b"{}", b"null", b'{"version": 1, "files": null}'),
        *(
            json.dumps(
                {"version": 1, "files": [], "folder": "/x", "layout": "suno", "size": None, "storage": "int8"}
                | changed
            ).encode()
            for changed in ({"folder": 7}, {"folder": "a\0b"}, {"storage": "int4"}, {"size": 5}, {"files": 1})
        ),
    ],
)
def test_a_conversion_that_says_no_source_is_one_that_can_go(
    source: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = converted_home() / "0123-4567"
    folder.mkdir(parents=True)
    (folder / "source.json").write_bytes(source)
    assert [one.source for one in conversions()] == [None]
    assert main(["cache", "ls"]) == 0
    assert main(["cache", "prune", "-y"]) == 0
    assert not folder.exists()


@pytest.mark.parametrize(
    "content", ['{"x": null}', '{"tiny auto auto": {}}', "[" * 10**5, '{"x": [1, null]}']
)
def test_speeds_that_are_damaged_stop_nothing(content: str, capsys: pytest.CaptureFixture[str]) -> None:
    bark_home().mkdir(parents=True)
    (bark_home() / "speeds.json").write_text(content)
    assert main(["say", "Hello.", "--dry-run"]) == 0


ENTRY = {"output": "a.wav", "key": "k", "source": "s", "seconds": 1.0, "seed": 1, "size": 1}
ENTRY |= {"mtime_ns": 1, "sha256": "0"}


def test_of_a_ledger_only_sound_lines_count(tmp_path: Path) -> None:
    bad: list[Any] = [
        *(ENTRY | {"output": value} for value in ("\ud800", "a\0b", 7, None, ["a"])),
        *(ENTRY | {key: {}} for key in ENTRY),
        *(ENTRY | {"size": value} for value in ("1", 10**30, True)),
        *([], 7, None, "x"),
    ]
    rows = [json.dumps(row).encode() for row in bad]
    rows += [b"[" * 10**5, b"\xff", b"", b"{", b'"' + b"x" * 2**17 + b'"', json.dumps(ENTRY).encode()]
    (tmp_path / LEDGER_FILE).write_bytes(b"\n".join(rows))
    ledger = Ledger(tmp_path)
    assert [ledger.knows(name) for name in ("a.wav", "b.wav")] == [True, False]
    assert not ledger.is_ours("a.wav")
    ledger.add(Entry(**ENTRY | {"output": "b.wav"}))  # type: ignore[arg-type]
    assert all(map(Ledger(tmp_path).knows, ("a.wav", "b.wav")))


@pytest.mark.parametrize(
    "changed",
    [
        *({"model": value} for value in (5, None, "\ud800", "a\0b")),
        *({"seed": value} for value in ("7", True, 10**30, 1.5)),
        *({"settings": value} for value in (None, [], "x", 5)),
    ],
)
def test_a_note_of_other_types_is_none(changed: dict[str, Any]) -> None:
    note = {"model": "nano", "voice": None, "seed": 7, "text_hash": "0", "version": "0.1", "settings": {}}
    assert parse_comment(f"{NOTICE} {json.dumps(note)}") is not None
    assert parse_comment(f"{NOTICE} {json.dumps(note | changed)}") is None
