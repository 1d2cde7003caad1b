"""Whether models are still what they were: their manifests -> every file's size and sha256, offline."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from bark_cli import store
from bark_cli.cache.listing import CachedModel, bytes_of
from bark_cli.errors import ModelError
from bark_cli.store import Damage, Manifest
from bark_cli.store.conversions import Conversion
from bark_cli.store.manifest import MANIFEST_FILE, compare_files, damaged_files
from bark_cli.store.suno_voices import verify_suno_voices


@dataclass(frozen=True, kw_only=True)
class Check:
    """What was found out about a model."""

    model: CachedModel
    known: bool  # False: nothing says what its files must be, as Bark has not downloaded it
    damages: tuple[Damage, ...] = ()
    cure: str | None = None  # what to do about them


def bytes_to_check(models: Iterable[CachedModel]) -> int:
    """Bytes that checking these models reads, where they are whole."""
    models = list(models)
    own = sum(manifest.size for model in models if (manifest := _manifest(model)))
    made = (file.size for model in models for one in _used(model) for file in one.files)
    return own + sum(made)


def check_models(
    models: Iterable[CachedModel], on_bytes: Callable[[int], None] = lambda _: None
) -> Iterator[Check]:
    """Read every byte of each model and of what was made of it; `on_bytes` gets the size of each read."""
    for model in models:
        own = _damages(model, on_bytes) if model.place == "bark" else []
        made = [one for one in _used(model) if compare_files(one.folder, one.files, on_bytes)]
        wrong = [*own, *(Damage(one.folder, "is a damaged conversion") for one in made)]
        cure = f"fetch it again with `{store.download_command(model.name)}`" if own else None
        if made and not own:
            cure = f"remove {' '.join(shlex.quote(str(one.folder)) for one in made)}, and it is made again"
        yield Check(model=model, known=model.place == "bark", damages=tuple(wrong), cure=cure)


def check_suno_voices(on_bytes: Callable[[int], None] = lambda _: None) -> Check | None:
    """The same of Suno's voices; None if they are not here."""
    home = store.suno_voices_home()
    if not (home / MANIFEST_FILE).is_file():
        return None
    model = CachedModel(name="Suno's voices", place="bark", folder=home, root=home, own_bytes=bytes_of(home))
    cure = "fetch them again with `bark download --voices`"
    return Check(model=model, known=True, damages=tuple(verify_suno_voices(on_bytes)), cure=cure)


def _used(model: CachedModel) -> list[Conversion]:
    """Conversions that would be read; others are leftovers."""
    return [one for one in model.conversions if one.is_current]


def _damages(model: CachedModel, on_bytes: Callable[[int], None]) -> list[Damage]:
    while True:
        try:
            manifest = store.read_manifest(model.root)
            if manifest is None:
                return [Damage(model.root / MANIFEST_FILE, "is missing")]
            found = damaged_files(model.root, manifest, on_bytes)
            if not found or store.read_manifest(model.root) == manifest:
                return found  # else another process has just put a new one in its place
        except ModelError:
            return [Damage(model.root / MANIFEST_FILE, "cannot be read")]


def _manifest(model: CachedModel) -> Manifest | None:
    try:
        return store.read_manifest(model.root) if model.place == "bark" else None
    except ModelError:
        return None
