"""Foreign models converted once and kept in the cache: a folder of any layout -> Checkpoint, mapped.

A conversion lies in <cache>/converted/<place>-<state>, in our own layout. The place is a digest of what was
asked for (folder, size, storage), the state one of the files found there: a changed model is converted anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from bark_cli import hub
from bark_cli.checkpoint.foreign import required_tokenizer
from bark_cli.checkpoint.native import CONFIG_FILE, Storage, write_native
from bark_cli.checkpoint.read import Layout, find_layout, read_checkpoint, read_layout
from bark_cli.checkpoint.record import Checkpoint
from bark_cli.errors import ModelError

_VERSION = 1  # of what conversion does; a higher one makes every model be converted anew
_SOURCES = {".pt", ".th", ".bin", ".safetensors", ".json"}
_SCRATCH = ".writing-"
_ABANDONED_S = 3600  # no write takes so long; what is older was left by a process that was killed


def _silent(_: str) -> None:
    pass


def open_checkpoint(
    folder: Path, *, size: str | None = None, storage: Storage, note: Callable[[str], None] = _silent
) -> Checkpoint:
    """Read the model in `folder` as `read_checkpoint` does; a foreign one by way of its conversion.

    Where the cache cannot be written (read-only, full), the foreign files are used as they are: the tensors
    then have the types of those files, whatever `storage` asks for. Voices, tokenizer, folder and layout are
    always those of `folder`. Nothing here prints or warns.

    Args:
        folder: a model in any layout. Our own is read as it is, whatever `storage` says.
        size: "small" or "large", where a folder of Suno's holds both.
        storage: how a conversion holds the matrices of the transformers; all else is float32 beside int8.
        note: told, in one line each, that a conversion begins and that one could not be kept.

    Raises:
        UnsafeFileError: a file would run code if it were read; it was not.
        ModelError: the folder is missing, or its model is incomplete, damaged or not Bark.
    """
    layout = find_layout(folder, size)
    if layout.kind == "native":
        return read_layout(folder, layout)
    place = _digest(str(folder.resolve()), layout.kind, layout.size, storage)
    target = hub.bark_home() / "converted" / f"{place}-{_digest(_VERSION, _files(folder))}"
    if (kept := _kept(target, folder, layout)) is not None:
        return kept
    note(f"converting {folder} for faster starts, once")
    foreign = read_layout(folder, layout)
    try:
        _write(foreign, target, storage)
    except (OSError, ModelError) as error:
        note(f"the converted model was not kept ({error}); every start will read {folder} itself")
        return foreign
    return _kept(target, folder, layout) or foreign


def _digest(*values: object) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]


def _files(folder: Path) -> list[tuple[str, int, int]]:
    """Name, size and time of whatever the conversion may depend on; the codec may lie elsewhere."""
    folder = folder.resolve()  # one model, whatever path leads to it
    paths = [path for path in folder.glob("*") if path.suffix in _SOURCES]
    if (codec := hub.find_codec(folder)) is not None and codec not in paths:
        paths.append(codec)
    found = [(path, path.stat()) for path in sorted(paths) if path.is_file()]
    return [(str(path), status.st_size, status.st_mtime_ns) for path, status in found]


def _kept(target: Path, folder: Path, layout: Layout) -> Checkpoint | None:
    """The conversion in `target`, if it is there and whole; the remains of another are removed."""
    if not os.access(target, os.R_OK):  # Path.exists raises where it may not look
        return None
    try:
        checkpoint = read_checkpoint(target)
    except ModelError:  # damaged, or half removed; it is only a copy
        shutil.rmtree(target, ignore_errors=True)
        return None
    tokenizer = required_tokenizer(folder)
    return replace(checkpoint, tokenizer_file=tokenizer, layout=layout.kind, folder=folder)


def _write(checkpoint: Checkpoint, target: Path, storage: Storage) -> None:
    """Put a conversion in its place, whole, and remove what it replaces.

    Raises:
        OSError, ModelError: the cache cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with _scratch(target.parent) as scratch:
        write_native(checkpoint, scratch, storage=storage, floats="fp32")
        try:
            scratch.rename(target)
        except OSError:
            if not (target / CONFIG_FILE).is_file():  # else another process was faster, with the same
                raise
    place = target.name.partition("-")[0]
    for old in target.parent.glob(f"{place}-*"):
        if old != target:
            shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _scratch(home: Path) -> Iterator[Path]:
    """A name for a new folder in `home`, which is gone afterwards unless it was renamed."""
    for left in home.glob(f"{_SCRATCH}*"):
        with suppress(OSError):  # its owner has just finished
            if time.time() - left.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(left)
    path = home / f"{_SCRATCH}{secrets.token_hex(6)}"
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
