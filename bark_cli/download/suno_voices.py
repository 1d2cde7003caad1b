"""Suno's 261 voices: speaker_embeddings/NAME_*.npy of a repository -> a file each, checked.

Each is three small files, (n,), (2, m) and (8, m), so that waiting takes longer than receiving: several come
at a time. What counts is in a manifest, beside them; what is not in it is fetched again.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from threading import Lock

from bark_cli.download.failures import Patience
from bark_cli.download.hub import RemoteFile, RepositoryFiles, check_hashes, list_files
from bark_cli.download.step import Step, StepListener
from bark_cli.download.transfer import fetch
from bark_cli.errors import DownloadError, ModelError, OutputError, VoiceError
from bark_cli.model.published import VOICE_NAMES, published_config
from bark_cli.store import FileRecord, Manifest, downloads_home, locked, suno_voices_home, write_manifest
from bark_cli.store.manifest import record_file
from bark_cli.store.suno_voices import SUNO_VOICES_PLACE, suno_voices_manifest, verify_suno_voices
from bark_cli.voices.file import KEYS, MAX_BYTES, read_voice_file, save_voice

REPOSITORY = "suno/bark"
_FOLDER = "speaker_embeddings/"
_AT_ONCE = 8
_GIVE_UP = 8  # failures in a row: then it is not the files
_SAVE_EVERY = 20  # voices, so that a kill loses no more


@dataclass(frozen=True, kw_only=True)
class SunoVoicesReport:
    """What came of it; all three together are Suno's 261 names."""

    fetched: tuple[str, ...]
    kept: tuple[str, ...]  # were here already, every byte as it was
    failed: tuple[tuple[str, str], ...]  # a name, and in a line why it is not here


@dataclass(frozen=True, kw_only=True)
class _SunoVoice:
    """A voice that is here: its file, and the three that it was made of."""

    file: FileRecord
    fetched: tuple[FileRecord, ...]


def fetch_suno_voices(
    listener: StepListener = lambda _: None, *, patience: Patience | None = None
) -> SunoVoicesReport:
    """Have all of Suno's voices on this machine; what is here and whole is not fetched again.

    A bad file costs its own voice alone, and the report tells. `listener` hears the bytes of all together.

    Raises:
        DownloadError: the hub cannot be asked, or gives nothing any more; what came is kept.
        ModelError: the cache cannot be written at all.
        OutputError: the disk refuses; what came is kept.
    """
    if len(whole := _whole()) == len(VOICE_NAMES):  # for which neither a network nor a lock is needed
        return _report(whole, (), {})
    with locked(SUNO_VOICES_PLACE, lambda: listener(Step("wait", "Suno's voices"))):
        whole = _whole()  # another process may have fetched them meanwhile
        missing = [name for name in VOICE_NAMES if name not in whole]
        if not missing:
            return _report(whole, (), {})
        _remove(suno_voices_home().rglob(".*"))  # what a kill amid a write has left
        return _Run(list_files(REPOSITORY, patience=patience), whole, listener, patience).fetch_all(missing)


def _whole() -> dict[str, _SunoVoice]:
    """The voices that are here and as they were fetched, by name."""
    try:
        manifest = suno_voices_manifest()
    except ModelError:  # damaged: all are fetched again
        return {}
    if manifest is None:
        return {}
    damaged = {damage.path for damage in verify_suno_voices()}
    origins = {record.path: record for record in manifest.fetched}
    found = {}
    for file in manifest.files:
        name = file.path.removesuffix(".npz")
        if name in VOICE_NAMES and suno_voices_home() / file.path not in damaged:
            parts = tuple(origins[path] for path in _paths(name) if path in origins)
            found[name] = _SunoVoice(file=file, fetched=parts)
    return found


def _paths(name: str) -> list[str]:
    """The files of a voice in the repository."""
    return [f"{_FOLDER}{name}_{key}.npy" for key in KEYS]


