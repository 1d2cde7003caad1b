"""Models converted once and kept in the cache: a folder of any layout -> Checkpoint, mapped.

A conversion is a folder in our own layout. Where it lies, and what it says of its source:
store/conversions.py.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from bark_cli.checkpoint.foreign import required_tokenizer
from bark_cli.checkpoint.layout import find_layout
from bark_cli.checkpoint.native import CONFIG_FILE, Storage, rounded_to_int8, write_native
from bark_cli.checkpoint.read import read_checkpoint, read_layout
from bark_cli.checkpoint.record import Checkpoint
from bark_cli.errors import ModelError
from bark_cli.store.conversions import ABANDONED_S, Source, conversion_folder, replaced_folders, write_source
from bark_cli.store.manifest import SCRATCH


def _silent(_: str) -> None:
    pass


def open_checkpoint(
    folder: Path, *, size: str | None = None, storage: Storage, note: Callable[[str], None] = _silent
) -> Checkpoint:
    """Read the model in `folder` as `read_checkpoint` does, by way of a conversion where one is of use.

    That is so for a foreign model, and for one of our own of floats where int8 is asked for. Where the cache
    cannot be written (read-only, full), the model's files are used as they are: the tensors then have the
    types of those files, but int8 is rounded as in a conversion, so that a seed gives the same sound. Voices,
    tokenizer, folder and layout are always those of `folder`. Nothing here prints or warns.

    Args:
        folder: a model in any layout.
        size: "small" or "large", where a folder of Suno's holds both.
        storage: how a conversion holds the matrices of the transformers; all else is float32 beside int8.
        note: told, in one line each, that a conversion begins and that one could not be kept.

    Raises:
        UnsafeFileError: a file would run code if it were read; it was not.
        ModelError: the folder is missing, or its model is incomplete, damaged or not Bark.
    """
    layout = find_layout(folder, size)
    if layout.kind in ("native", "openvino") and storage != "int8":
        return read_layout(folder, layout)
    source = Source(folder=folder, layout=layout.kind, size=layout.size, storage=storage)
    target = conversion_folder(source)
    if (kept := _kept(target, source)) is not None:
        return kept
    original = read_layout(folder, layout)
    if layout.kind in ("native", "openvino") and original.scales:  # int8 as it is
        return original
    note(f"converting {folder} for faster starts, once")
    try:
        _write(original, target, source)
    except (OSError, ModelError) as error:
        note(f"the converted model was not kept ({_reason(error)}); every start will read {folder} itself")
        return rounded_to_int8(original) if storage == "int8" else original
    return _kept(target, source) or original


def _reason(error: OSError | ModelError) -> str:
    """What was refused, in words and without the system's number for it."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror


def _kept(target: Path, source: Source) -> Checkpoint | None:
    """The conversion in `target`, if it is there and whole; the remains of another are removed."""
    if not os.access(target, os.R_OK):  # Path.exists raises where it may not look
        return None
    try:
        checkpoint = read_checkpoint(target)
    except ModelError:  # damaged, or half removed; it is only a copy
        shutil.rmtree(target, ignore_errors=True)
        return None
    if source.layout != "gguf":  # whose tokenizer is a part of the file
        checkpoint = replace(checkpoint, tokenizer_file=required_tokenizer(source.folder))
    return replace(checkpoint, layout=source.layout, folder=source.folder)


def _write(checkpoint: Checkpoint, target: Path, source: Source) -> None:
    """Put a conversion in its place, whole, and remove what it replaces.

    Raises:
        OSError, ModelError: the cache cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with _scratch(target.parent) as scratch:
        write_native(checkpoint, scratch, storage=source.storage, floats="fp32")
        write_source(scratch, source)
        try:
            scratch.rename(target)
        except OSError:
            if not (target / CONFIG_FILE).is_file():  # else another process was faster, with the same
                raise
    for old in replaced_folders(target):
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _scratch(home: Path) -> Iterator[Path]:
    """A name for a new folder in `home`, which is gone afterwards unless it was renamed."""
    for left in home.glob(f"{SCRATCH}*"):
        with suppress(OSError):  # its owner has just finished
            if time.time() - left.stat().st_mtime > ABANDONED_S:
                shutil.rmtree(left)
    path = home / f"{SCRATCH}{secrets.token_hex(6)}"
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
