"""What was fetched made into what is read: a folder of any layout -> our own, nothing rounded, and int8."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from bark_cli.download.plan import Plan, makes_int8
from bark_cli.download.room import check_room
from bark_cli.errors import ModelError, UnsafeFileError
from bark_cli.store import free_bytes
from bark_cli.store.conversions import conversions_of
from bark_cli.store.manifest import compare_files

if TYPE_CHECKING:
    from bark_cli.checkpoint import Checkpoint

_FLOAT_BYTES = 4


def convert(plan: Plan, scratch: Path) -> str:
    """Write the model in our layout, nothing rounded, and read it back; returns the layout it had.

    A GGUF file stays what it is: in our layout it would be four times as large.

    Raises:
        UnsafeFileError: a file would run code if it were read; it was not, and is removed.
        ModelError: the files are no Bark, or are damaged.
        OutputError, OSError: the disk does not take what is made of them.
    """
    from bark_cli.checkpoint import read_checkpoint, write_native

    try:
        original = read_checkpoint(plan.stage, size=plan.size)
    except ModelError as error:
        error.args = (_with_origins(str(error), plan),)
        if isinstance(error, UnsafeFileError):
            shutil.rmtree(plan.stage, ignore_errors=True)
        raise
    if original.layout == "gguf":
        _take_file(original.tokenizer_file, scratch)
        return original.layout
    needed = sum(
        t.numel() * (1 if n in original.scales else _FLOAT_BYTES) for n, t in original.tensors.items()
    )
    check_room(plan.name, needed)
    try:
        write_native(original, scratch, storage="int8" if original.scales else "fp32", floats="fp32")
    except ModelError as error:
        shutil.rmtree(scratch, ignore_errors=True)
        if free_bytes() < needed:  # somebody else has filled the disk meanwhile
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        raise
    if not _is_equal(original, read_checkpoint(scratch)):
        raise ModelError(f"{scratch} does not hold what was written; check the disk, and run it again")
    return original.layout


def _take_file(file: Path, scratch: Path) -> None:
    """Have a file in `scratch` as well; one that belongs to others is copied."""
    scratch.mkdir()
    with suppress(OSError, NotImplementedError):  # a file system without links
        if not file.is_symlink():
            os.link(file, scratch / file.name)
            return
    shutil.copyfile(file, scratch / file.name)


def _with_origins(text: str, plan: Plan) -> str:
    """The user's own files under the names that the user knows, and not where they are linked to."""
    if plan.revision is not None:
        return text
    for file in plan.files:
        given = Path(plan.origin, file.path)
        if file.here is not None and not given.is_file():  # a tokenizer or a codec from elsewhere
            given = file.here
        text = text.replace(str(plan.stage / file.path), str(given))
    return text.replace(str(plan.stage), plan.origin)


def _is_equal(original: Checkpoint, copy: Checkpoint) -> bool:
    from torch import equal

    names = original.tensors.keys()
    return (
        original.config == copy.config
        and names == copy.tensors.keys()
        and all(equal(original.float32(name), copy.float32(name)) for name in names)
    )


def drop_damaged_conversions(home: Path) -> None:
    """What was made of a model that is whole and is not so itself is made again when it is needed."""
    for one in conversions_of(home):
        if compare_files(one.folder, one.files):
            shutil.rmtree(one.folder, ignore_errors=True)


def prepare_int8(build: Path, begin: Callable[[], None]) -> None:
    """Convert to int8 now, where this machine speaks in it, to begin sooner later on; calls `begin` first."""
    from bark_cli.checkpoint import open_checkpoint

    if makes_int8():
        begin()
        open_checkpoint(build, storage="int8")
