"""What nobody needs any more: the cache's folders -> Leftovers, and their removal."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from bark_cli import store
from bark_cli.cache.listing import bytes_of
from bark_cli.cache.removal import REMOVING
from bark_cli.errors import BarkError, ModelError, OptionError
from bark_cli.store.conversions import ABANDONED_S, conversions
from bark_cli.store.manifest import (
    ORIGINAL_FOLDER,
    SCRATCH,
    build_folder,
    is_original,
    stray_folders,
    write_manifest,
)
from bark_cli.store.places import compiled_home
from bark_cli.store.suno_voices import SUNO_VOICES_PLACE
from bark_cli.system.folders import below
from bark_cli.system.parts import PARTS, is_written

GRACE_S = 3600  # a download that was cut off may be about to go on
_DOWNLOAD = "an interrupted download"
_INSTALLATION = "left by an interrupted installation"
_ORIGINAL = "an original that is not used"
_STALE = "a conversion whose model is gone or has changed"
_CONVERTING = "left by an interrupted conversion"
_REMOVAL = "left by an interrupted removal"
_VOICE = "left by an interrupted write"
_BENCH = "left by an interrupted measurement"
_COMPILED = "compiled by OpenVINO, and made again when it is needed"


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """A file or folder that can go."""

    path: Path
    what: str
    bytes: int = 0
    name: str | None = None  # of the model whose lock is to be held meanwhile
    in_use: bool = False  # another process holds that lock


def find_leftovers(*, compiled: bool = False) -> list[Leftover]:
    """All that can go, with what it takes; nothing is written.

    Args:
        compiled: what OpenVINO compiled for a GPU or NPU counts as well, though it saves minutes.
    """
    candidates = [*_candidates(), *(_compiled() if compiled else ())]
    locked = {name for one in candidates if (name := one.name) and store.is_locked(name)}
    return [
        replace(one, bytes=bytes_of(one.path), in_use=one.name in locked)
        for one in candidates
        if one.path.exists()
    ]


def remove_leftover(leftover: Leftover) -> bool:
    """Remove one, unless it is in use by now; returns whether it is gone.

    Raises:
        ModelError: the disk refuses.
    """
    if leftover.name is None:
        if leftover.path.match(PARTS) and not _is_left(leftover.path):
            return False
        _remove(leftover)
        return True
    try:
        with store.locked(leftover.name, _busy):
            if any((one.path, one.what) == (leftover.path, leftover.what) for one in _candidates()):
                _remove(leftover)
            return True
    except _InUseError:
        return False


class _InUseError(BarkError):
    """Another process holds the lock."""


def _busy() -> NoReturn:
    raise _InUseError


def _candidates() -> Iterator[Leftover]:
    yield from _downloads()
    yield from _homes()
    yield from _conversions()
    yield from _scratch()


def _downloads() -> Iterator[Leftover]:
    for path in sorted(store.downloads_home().glob("*")):
        if _age_s(path) > GRACE_S:
            yield Leftover(path=path, what=_DOWNLOAD, name=_name(path))


def _homes() -> Iterator[Leftover]:
    for home in sorted(store.models_home().glob("*")):
        if home.name.startswith(REMOVING):
            yield Leftover(path=home, what=_REMOVAL)
        elif (name := _name(home)) and home.is_dir() and not home.is_symlink():
            yield from _home(home, name)


def _home(home: Path, name: str) -> Iterator[Leftover]:
    """Builds that count no more or never have, and the original of the one that does."""
    try:
        manifest = store.read_manifest(home)
    except ModelError:  # damaged: whether to remove it is the user's choice
        return
    for path in stray_folders(home, manifest):
        yield Leftover(path=path, what=_INSTALLATION, name=name)
    if manifest and (original := build_folder(home, manifest) / ORIGINAL_FOLDER).is_dir():
        yield Leftover(path=original, what=_ORIGINAL, name=name)


def _conversions() -> Iterator[Leftover]:
    for conversion in conversions():
        if not conversion.is_current:
            yield Leftover(path=conversion.folder, what=_STALE)
    for path in sorted(store.converted_home().glob(f"{SCRATCH}*")):
        if _age_s(path) > ABANDONED_S:
            yield Leftover(path=path, what=_CONVERTING)
    for path in sorted(store.converted_home().glob(PARTS)):
        if _is_left(path):
            yield Leftover(path=path, what=_BENCH)


def _compiled() -> Iterator[Leftover]:
    """The folder of all models: the names of the files in it do not tell whose they are."""
    if (folder := compiled_home()).is_dir():
        yield Leftover(path=folder, what=_COMPILED)


def _scratch() -> Iterator[Leftover]:
    """Files that a killed process was writing among the voices."""
    for home in (store.voices_home(), store.suno_voices_home()):
        for path in sorted(home.rglob(PARTS)):
            if _is_left(path):
                yield Leftover(path=path, what=_VOICE)


def _name(path: Path) -> str | None:
    """The model whose folder in models/ or downloads/ this is, or whose lock guards it."""
    if path.name == SUNO_VOICES_PLACE:
        return SUNO_VOICES_PLACE
    with suppress(OptionError):
        return store.check_name(store.name_of(path))
    return None


def _is_left(part: Path) -> bool:
    """Whether nobody writes a part any more: as its lock tells, or its age where none can be asked."""
    written = is_written(part)
    return _age_s(part) > GRACE_S if written is None else not written


def _age_s(path: Path) -> float:
    """Seconds since something in it was written."""
    times = [0.0]
    for file in (path, *below(path)):
        with suppress(OSError):
            times.append(file.lstat().st_mtime)
    return time.time() - max(times)


def _remove(leftover: Leftover) -> None:
    path = leftover.path
    try:
        if leftover.what == _ORIGINAL:
            _remove_original(path)
        elif path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        if leftover.what in (_INSTALLATION, _DOWNLOAD):
            with suppress(OSError):  # there is something else in it
                path.parent.rmdir()
    except OSError as error:
        raise ModelError(f"{path} cannot be removed: {error.strerror or error}; fix that") from error


def _remove_original(folder: Path) -> None:
    """In one step, for half an original is a damaged model; the manifest follows, as now there is room."""
    home = folder.parent.parent
    aside = home.with_name(f"{REMOVING}{secrets.token_hex(6)}")
    folder.rename(aside)
    shutil.rmtree(aside)
    if (manifest := store.read_manifest(home)) is not None:
        kept = tuple(file for file in manifest.files if not is_original(file))
        with suppress(OSError):  # the one that is there will do
            write_manifest(home, replace(manifest, files=kept))
