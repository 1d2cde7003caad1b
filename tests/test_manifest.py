"""A manifest is written whole, read with suspicion, and tells every damage of its files."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from bark_cli.errors import ModelError
from bark_cli.store import FileRecord, Manifest, read_manifest, write_manifest
from bark_cli.store.manifest import (
    build_folder,
    compare_files,
    damaged_files,
    missing_files,
    record_file,
    stray_folders,
)

BUILD = "0123456789ab-01234567"
CONTENT = {"config.json": b"{}\n", "model.safetensors": bytes(range(256)) * 5000, "sub/odd name": b""}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "small"


@pytest.fixture
def manifest(home: Path) -> Manifest:
    """A model of three files, its manifest written."""
    folder = home / BUILD
    for name, content in CONTENT.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    files = tuple(record_file(folder, name) for name in CONTENT)
    made = Manifest(
        name="small",
        build=BUILD,
        origin="suno/bark-small",
        revision="ab" * 20,
        layout="transformers",
        fetched=files[:1],
        files=files,
        created="2026-11-22T13:00:00+00:00",
        bark_version="0.1",
    )
    write_manifest(home, made)
    return made


def test_what_is_written_is_read_again(home: Path, manifest: Manifest) -> None:
    assert read_manifest(home) == manifest
    assert build_folder(home, manifest) == home / BUILD
    assert manifest.size == sum(map(len, CONTENT.values()))
    write_manifest(home, replace(manifest, revision=None))
    assert read_manifest(home) == replace(manifest, revision=None)
    assert sorted(path.name for path in home.iterdir()) == [BUILD, "manifest.json"]


def test_none_is_no_error(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) is None
    assert read_manifest(tmp_path / "nowhere") is None
    (tmp_path / "file").touch()
    assert read_manifest(tmp_path / "file") is None


def test_sizes_and_hashes_are_those_of_the_bytes(home: Path, manifest: Manifest) -> None:
    for record in manifest.files:
        content = CONTENT[record.path]
        assert (record.size, record.sha256) == (len(content), hashlib.sha256(content).hexdigest())


def test_a_whole_model_has_no_damage_and_every_byte_is_counted(home: Path, manifest: Manifest) -> None:
    read: list[int] = []
    assert missing_files(home, manifest) == damaged_files(home, manifest, read.append) == []
    assert sum(read) == manifest.size


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "a bit": (flip, "has changed (its sha256 is another)"),
    "a byte": (lambda path: path.write_bytes(path.read_bytes()[:-1]), "has 1,279,999 bytes, not 1,280,000"),
    "empty": (lambda path: path.write_bytes(b""), "has 0 bytes, not 1,280,000"),
    "a page": (lambda path: path.write_bytes(b"<!doctype html>"), "has 15 bytes, not 1,280,000"),
    "gone": (Path.unlink, "is missing"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "is missing"),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_names_the_file(home: Path, manifest: Manifest, kind: str) -> None:
    path = home / BUILD / "model.safetensors"
    damage, what = DAMAGES[kind]
    damage(path)  # type: ignore[operator]
    assert [(found.path, found.what) for found in damaged_files(home, manifest)] == [(path, what)]
    assert missing_files(home, manifest) == ([] if kind == "a bit" else damaged_files(home, manifest))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_cannot_be_read(home: Path, manifest: Manifest) -> None:
    (home / BUILD / "config.json").chmod(0)
    assert "cannot be read" in damaged_files(home, manifest)[0].what


def test_an_original_may_be_gone_as_a_whole_but_not_in_part(home: Path, manifest: Manifest) -> None:
    original = home / BUILD / "original"
    original.mkdir()
    for name in ("text.pt", "fine.pt"):
        (original / name).write_bytes(name.encode())
    files = tuple(record_file(home / BUILD, f"original/{name}") for name in ("text.pt", "fine.pt"))
    kept = replace(manifest, files=manifest.files + files)
    assert damaged_files(home, kept) == []
    (original / "fine.pt").unlink()
    assert [found.path for found in missing_files(home, kept)] == [original / "fine.pt"]
    (original / "text.pt").unlink()
    original.rmdir()
    assert missing_files(home, kept) == damaged_files(home, kept) == []


RECORD = {"path": "x", "size": 1, "sha256": ""}


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"version": None},
        {"build": "../elsewhere"},
        {"build": "a/b"},
        {"build": ".."},
        {"build": ""},
        {"build": "/etc"},
        {"build": "C:"},
        {"build": 7},
        {"files": [RECORD | {"path": "../../x"}]},
        {"files": [RECORD | {"path": "/etc/passwd"}]},
        {"files": [RECORD | {"path": "a\\b"}]},
        {"files": [RECORD | {"path": "\0"}]},
        {"files": [RECORD | {"more": 1}]},
        {"files": [7]},
        {"files": 7},
        {"files": None},
        {"surprise": 1},
    ],
    ids=str,
)
def test_a_manifest_that_could_mislead_is_damaged(home: Path, manifest: Manifest, change: object) -> None:
    path = home / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))  # type: ignore[operator]
    with pytest.raises(ModelError, match=r"manifest\.json is damaged; remove it with `bark cache rm small`"):
        read_manifest(home)


@pytest.mark.parametrize("content", [b"", b"[]", b"7", b"{}", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_manifest_is_damaged(home: Path, manifest: Manifest, content: bytes) -> None:
    (home / "manifest.json").write_bytes(content)
    with pytest.raises(ModelError, match="is damaged"):
        read_manifest(home)


def test_one_that_cannot_be_written_leaves_the_old_one(
    home: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_manifest(home, replace(manifest, build="another"))
    assert read_manifest(home) == manifest
    assert sorted(path.name for path in home.iterdir()) == [BUILD, "manifest.json"]


def test_strays_are_builds_that_are_not_named_and_nothing_else(home: Path, manifest: Manifest) -> None:
    strays = [".writing-0123456789ab", "fedcba987654-89abcdef", "local-01234567"]
    for name in (*strays, "mine", "0123456789ab", ".writing-x", "voices"):
        (home / name).mkdir()
    assert [path.name for path in stray_folders(home, manifest)] == strays
    assert [path.name for path in stray_folders(home, None)] == [".writing-0123456789ab", BUILD, *strays[1:]]
    assert stray_folders(home / "nowhere", None) == []


def test_files_are_compared_where_they_are_said_to_be(home: Path, manifest: Manifest) -> None:
    other = FileRecord(path="config.json", size=3, sha256="0" * 64)
    assert [found.what for found in compare_files(home / BUILD, [other])] == [
        "has changed (its sha256 is another)"
    ]
