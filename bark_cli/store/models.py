"""Which model is meant: a name or a path -> the folder or file of a model here, told by names of files."""

from __future__ import annotations

import difflib
import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bark_cli.errors import MissingModelError, ModelError, OptionError
from bark_cli.model.openvino import PARTS
from bark_cli.store import places
from bark_cli.store.manifest import build_folder, missing_files, read_manifest
from bark_cli.store.names import is_name, is_repository, model_home
from bark_cli.system.home import expanded
from bark_cli.system.records import Bounds, read_object, record
from bark_cli.system.variables import is_on

SUNO_FILES = {
    "large": ("text_2.pt", "coarse_2.pt", "fine_2.pt"),
    "small": ("text.pt", "coarse.pt", "fine.pt"),
}
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")  # read is the first that is there, or its index
_GRAPHS = [places.openvino_graph(Path(), part) for part in PARTS]
_INDEX_BOUNDS = Bounds(16 * 2**20)  # a real one has some kB
_INSTALL_AGAIN = "install bark_cli again from where you got it (pip install . in its folder)"


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """A model that has a name."""

    name: str
    about: str
    repository: str | None = None  # on the Hugging Face hub; None: in the package


@dataclass(frozen=True, kw_only=True)
class ModelRef:
    """A model found on this machine. `size` says which, where a folder of Suno's holds two."""

    name: str
    folder: Path  # or the file that is the model
    size: str | None = None


MODELS = {
    entry.name: entry
    for entry in (
        ModelEntry(name="large", about="Suno's Bark, 1.1 billion parameters", repository="suno/bark"),
        ModelEntry(
            name="small", about="Suno's small Bark, 0.4 billion parameters", repository="suno/bark-small"
        ),
        ModelEntry(name="nano", about="a tiny Bark in the box, English only"),
    )
}  # best first


def installed_models() -> list[ModelRef]:
    """The named models on this machine, best first, and then whatever else lies in $BARK_HOME/models.

    With SUNO_USE_SMALL_MODELS small comes before large, as it does in suno-ai/bark.
    """
    small_first = is_on("SUNO_USE_SMALL_MODELS")
    order = sorted(MODELS, key=lambda name: name != "small") if small_first else list(MODELS)
    others = [name_of(path) for path in sorted(places.models_home().glob("*"))]
    names = [*order, *(name for name in others if name not in MODELS)]
    return [ref for name in names if (ref := find_model(name)) is not None]


def name_of(home: Path) -> str:
    """What the model in models/<home> is called: its manifest says it, else the folder's name does."""
    with suppress(ModelError, OptionError):
        if (manifest := read_manifest(home)) and model_home(manifest.name).name == home.name:
            return manifest.name
    owned = home.name.replace("--", "/", 1)
    return owned if is_name(owned) else home.name


def mixed_name(leading: ModelRef, stages: Mapping[str, ModelRef]) -> str:
    """What a model is called whose stages come from several: nano+coarse:small."""
    borrowed = [f"{stage}:{ref.name}" for stage, ref in stages.items() if ref.name != leading.name]
    return "+".join([leading.name, *borrowed])


def resolve_model(model: str | os.PathLike[str] | None = None) -> ModelRef:
    """The folder, or the one file, of a model given by path or by name; None is the best one installed.

    Raises:
        MissingModelError: the model has a name and is not here, or is damaged; it can be downloaded.
        ModelError: there is no such path or no such model; the message names those that are.
    """
    if model is None:
        installed = installed_models()
        if not installed:
            raise ModelError(f"no model is installed, not even nano; {_INSTALL_AGAIN}")
        return installed[0]
    text = os.fspath(model)
    path = expanded(text)
    as_path = _looks_like_path(model, text)
    if path.is_dir() and (as_path or (text and text not in MODELS)):
        return ModelRef(name=path.resolve().name, folder=path)
    if as_path and path.is_file():
        return ModelRef(name=path.stem, folder=path)
    if isinstance(model, str) and (ref := find_model(text)):
        return ref
    raise _not_found(text, as_path)


def _looks_like_path(model: object, text: str) -> bool:
    separators = {"/", os.sep, os.altsep} - {None}
    is_marked = text.startswith((".", "~")) or text.lower().endswith(places.GGUF_SUFFIX)
    return not isinstance(model, str) or is_marked or any(s in text for s in separators if s)


def find_model(name: str) -> ModelRef | None:
    """The model called `name`, from the first place that holds it complete; None where there is none."""
    return next(find_models(name), None)


def find_models(name: str) -> Iterator[ModelRef]:
    """Every complete model called `name`, the one that is used first."""
    return (ref for folder in _places(name) if (ref := _model_in(folder, name)))


def _places(name: str) -> Iterator[Path]:
    """Folders that may hold the model: the bundled one, ours, and what other tools have fetched."""
    if name == "nano":
        yield places.nano_folder()
    with suppress(ModelError, OptionError):
        yield from _installed_builds(model_home(name))
    entry = MODELS.get(name)
    if entry is not None and entry.repository is not None:
        yield from places.huggingface_snapshots(entry.repository)
        yield places.suno_home()


