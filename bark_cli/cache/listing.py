"""The models on this machine: every place that may hold one -> CachedModels, with what they take."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from bark_cli import store
from bark_cli.errors import ModelError, OptionError
from bark_cli.store.conversions import Conversion, conversions
from bark_cli.store.manifest import build_folder, missing_files
from bark_cli.system.folders import below
from bark_cli.system.home import expanded
from bark_cli.system.records import Bounds, read_object

_CONFIG_BOUNDS = Bounds(2**24)
Place = Literal["bark", "own", "package", "huggingface", "suno", "elsewhere"]


@dataclass(frozen=True, kw_only=True)
class CachedModel:
    """A model on this machine, and what Bark has made of it."""

    name: str  # as -m takes it
    place: Place  # downloaded, put there by the user, bundled, of another program, or in any other folder
    folder: Path  # what is read
    root: Path  # what holds it all
    size: str | None = None  # of Suno's folder, which model
    layout: str | None = (
        None  # "native", "suno", "transformers", "gguf" or "openvino"; None: it cannot be told
    )
    revision: str | None = None
    own_bytes: int = 0  # of its files; of one in any other folder, none
    conversions: tuple[Conversion, ...] = ()
    damage: str | None = None  # what a look at names and sizes finds; None: nothing

    @property
    def converted_bytes(self) -> int:
        """Bytes of what was made of it."""
        return bytes_of(*(conversion.folder for conversion in self.conversions))

    @property
    def bytes(self) -> int:
        """All that it takes."""
        return self.own_bytes + self.converted_bytes


def list_models() -> list[CachedModel]:
    """All models by their names, best first, then folders elsewhere of which a conversion is kept."""
    homes = [path for path in sorted(store.models_home().glob("*")) if path.is_dir()]
    names = [*store.MODELS, *(name for home in homes if (name := store.name_of(home)) not in store.MODELS)]
    found = [model for name in names for model in _every(name)]
    kept = conversions()
    models = [replace(model, conversions=tuple(one for one in kept if _is_of(one, model))) for model in found]
    claimed = {one.folder for model in models for one in model.conversions}
    models += _elsewhere([one for one in kept if one.folder not in claimed])
    return [replace(one, damage=one.damage or _unreadable(one)) for one in models]


def find_cached(name: str) -> list[CachedModel]:
    """The models called `name`, or in the folder `name`; several where other programs hold it as well.

    Raises:
        ModelError: there is none; the message names those that there are.
    """
    models = list_models()
    folder = expanded(name)
    found = [model for model in models if model.name == name] or [
        model for model in models if model.place == "elsewhere" and model.folder == folder.resolve()
    ]
    if not found:
        known = ", ".join(dict.fromkeys(model.name for model in models)) or "no model"
        raise ModelError(f"there is no model {name!r} here ({known}); see `bark cache ls`")
    return found


def bytes_of(*paths: Path, behind_links: bool = False) -> int:
    """Bytes of files and folders, each file counted once, those that links lead to only if asked for."""
    seen: dict[tuple[int, int], int] = {}
    for path in paths:
        for file in (path, *below(path)):
            with suppress(OSError):
                status = file.stat() if behind_links else file.lstat()
                if stat.S_ISREG(status.st_mode):
                    seen[status.st_dev, status.st_ino] = status.st_size
    return sum(seen.values())


def _every(name: str) -> Iterator[CachedModel]:
    """The models called `name`, ours first."""
    try:
        home = store.model_home(name)
    except OptionError:  # a hidden folder, such as a model that is being removed
        return
    found = list(store.find_models(name))
    if home.is_dir():
        yield from _ours(name, home, found)
    for ref in found:
        if not ref.folder.is_relative_to(home):
            yield _of_others(ref)


def _ours(name: str, home: Path, found: list[store.ModelRef]) -> Iterator[CachedModel]:
    """What lies in models/<name>; nothing where there are only the remains of a download."""
    model = CachedModel(name=name, place="bark", folder=home, root=home, own_bytes=bytes_of(home))
    try:
        manifest = store.read_manifest(home)
    except ModelError as error:
        yield replace(model, damage=str(error))
        return
    if manifest is not None:
        folder, missing = build_folder(home, manifest), missing_files(home, manifest)
        damage = f"{missing[0].path.name} {missing[0].what}" if missing else None
        yield replace(model, folder=folder, layout=_layout(folder), revision=manifest.revision, damage=damage)
        return
    whole = next((ref for ref in found if ref.folder == home), None)
    if whole or any(path.is_file() and not path.name.startswith(".") for path in home.iterdir()):
        several = len(store.places.gguf_files(home)) > 1
        lacks = "it holds several GGUF files" if several else "it lacks files that a model has"
        damage = None if whole else lacks
        yield replace(
            model,
            place="own",
            size=whole.size if whole else None,
            layout=_layout(home),
            own_bytes=bytes_of(home, behind_links=True),  # the model's, wherever its files lie
            damage=damage,
        )


def _of_others(ref: store.ModelRef) -> CachedModel:
    """The bundled model, or one that another program keeps."""
    folder, size = ref.folder, ref.size
    place: Place = "huggingface"
    if folder == store.nano_folder():
        place = "package"
    elif folder == store.suno_home():
        place = "suno"
    paths = [folder / name for name in store.SUNO_FILES[size]] if size else [folder]
    return CachedModel(
        name=ref.name,
        place=place,
        folder=folder,
        root=folder,
        size=size,
        layout="suno" if size else _layout(folder),
        revision=folder.name if place == "huggingface" else None,
        own_bytes=bytes_of(*paths, behind_links=True),  # huggingface_hub's snapshots are links
    )


def _unreadable(model: CachedModel) -> str | None:
    """What is wrong with a GGUF file, which no look at names and sizes tells; None: nothing, or no GGUF."""
    files = store.places.gguf_files(model.folder) if model.layout == "gguf" else []
    if not files or find_spec("gguf") is None:
        return None
    from bark_cli.checkpoint.gguf_header import read_header
    from bark_cli.checkpoint.gguf_keys import ARCHITECTURE

    try:
        found = read_header(files[0]).keys.get("general.architecture")
    except ModelError as error:
        return str(error)
    return None if found == ARCHITECTURE else f"it holds a model {found!r:.80}, not Bark"


def _elsewhere(kept: list[Conversion]) -> list[CachedModel]:
    """Folders that were given by path, of which only the conversions are the cache's."""
    current = [one for one in kept if one.source is not None and one.is_current]
    sources = {one.source.folder: one.source for one in current if one.source}
    return [
        CachedModel(
            name=str(folder),
            place="elsewhere",
            folder=folder,
            root=folder,
            layout=source.layout,
            conversions=tuple(one for one in current if one.source and one.source.folder == folder),
        )
        for folder, source in sources.items()
    ]


def _is_of(conversion: Conversion, model: CachedModel) -> bool:
    source = conversion.source
    if source is None or not source.folder.is_relative_to(model.root.resolve()):
        return False
    return model.size is None or source.size == model.size


def _layout(folder: Path) -> str | None:
    """The layout of a model, told by its configuration."""
    try:
        values = read_object(folder / "config.json", _CONFIG_BOUNDS)
        if store.places.is_openvino(folder):
            return "openvino"
        return "native" if "semantic" in values else "transformers"
    except (OSError, ValueError):
        if any(os.path.lexists(folder / f) for f in _SUNOS):
            return "suno"
        return "gguf" if store.places.gguf_files(folder) else None


_SUNOS = [name for names in store.SUNO_FILES.values() for name in names]
