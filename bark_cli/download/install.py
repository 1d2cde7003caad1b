"""A plan carried out: Plan -> a model that is complete, verified and in our layout, and its Manifest.

Files come together in downloads/, where an interrupted run goes on; the model is made beside the old one and
counts once its manifest is written. Until then the old one does; the originals are removed after it.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from bark_cli import store
from bark_cli.download.hub import RemoteFile
from bark_cli.download.installed import installed
from bark_cli.download.model_voices import record_voices, take_voices
from bark_cli.download.partial import part_path
from bark_cli.download.plan import Plan, PlannedFile, look_again
from bark_cli.download.prepare import convert, drop_damaged_conversions, prepare_int8
from bark_cli.download.room import check_room
from bark_cli.download.step import Step, StepListener, counter
from bark_cli.download.transfer import fetch
from bark_cli.errors import ModelError, OutputError
from bark_cli.store import FileRecord, Manifest
from bark_cli.store.conversions import conversions_of
from bark_cli.store.manifest import (
    ORIGINAL_FOLDER,
    SCRATCH,
    build_folder,
    record_file,
    stray_folders,
)
from bark_cli.system.files import is_disk_full


def install(
    plan: Plan, *, keep_original: bool = False, listener: StepListener = lambda _: None
) -> tuple[Manifest, bool]:
    """Have the model that is planned; returns what it consists of, and whether anything had to be done.

    Raises:
        DownloadError: the network or the hub does not give it; what came is kept for the next run.
        UnsafeFileError: a file would run code if it were read; it was not, and is removed.
        ModelError: the files are no Bark, or the cache cannot be written at all.
        OutputError: the disk is too small, or full; the old model is still there.
    """
    if found := installed(plan, keep_original, listener):  # a cache that can only be read is enough for this
        drop_damaged_conversions(plan.home)
        return found, False
    with store.locked(plan.name, lambda: listener(Step("wait"))):
        if found := installed(plan, keep_original, listener):  # by another process meanwhile
            return found, False
        plan = look_again(plan)
        check_space(plan)
        listener(Step("begin", words=plan.summary))
        with _disk(plan):
            manifest = _bring(plan, keep_original, listener)
            _sweep(plan.home, manifest)
    prepare_int8(build_folder(plan.home, manifest), lambda: listener(Step("int8")))
    return manifest, True


def check_space(plan: Plan) -> None:
    """Find out whether the disk is large enough before anything is written to it.

    Raises:
        OutputError: it is not.
    """
    check_room(plan.name, plan.needed)


def _bring(plan: Plan, keep_original: bool, listener: StepListener) -> Manifest:
    """Fetch what is missing, make our own files of it, and let them be the model."""
    _tidy(plan)
    fetched = tuple(_provide(plan, file, listener) for file in plan.files)
    with _scratch(plan.home) as scratch:
        listener(Step("convert"))
        layout = convert(plan, scratch)
        take_voices(plan, scratch, lambda words: listener(Step("skip", words=words)))
        if keep_original and layout != "gguf":  # which is kept as it came
            _keep(plan, scratch / ORIGINAL_FOLDER)
        paths = sorted(path.relative_to(scratch).as_posix() for path in scratch.rglob("*") if path.is_file())
        manifest = Manifest(
            name=plan.name,
            build=f"{(plan.revision or 'local')[:12]}-{secrets.token_hex(4)}",
            origin=plan.origin,
            revision=plan.revision,
            layout=layout,
            fetched=(*fetched, *record_voices(plan)),
            files=tuple(record_file(scratch, path) for path in paths),
            created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            bark_version=_version(),
        )
        scratch.rename(build_folder(plan.home, manifest))
        _sync(plan.home)
        store.write_manifest(plan.home, manifest)
    return manifest


def _tidy(plan: Plan) -> None:
    """Make room for the plan's files, and for them alone: others may be of another revision or layout."""
    plan.stage.mkdir(parents=True, exist_ok=True)
    for other in plan.stage.parent.iterdir():
        if other != plan.stage:
            shutil.rmtree(other, ignore_errors=True)
    names = {file.path for file in plan.files}
    parts = {part_path(file.remote, plan.stage / file.path).name for file in plan.files if file.remote}
    for path in plan.stage.iterdir():
        if path.name not in names | parts:
            path.unlink()


