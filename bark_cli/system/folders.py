"""Write a folder whole or not at all: path + files made beside it -> the folder, or the old one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bark_cli.errors import OutputError
from bark_cli.system.files import told_of
from bark_cli.system.parts import new_part_folder


def below(folder: Path) -> Iterator[Path]:
    """All that lies below a folder, without following links; what goes meanwhile is no error."""
    for inside, folders, files in os.walk(folder):
        yield from (Path(inside, name) for name in (*folders, *files))


def check_new_folder(path: Path, *, force: bool = False) -> None:
    """Find out whether a folder can be made at `path`, before the work that fills it is done.

    Raises:
        OutputError: it is a file, or the working folder, or a folder that holds something and `force` is
            off, or the folder that it is to lie in is missing or read-only.
    """
    with told_of(path):
        parent = path.absolute().parent
        if path.is_symlink() and not path.exists():
            raise OutputError(f"{path} is a link to nothing; remove it, or choose another name")
        if path.exists() and not path.is_dir():
            raise OutputError(f"{path} is a file; give the name of a new folder")
        if path.is_dir() and (here := Path.cwd()).is_relative_to(path.resolve()):  # and then be nowhere
            what = "is" if here == path.resolve() else "holds"
            what += " the folder that you are in, and would be replaced"
            raise OutputError(f"{path} {what}; give the name of a new folder")
        if path.is_dir() and any(path.iterdir()) and not force:
            raise OutputError(f"{path} exists; use --force to replace it, or choose another name")
        if not parent.is_dir():
            raise OutputError(f"cannot write {path}: {parent} is not there; create it first")
        if not os.access(parent, os.W_OK | os.X_OK):
            raise OutputError(f"cannot write {path}: folder {parent} is read-only; choose another place")


@contextmanager
def new_folder(
    path: Path, *, force: bool = False, check: Callable[[], None] = lambda: None
) -> Iterator[Path]:
    """A folder that becomes `path` when the block ends; after an error in it there is no trace of it.

    Until then it is a hidden folder beside it. With `force`, what is at `path` gives way at the end, unless
    `check` raises just before.

    Raises:
        OutputError: as `check_new_folder`, at the start or, made meanwhile, at the end; or the disk refuses.
    """
    check_new_folder(path, force=force)
    target = path.resolve()  # a link keeps pointing where it points
    with folder_beside(path) as scratch:
        yield scratch
        with told_of(path):
            _sync(scratch)
            check_new_folder(path, force=force)
            check()
            _move(scratch, target)


@contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """A hidden folder for what is needed on the way to `path`, on its disk; it goes when the block ends.

    What a killed process leaves is swept by the next one.

    Raises:
        OutputError: the disk refuses it.
    """
    with told_of(path):
        scratch, lock = new_part_folder(path.resolve())
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _sync(folder: Path) -> None:
    """A name must not outlive a power cut that its content does not."""
    for file in folder.rglob("*"):
        if file.is_file():
            with file.open("rb+") as stream:
                os.fsync(stream.fileno())


def _move(scratch: Path, target: Path) -> None:
    """Rename, and remove what was there once the new one is in its place."""
    if not target.is_dir():
        scratch.rename(target)
        return
    old = scratch.with_suffix(".old")
    target.rename(old)
    try:
        scratch.rename(target)
    except BaseException:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)