@dataclass(eq=False)
class _Run:
    """The voices of one listing on their way."""

    listing: RepositoryFiles
    whole: dict[str, _SunoVoice]
    listener: StepListener
    patience: Patience | None
    fetched: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    in_a_row: int = 0  # failures

    def fetch_all(self, names: list[str]) -> SunoVoicesReport:
        """Fetch those voices, several at a time, and keep account of them."""
        here = dict(self.whole)
        remote = {file.path: file for file in self.listing.files}
        wanted = {name: [remote.get(path) for path in _paths(name)] for name in names}
        check_hashes((file for files in wanted.values() for file in files if file), REPOSITORY)
        sizes = sum(file.size for files in wanted.values() for file in files if file)
        counter = _Counter(self.listener, sizes)
        counter.add(0)  # how much there is, before any of it comes
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            tasks = {
                pool.submit(_bring, name, files, counter.add, self.patience): name
                for name, files in wanted.items()
            }
            try:
                for task in as_completed(tasks):
                    self._take(tasks[task], task)
            except BaseException as error:
                pool.shutdown(wait=isinstance(error, Exception), cancel_futures=True)  # Ctrl-C cannot wait
                self._enter_the_rest(tasks)
                raise
        self._save()
        if not self.failed:
            shutil.rmtree(downloads_home() / SUNO_VOICES_PLACE, ignore_errors=True)
        return _report(here, self.fetched, self.failed)

    def _take(self, name: str, task: Future[_SunoVoice]) -> None:
        """Enter what became of a voice."""
        try:
            self.whole[name] = task.result()
        except (DownloadError, VoiceError) as error:
            self.failed[name] = str(error)
            self.in_a_row += 1
            if self.in_a_row >= _GIVE_UP:
                raise DownloadError(
                    f"{self.in_a_row} voices in a row could not be fetched: {error}"
                ) from error
            return
        self.in_a_row = 0
        self.fetched.append(name)
        if len(self.fetched) % _SAVE_EVERY == 0:
            self._save()

    def _enter_the_rest(self, tasks: Mapping[Future[_SunoVoice], str]) -> None:
        """At a bad end: what has come nevertheless counts, as far as the disk takes it."""
        for task, name in tasks.items():
            if task.done() and not task.cancelled() and task.exception() is None:
                self.whole[name] = task.result()
        with suppress(OutputError):
            self._save()

    def _save(self) -> None:
        """Write the manifest: from now on what is here counts."""
        if not self.whole:
            return
        whole = [self.whole[name] for name in VOICE_NAMES if name in self.whole]
        manifest = Manifest(
            name="suno-voices",
            build=suno_voices_home().name,  # they lie beside the manifest
            origin=REPOSITORY,
            revision=self.listing.commit,
            layout="voices",
            fetched=tuple(record for voice in whole for record in voice.fetched),
            files=tuple(voice.file for voice in whole),
            created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            bark_version=_version(),
        )
        try:
            write_manifest(suno_voices_home(), manifest)
        except OSError as error:
            raise OutputError(f"cannot write to {suno_voices_home()}: {error.strerror}; make room") from error


class _Counter:
    """Adds up bytes that threads receive, for the listener."""

    def __init__(self, listener: StepListener, total: int) -> None:
        self._listener, self._total, self._done, self._lock = listener, total, 0, Lock()

    def add(self, count: int) -> None:
        """Count bytes that have come; less than 0: bytes that are given up."""
        with self._lock:
            self._done += count
            self._listener(Step("fetch", "Suno's voices", self._done, self._total))


def _bring(
    name: str, files: Iterable[RemoteFile | None], on_bytes: Callable[[int], None], patience: Patience | None
) -> _SunoVoice:
    """Fetch one voice, check it and keep it.

    Raises:
        DownloadError: it is not in the repository, or does not come as listed.
        VoiceError: it is no voice of Suno's models, or would run code.
        OutputError: the disk refuses.
    """
    stage = downloads_home() / SUNO_VOICES_PLACE
    records = []
    for path, file in zip(_paths(name), files, strict=True):
        if file is None or file.size > MAX_BYTES:
            wrong = "does not hold" if file is None else "holds too large a file as"
            raise DownloadError(f"{REPOSITORY} {wrong} {path}; `bark voices ls` shows the voices at hand")
        local = path.removeprefix(_FOLDER)
        fetch(file, stage / local, on_bytes=on_bytes, patience=patience)
        records.append(record_file(stage, local))
    try:
        tokens = read_voice_file(stage / name, name, published_config())
        target = suno_voices_home() / f"{name}.npz"
        target.parent.mkdir(parents=True, exist_ok=True)
        save_voice(tokens, target, force=True)
    except OSError as error:
        raise OutputError(f"cannot write to {suno_voices_home()}: {error.strerror}; make room") from error
    finally:
        _remove(stage / record.path for record in records)
    fetched = [FileRecord(path=f"{_FOLDER}{r.path}", size=r.size, sha256=r.sha256) for r in records]
    return _SunoVoice(file=record_file(suno_voices_home(), f"{name}.npz"), fetched=tuple(fetched))


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        with suppress(OSError):
            path.unlink()


def _report(
    kept: Mapping[str, _SunoVoice], fetched: Iterable[str], failed: Mapping[str, str]
) -> SunoVoicesReport:
    done = set(fetched)
    return SunoVoicesReport(
        fetched=tuple(name for name in VOICE_NAMES if name in done),
        kept=tuple(name for name in VOICE_NAMES if name in kept and name not in done),
        failed=tuple(failed.items()),
    )


def _version() -> str:
    from bark_cli import __version__

    return __version__
