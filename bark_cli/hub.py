"""Where models live: a name or a path -> the folder of a model on this machine, told by its files' names."""

from __future__ import annotations

import difflib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bark_cli.errors import ModelError

SUNO_FILES = {
    "large": ("text_2.pt", "coarse_2.pt", "fine_2.pt"),
    "small": ("text.pt", "coarse.pt", "fine.pt"),
}
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")  # read is the first that is there, or its index
TOKENIZER_FILES = ("tokenizer.json", "vocab.txt")
_CODEC_FILES = "encodec_24khz*.th"
_MAX_INDEX_BYTES = 64 * 2**20  # a real one has some kB
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
    folder: Path
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


def cache_home() -> Path:
    """The platform's folder for caches."""
    if configured := os.environ.get("XDG_CACHE_HOME"):
        return Path(configured)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    return Path.home() / ".cache"


def _dot_cache() -> Path:
    """Where Suno, torch and Hugging Face keep their caches, on every platform."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()


def bark_home() -> Path:
    """Where models and saved voices are kept: $BARK_HOME, else in the platform's cache."""
    configured = os.environ.get("BARK_HOME")
    return Path(configured).expanduser() if configured else cache_home() / "bark_cli"


def nano_folder() -> Path:
    """The bundled model."""
    return Path(__file__).parent / "assets" / "nano"


def huggingface_snapshots(repository: str) -> list[Path]:
    """Snapshots of a repository in huggingface_hub's cache, newest first."""
    home = Path(os.environ.get("HF_HOME") or _dot_cache() / "huggingface")
    hub = Path(os.environ.get("HF_HUB_CACHE") or home / "hub").expanduser()
    snapshots = hub / f"models--{repository.replace('/', '--')}" / "snapshots"
    found = [path for path in snapshots.glob("*") if path.is_dir()]
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


def find_tokenizer(folder: Path) -> Path | None:
    """tokenizer.json, else vocab.txt, of a folder."""
    return next((folder / name for name in TOKENIZER_FILES if (folder / name).is_file()), None)


def tokenizer_elsewhere() -> Path | None:
    """Bark's tokenizer as suno-ai/bark leaves it on a machine: BERT's, in huggingface_hub's cache."""
    for repository in ("google-bert/bert-base-multilingual-cased", "bert-base-multilingual-cased"):
        for snapshot in huggingface_snapshots(repository):
            if found := find_tokenizer(snapshot):
                return found
    return None


def find_codec(folder: Path) -> Path | None:
    """EnCodec's weights beside Suno's files, else as suno-ai/bark leaves them: in torch.hub's cache."""
    torch_home = Path(os.environ.get("TORCH_HOME") or _dot_cache() / "torch").expanduser()
    places = (folder, torch_home / "hub" / "checkpoints")
    return next((path for place in places for path in sorted(place.glob(_CODEC_FILES))), None)


def installed_models() -> list[ModelRef]:
    """The named models on this machine, best first, and then whatever else lies in $BARK_HOME/models."""
    named = [ref for name in MODELS if (ref := _find(name)) is not None]
    models = bark_home() / "models"
    others = (_model_in(path, path.name) for path in sorted(models.glob("*")) if path.name not in MODELS)
    return named + [ref for ref in others if ref is not None]


def resolve_model(model: str | os.PathLike[str] | None = None) -> ModelRef:
    """The folder of a model given by path or by name; None is the best one installed.

    Raises:
        ModelError: there is no such folder or no such model here; the message names those that are.
    """
    if model is None:
        installed = installed_models()
        if not installed:
            raise ModelError(f"no model is installed, not even nano; {_INSTALL_AGAIN}")
        return installed[0]
    text = os.fspath(model)
    path = Path(text).expanduser()
    if _looks_like_path(model, text) or (text and text not in MODELS and path.is_dir()):
        if not path.is_dir():
            raise ModelError(f"{text} is not a folder; give the folder of a model, or a name ({_names()})")
        return ModelRef(name=path.resolve().name, folder=path)
    if ref := _find(text):
        return ref
    raise ModelError(_not_found(text))


def _looks_like_path(model: object, text: str) -> bool:
    separators = {"/", os.sep, os.altsep} - {None}
    return (
        not isinstance(model, str) or text.startswith((".", "~")) or any(s in text for s in separators if s)
    )


def _find(name: str) -> ModelRef | None:
    """The first place that holds the model of that name, complete."""
    return next((ref for folder in _places(name) if (ref := _model_in(folder, name))), None)


def _places(name: str) -> Iterator[Path]:
    if name in ("", ".", ".."):
        return
    if name == "nano":
        yield nano_folder()
    yield bark_home() / "models" / name
    entry = MODELS.get(name)
    if entry is not None and entry.repository is not None:
        yield from huggingface_snapshots(entry.repository)
        yield _dot_cache() / "suno" / "bark_v0"


def _model_in(folder: Path, name: str) -> ModelRef | None:
    """The model in a folder, where none of the files that reading it takes is missing."""
    files = {path.name for path in folder.glob("*") if path.is_file()}
    if not files or not (find_tokenizer(folder) or tokenizer_elsewhere()):
        return None
    size = name if name in SUNO_FILES else None  # a model of one's own may be of either size
    wanted = [SUNO_FILES[size]] if size else list(SUNO_FILES.values())
    if any(files.issuperset(stages) for stages in wanted) and find_codec(folder):
        return ModelRef(name=name, folder=folder, size=size)
    if "config.json" in files and _has_weights(folder, files):
        return ModelRef(name=name, folder=folder)
    return None


def _has_weights(folder: Path, files: set[str]) -> bool:
    """Whether the weight file, or every shard that its index lists, is there."""
    for name in WEIGHT_FILES:
        if name in files:
            return True
        if (index := f"{name}.index.json") in files:
            shards = _shards(folder / index)
            return bool(shards) and shards <= files
    return False


def _shards(index: Path) -> set[str]:
    """The files that an index lists; none if it cannot be read."""
    try:
        if index.stat().st_size > _MAX_INDEX_BYTES:
            return set()
        return {str(shard) for shard in json.loads(index.read_text("utf-8"))["weight_map"].values()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return set()


def _names() -> str:
    return ", ".join(ref.name for ref in installed_models()) or "none installed"


def _not_found(name: str) -> str:
    if name == "nano":
        return f"nano is incomplete in this installation; {_INSTALL_AGAIN}"
    here = f"installed: {_names()}"
    if entry := MODELS.get(name):
        return (
            f"model {name} is not on this machine ({here}); "
            f"put the files of {entry.repository} into {bark_home() / 'models' / name}, or give their folder"
        )
    known = list(dict.fromkeys([*MODELS, *(ref.name for ref in installed_models())]))
    near = difflib.get_close_matches(name.lower(), known, n=1)
    hint = f"did you mean {near[0]}?" if near else "give one of these names, or a model's folder"
    return f"there is no model {name!r} ({here}); {hint}"
