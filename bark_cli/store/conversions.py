"""Conversions kept in the cache: what one is made from -> its folder, and a folder -> what it was made from.

A conversion lies in converted/<place>-<state>. The place is a digest of what was asked for (folder, layout,
size, storage), the state one of the files found there: of a changed model the conversion lies elsewhere.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from bark_cli.store import places
from bark_cli.store.manifest import FileRecord, record_file
from bark_cli.system.digest import digest
from bark_cli.system.records import Bounds, read_object, record

SOURCE_FILE = "source.json"
ABANDONED_S = 3600  # no write takes so long; what is older was left by a process that was killed
_VERSION = 1  # of what conversion does; a higher one makes every model be converted anew
_SUFFIXES = {".pt", ".th", ".bin", ".safetensors", ".json", ".xml", places.GGUF_SUFFIX}
_BOUNDS = Bounds(2**20, items=10_000, depth=3)


@dataclass(frozen=True, kw_only=True)
class Source:
    """What is converted, and how."""

    folder: Path  # or the file that is the model
    layout: str  # "native", "suno", "transformers", "gguf" or "openvino"
    size: str | None  # "small" or "large", where the folder may hold both
    storage: Literal["fp32", "fp16", "int8"]  # how the matrices of the transformers are kept


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """A model in our layout that was made from another one, and can be made again."""

    folder: Path
    source: Source | None  # None: it does not say; it is damaged, or of another version
    files: tuple[FileRecord, ...] = ()

    @property
    def is_current(self) -> bool:
        """Whether its source is there and still as it was."""
        return self.source is not None and self.folder.name == conversion_folder(self.source).name


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """What source.json says besides the source."""

    version: int
    files: tuple[FileRecord, ...]


def conversion_folder(source: Source) -> Path:
    """The folder for the conversion of a model in its present state; it need not exist."""
    folder = str(source.folder.resolve())  # one model, whatever path leads to it
    place = _short_digest(folder, source.layout, source.size, source.storage)
    return places.converted_home() / f"{place}-{_short_digest(_VERSION, _files(source))}"


def replaced_folders(target: Path) -> list[Path]:
    """Conversions of earlier states of the same model."""
    place = target.name.partition("-")[0]
    return [path for path in sorted(target.parent.glob(f"{place}-*")) if path != target]


def write_source(folder: Path, source: Source) -> None:
    """Write down what the conversion in `folder` was made from, with the hashes of its files.

    Raises:
        OSError: the disk refuses.
    """
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and path.name != SOURCE_FILE)
    values = asdict(source) | {
        "version": _VERSION,
        "folder": str(source.folder.resolve()),
        "files": [asdict(record_file(folder, name)) for name in names],
    }
    # ASCII: the name of a folder may hold bytes that are not UTF-8
    (folder / SOURCE_FILE).write_text(json.dumps(values, indent=2) + "\n", encoding="ascii")


def conversions() -> list[Conversion]:
    """All conversions that are kept, including damaged and useless ones."""
    found = sorted(places.converted_home().glob("*"))
    return [_read(path) for path in found if not path.name.startswith(".") and path.is_dir()]


def conversions_of(folder: Path) -> list[Conversion]:
    """Those made from a model in `folder`, or in a folder inside of it."""
    home = folder.resolve()
    return [found for found in conversions() if found.source and found.source.folder.is_relative_to(home)]


def _read(folder: Path) -> Conversion:
    try:
        found = read_object(folder / SOURCE_FILE, _BOUNDS)
        kept = record(_Kept, found)
        if kept.version != _VERSION or any(Path(file.path).name != file.path for file in kept.files):
            raise ValueError("of another version, or a path that leads out of the folder")
        return Conversion(folder=folder, source=record(Source, found), files=kept.files)
    except (OSError, ValueError):
        return Conversion(folder=folder, source=None)


def _short_digest(*values: object) -> str:
    return digest(*values)[:16]


def _files(source: Source) -> list[tuple[str, int, int]]:
    """Name, size and time of whatever the conversion may depend on; Suno's codec may lie elsewhere."""
    folder = source.folder.resolve()
    files = places.model_files(folder)
    paths = [path for path in files if path == folder or path.suffix.lower() in _SUFFIXES]
    codec = places.find_codec(folder) if source.layout == "suno" else None
    if codec is not None and codec not in paths:
        paths.append(codec)
    found = [(path, path.stat()) for path in sorted(paths) if path.is_file()]
    return [(str(path), status.st_size, status.st_mtime_ns) for path, status in found]
