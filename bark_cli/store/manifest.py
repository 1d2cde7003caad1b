"""What a downloaded model consists of: manifest.json in its home <-> Manifest; its files -> what is damaged.

A model lies in models/<name>/<build>/, and models/<name>/manifest.json names the build. The manifest is
written last and in one step: before it there is no such model, or still the old one.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bark_cli.errors import ModelError, OutputError
from bark_cli.store.names import stays_inside
from bark_cli.system.ours import read_ours
from bark_cli.system.records import Bounds, parse_object, record

MANIFEST_FILE = "manifest.json"
ORIGINAL_FOLDER = "original"  # in a build: what was fetched, where it is kept
SCRATCH = ".writing-"  # begins the name of a folder that is being made, of a build or a conversion
_VERSION = 1
_BOUNDS = Bounds(16 * 2**20, items=500_000, depth=4)
_CHUNK_BYTES = 2**20
_BUILD = re.compile(rf"(?:[0-9a-f]{{12}}|local)-[0-9a-f]{{8}}|{re.escape(SCRATCH)}[0-9a-f]{{12}}")


@dataclass(frozen=True, kw_only=True)
class FileRecord:
    """One file of a model: its expected size and hash."""

    path: str  # with /, inside of the build's folder
    size: int  # bytes
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A model that was downloaded or taken in, complete and verified."""

    name: str
    build: str  # the folder beside the manifest that holds the files
    origin: str  # the repository, or the folder it was taken from
    revision: str | None  # the repository's commit; None: a folder
    layout: str  # of the originals: "transformers", "suno" or "native"
    fetched: tuple[FileRecord, ...]  # the originals, whether kept or not
    files: tuple[FileRecord, ...]  # what is here
    created: str  # UTC, ISO 8601
    bark_version: str

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True)
class Damage:
    """A file that does not match the manifest."""

    path: Path
    what: str  # such as "is missing"


def read_manifest(home: Path) -> Manifest | None:
    """The manifest of the model whose home is models/<name>; None where there is none.

    Raises:
        ModelError: there is one, and it cannot be read.
    """
    path = home / MANIFEST_FILE
    try:
        data = read_ours(path, _BOUNDS.bytes)
        return None if data is None else _from_json(parse_object(data, _BOUNDS))
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}; check its permissions") from error
    except (ValueError, OutputError) as error:
        raise ModelError(f"{path} is damaged; remove it with `bark cache rm {home.name}`") from error


def write_manifest(home: Path, manifest: Manifest) -> None:
    """Put `manifest` in force, atomically.

    Raises:
        OSError: the disk refuses; the old manifest still counts.
    """
    part = home / f".{MANIFEST_FILE}.{secrets.token_hex(6)}"
    try:
        with part.open("x", encoding="utf-8") as stream:
            json.dump({"version": _VERSION, **asdict(manifest)}, stream, indent=2)
            stream.write("\n")
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(home / MANIFEST_FILE)
    finally:
        with suppress(OSError):
            part.unlink()


def build_folder(home: Path, manifest: Manifest) -> Path:
    """Where the files lie."""
    return home / manifest.build


def record_file(folder: Path, name: str, on_bytes: Callable[[int], None] = lambda _: None) -> FileRecord:
    """Expected size and hash of a file.

    Raises:
        OSError: it cannot be read.
    """
    size, digest = _measure(folder / name, on_bytes)
    return FileRecord(path=name, size=size, sha256=digest)


def missing_files(home: Path, manifest: Manifest) -> list[Damage]:
    """Files that are missing or of the wrong size, without reading them."""
    folder = build_folder(home, manifest)
    return [damage for record in _wanted(folder, manifest) if (damage := _compare_size(folder, record))]


def stray_folders(home: Path, manifest: Manifest | None) -> list[Path]:
    """What installing a model leaves where it is cut off: builds that the manifest does not name."""
    named = manifest.build if manifest else None
    try:
        return [path for path in sorted(home.iterdir()) if path.name != named and _BUILD.fullmatch(path.name)]
    except OSError:
        return []


def damaged_files(
    home: Path, manifest: Manifest, on_bytes: Callable[[int], None] = lambda _: None
) -> list[Damage]:
    """Files that have changed, found by reading every byte; `on_bytes` gets the size of each read."""
    folder = build_folder(home, manifest)
    return compare_files(folder, _wanted(folder, manifest), on_bytes)


def _wanted(folder: Path, manifest: Manifest) -> list[FileRecord]:
    """Files that must be there: the original may have been removed, in one step, to make room."""
    has_original = (folder / ORIGINAL_FOLDER).is_dir()
    return [file for file in manifest.files if has_original or not is_original(file)]


def is_original(file: FileRecord) -> bool:
    """Whether the file is one that was fetched, and is kept though the model does without it."""
    return file.path.startswith(f"{ORIGINAL_FOLDER}/")


def compare_files(
    folder: Path, records: Iterable[FileRecord], on_bytes: Callable[[int], None] = lambda _: None
) -> list[Damage]:
    """Files in `folder` that are not as they must be, found by reading every byte."""
    return [damage for record in records if (damage := _compare(folder, record, on_bytes))]


def _compare(folder: Path, record: FileRecord, on_bytes: Callable[[int], None]) -> Damage | None:
    if damage := _compare_size(folder, record):
        return damage
    path = folder / record.path
    try:
        _, digest = _measure(path, on_bytes)
    except OSError as error:
        return Damage(path, f"cannot be read ({error.strerror})")
    return None if digest == record.sha256 else Damage(path, "has changed (its sha256 is another)")


def _compare_size(folder: Path, record: FileRecord) -> Damage | None:
    path = folder / record.path
    try:
        size = path.stat().st_size if path.is_file() else None
    except OSError:
        size = None
    if size is None:
        return Damage(path, "is missing")
    return None if size == record.size else Damage(path, f"has {size:,} bytes, not {record.size:,}")


def _measure(path: Path, on_bytes: Callable[[int], None]) -> tuple[int, str]:
    """Bytes and sha256 of a file."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
            on_bytes(len(chunk))
    return size, digest.hexdigest()


def _from_json(values: dict[str, Any]) -> Manifest:
    if values.get("version") != _VERSION:
        raise ValueError("it is of another version")
    manifest = record(Manifest, {k: v for k, v in values.items() if k != "version"}, strict=True)
    names = [manifest.build, *(file.path for file in manifest.files)]
    if not all(map(stays_inside, names)) or "/" in manifest.build:
        raise ValueError("a path leads out of the folder")
    return manifest