def _installed_builds(home: Path) -> Iterator[Path]:
    """What the manifest names, if it is whole; without a manifest the folder is the user's own model."""
    manifest = read_manifest(home)
    if manifest is None:
        yield home
    elif not missing_files(home, manifest):
        yield build_folder(home, manifest)


def _model_in(folder: Path, name: str) -> ModelRef | None:
    """The model in a folder, where none of the files that reading it takes is missing."""
    files = {path.name for path in folder.glob("*") if path.is_file()}
    if len(places.gguf_files(folder)) == 1 and "config.json" not in files:
        return ModelRef(name=name, folder=folder)
    if not files or not (places.find_tokenizer(folder) or places.tokenizer_elsewhere()):
        return None
    size = name if name in SUNO_FILES else None  # a model of one's own may be of either size
    wanted = [SUNO_FILES[size]] if size else list(SUNO_FILES.values())
    if any(files.issuperset(stages) for stages in wanted) and places.find_codec(folder):
        return ModelRef(name=name, folder=folder, size=size)
    if "config.json" in files and _has_weights(folder, files):
        return ModelRef(name=name, folder=folder)
    return None


def _has_weights(folder: Path, files: set[str]) -> bool:
    """Whether the weight file, every shard that its index lists, or every graph of OpenVINO's is there."""
    if all({graph.name, graph.with_suffix(".bin").name} <= files for graph in _GRAPHS):
        return True
    for name in WEIGHT_FILES:
        if name in files:
            return True
        if (index := f"{name}.index.json") in files:
            shards = _shards(folder / index)
            return bool(shards) and shards <= files
    return False


@dataclass(frozen=True)
class _Index:
    """What says in which file a tensor lies."""

    weight_map: Mapping[str, str]


def _shards(index: Path) -> set[str]:
    """The files that an index lists; none if it cannot be read."""
    try:
        return set(record(_Index, read_object(index, _INDEX_BOUNDS)).weight_map.values())
    except (OSError, ValueError):
        return set()


def _names() -> str:
    return ", ".join(ref.name for ref in installed_models()) or "none installed"


def _not_found(name: str, as_path: bool) -> ModelError:
    """What to say, and to do next, where there is no such model."""
    here = f"installed: {_names()}"
    if name == "nano":
        return ModelError(f"nano is incomplete in this installation; {_INSTALL_AGAIN}")
    if damage := _damage(name):
        message = f"model {name} is damaged ({damage}); fetch it again with `{download_command(name)}`"
        elsewhere = _source_of(name) or _gguf_command(name)
        return ModelError(message) if elsewhere else MissingModelError(message, name)
    if name in MODELS:
        return MissingModelError(
            f"model {name} is not on this machine ({here}); fetch it with `bark download {name}`", name
        )
    if as_path:
        fetch = f", or fetch it with `bark download {name}`" if is_repository(name) else ""
        return ModelError(
            f"{name} is not a folder or a file; "
            f"give the folder of a model, a .gguf file or a name ({_names()}){fetch}"
        )
    if several := _several_gguf_files(name):
        names = ", ".join(file.name for file in several)
        return ModelError(f"model {name} holds several GGUF files ({names}); name one, as in -m {several[0]}")
    known = list(dict.fromkeys([*MODELS, *(ref.name for ref in installed_models())]))
    near = difflib.get_close_matches(name.lower(), known, n=1)
    hint = f"did you mean {near[0]}?" if near else "give one of these names, or a model's folder"
    return ModelError(f"there is no model {name!r} ({here}); {hint}")


def _several_gguf_files(name: str) -> list[Path]:
    """The GGUF files in a folder of one's own, where there is more than one: each would be a model."""
    with suppress(OptionError):
        files = places.gguf_files(model_home(name))
        return files if len(files) > 1 else []
    return []


def download_command(name: str) -> str:
    """The command that makes a damaged model whole, from where it was taken."""
    if (gguf := _gguf_command(name)) is not None:
        return gguf
    source = _source_of(name)
    return f"bark download {name}" + (f" --from {shlex.quote(source)}" if source else "")


def _gguf_command(name: str) -> str | None:
    """The same of a GGUF file that came from a hub, and is called after its file."""
    with suppress(ModelError, OptionError):
        manifest = read_manifest(model_home(name))
        if manifest and manifest.layout == "gguf" and manifest.revision is not None:
            return f"bark download {manifest.origin} --file {shlex.quote(manifest.fetched[0].path)}"
    return None


def _source_of(name: str) -> str | None:
    """The folder to take a model from again; None: a hub has it."""
    on_hub = name in MODELS or is_repository(name)
    with suppress(ModelError, OptionError):
        manifest = read_manifest(model_home(name))
        if manifest and manifest.revision is None and (Path(manifest.origin).exists() or not on_hub):
            return manifest.origin
    return None if on_hub else "FOLDER"


def _damage(name: str) -> str | None:
    """What is wrong with a model that was downloaded once."""
    try:
        home = model_home(name)
        manifest = read_manifest(home)
    except OptionError:
        return None
    except ModelError:
        return "its manifest cannot be read"
    found = missing_files(home, manifest) if manifest else []
    return f"{found[0].path.name} {found[0].what}" if found else None
