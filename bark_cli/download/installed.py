"""Whether it is here already: a Plan or a name -> the Manifest in its place, if it is the same."""

from __future__ import annotations

from bark_cli import store
from bark_cli.download.model_voices import record_voices
from bark_cli.download.plan import Plan, PlannedFile
from bark_cli.download.step import StepListener, counter
from bark_cli.errors import ModelError, OptionError
from bark_cli.store import FileRecord, Manifest
from bark_cli.store.manifest import damaged_files, is_original, record_file


def installed(plan: Plan, keep_original: bool, listener: StepListener = lambda _: None) -> Manifest | None:
    """What is in the plan's place, if it is what the plan says, and every byte of it as it was."""
    try:
        manifest = store.read_manifest(plan.home)
    except ModelError:  # damaged: it is made anew
        return None
    if manifest is None or not _is_planned(manifest, plan, keep_original):
        return None
    tell = counter(listener, "check", plan.name, manifest.size)
    return None if damaged_files(plan.home, manifest, tell) else manifest


def kept(what: str, revision: str | None = None, layout: str | None = None) -> Manifest | None:
    """What is installed whole under a name, where the hub may not be asked for anything newer."""
    try:
        manifest = store.read_manifest(store.model_home(what)) if store.is_offline() else None
    except (ModelError, OptionError):
        return None
    if manifest is None or (revision or manifest.revision) != manifest.revision:
        return None
    if layout is not None and _kind(layout) != _kind(manifest.layout):
        return None
    return None if damaged_files(store.model_home(what), manifest) else manifest


def _is_planned(manifest: Manifest, plan: Plan, keep_original: bool) -> bool:
    same = (manifest.origin, manifest.revision) == (plan.origin, plan.revision)
    if not same or _kind(manifest.layout) != _kind(plan.layout):
        return False
    fetched, voices = manifest.fetched[: len(plan.files)], manifest.fetched[len(plan.files) :]
    if _sizes(fetched) != _sizes(plan.files) or not all(map(_is_unchanged, plan.files, fetched)):
        return False
    if voices != _records_of_voices(plan):
        return False
    is_kept = plan.layout == "gguf" or any(map(is_original, manifest.files))
    return plan.revision is None or not keep_original or is_kept


def _kind(layout: str) -> str:
    """Of which files a layout is; our own has the same as Transformers'."""
    return "transformers" if layout == "native" else layout


def _records_of_voices(plan: Plan) -> tuple[FileRecord, ...] | None:
    """The files of the voices in the plan's folder; None where one cannot be read."""
    try:
        return record_voices(plan)
    except OSError:
        return None


def _sizes(files: tuple[FileRecord, ...] | tuple[PlannedFile, ...]) -> list[tuple[str, int]]:
    return [(file.path, file.size) for file in files]


def _is_unchanged(file: PlannedFile, record: FileRecord) -> bool:
    """Whether a file is still the one that was installed; what is of a commit stays so."""
    if file.remote is not None:
        return file.remote.sha256 in (None, record.sha256)
    try:
        return file.here is not None and record_file(file.here.parent, file.here.name).sha256 == record.sha256
    except OSError:
        return False