def _provide(plan: Plan, file: PlannedFile, listener: StepListener) -> FileRecord:
    """See to it that a file is among the plan's, whole, and that its hash is the one it must have."""
    target = plan.stage / file.path
    if file.here is not None:
        tell = counter(listener, "check", file.path, file.size)
        record = record_file(file.here.parent, file.here.name, tell)
        if file.remote is None or _is_same(file.here, record, file.remote):
            if file.here != target:
                _link(file.here, target)
            return replace(record, path=file.path)
    if file.remote is None:
        raise ModelError(f"{file.path} is not in {plan.origin} any more; give a folder that is whole")
    listener(Step("fetch", file.path, file.part, file.size))
    fetch(
        file.remote,
        target,
        on_bytes=counter(listener, "fetch", file.path, file.size),
        on_wait=lambda reason, seconds: listener(
            Step("pause", file.path, words=f"{reason}; trying again in {seconds:.0f} s")
        ),
    )
    sha256 = file.remote.sha256 or record_file(plan.stage, file.path).sha256
    return FileRecord(path=file.path, size=file.size, sha256=sha256)


def _is_same(path: Path, record: FileRecord, remote: RemoteFile) -> bool:
    """Whether a file found here is the one that the hub has."""
    if remote.sha256 is not None or remote.git_sha1 is None:
        return record.sha256 == remote.sha256
    blob = path.read_bytes()  # small: what is large has a sha256
    return hashlib.sha1(b"blob %d\0" % len(blob) + blob).hexdigest() == remote.git_sha1


def _link(source: Path, target: Path) -> None:
    """Let `target` be `source` without a copy where the system can."""
    target.unlink(missing_ok=True)
    for make in (os.symlink, os.link):
        with suppress(OSError, NotImplementedError):
            make(source, target)
            return
    shutil.copyfile(source, target)


def _keep(plan: Plan, folder: Path) -> None:
    """Have what was fetched also in `folder`; what lies elsewhere stays there."""
    folder.mkdir()
    for file in plan.files:
        path = plan.stage / file.path
        if not path.is_symlink():
            try:
                os.link(path, folder / path.name)
            except OSError:  # a file system without links
                path.replace(folder / path.name)


def _sweep(home: Path, manifest: Manifest) -> None:
    """Remove what the new model replaces and what making it, or trying to, has left."""
    shutil.rmtree(store.downloads_home() / home.name, ignore_errors=True)
    build = build_folder(home, manifest).resolve()
    for path in stray_folders(home, manifest):
        shutil.rmtree(path, ignore_errors=True)
    for conversion in conversions_of(home):
        if conversion.source is not None and conversion.source.folder != build:
            shutil.rmtree(conversion.folder, ignore_errors=True)


@contextmanager
def _scratch(home: Path) -> Iterator[Path]:
    """A name for a new folder in `home`, which is gone afterwards unless it was renamed."""
    home.mkdir(parents=True, exist_ok=True)
    path = home / f"{SCRATCH}{secrets.token_hex(6)}"
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        with suppress(OSError):  # there is something in it
            home.rmdir()


@contextmanager
def _disk(plan: Plan) -> Iterator[None]:
    """Say in a line what to do where the disk refuses."""
    again = "and run the same command again: what came is kept"
    try:
        yield
    except OSError as error:
        home = store.bark_home()
        if is_disk_full(error):
            raise OutputError(f"the disk is full ({home}); make room {again}") from error
        raise OutputError(f"{error.filename or home}: {error.strerror or error}; fix that {again}") from error


def _sync(folder: Path) -> None:
    """A power cut must not take back a name that the manifest is about to give."""
    with suppress(OSError):  # Windows opens no folders
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _version() -> str:
    from bark_cli import __version__

    return __version__
