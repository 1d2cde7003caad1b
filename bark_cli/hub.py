"""Where models live: a name or a path -> the folder of a model on this machine. Nothing is opened here."""

from __future__ import annotations

import difflib
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


def tokenizer_elsewhere() -> Path | None:
    """Bark's tokenizer as suno-ai/bark leaves it on a machine: BERT's, in huggingface_hub's cache."""
    for repository in ("google-bert/bert-base-multilingual-cased", "bert-base-multilingual-cased"):
        for snapshot in huggingface_snapshots(repository):
            for name in ("tokenizer.json", "vocab.txt"):
                if (snapshot / name).is_file():
                    return snapshot / name
    return None


def codec_elsewhere() -> Path | None:
    """EnCodec's weights as suno-ai/bark leaves them on a machine: in torch.hub's cache."""
    torch_home = Path(os.environ.get("TORCH_HOME") or _dot_cache() / "torch")
    found = sorted((torch_home.expanduser() / "hub" / "checkpoints").glob("encodec_24khz*.th"))
    return found[0] if found else None


def installed_models() -> list[ModelRef]:
    """The named models on this machine, best first, and then whatever else lies in $BARK_HOME/models."""
    named = [ref for name in MODELS if (ref := _find(name)) is not None]
    models = bark_home() / "models"
    others = [path for path in sorted(models.glob("*")) if path.name not in MODELS and _is_model(path)]
    return named + [ModelRef(name=path.name, folder=path) for path in others]


def resolve_model(model: str | os.PathLike[str] | None = None) -> ModelRef:
    """The folder of a model given by path or by name; None is the best one installed.

    Raises:
        ModelError: there is no such folder or no such model here; the message names those that are.
    """
    if model is None:
        installed = installed_models()
        if not installed:
            raise ModelError(
                "no model is installed, not even nano; run: pip install --force-reinstall bark-cli"
            )
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
    return next((ref for ref in _places(name) if _is_model(ref.folder)), None)


def _places(name: str) -> Iterator[ModelRef]:
    if name in ("", ".", ".."):
        return
    if name == "nano":
        yield ModelRef(name=name, folder=nano_folder())
    yield ModelRef(name=name, folder=bark_home() / "models" / name)
    entry = MODELS.get(name)
    if entry is None or entry.repository is None:
        return
    for snapshot in huggingface_snapshots(entry.repository):
        if _has_config_and_weights(_file_names(snapshot)):
            yield ModelRef(name=name, folder=snapshot)
    suno = _dot_cache() / "suno" / "bark_v0"
    beside = _file_names(suno)
    tokenizer = {"tokenizer.json", "vocab.txt"} & beside or tokenizer_elsewhere()
    codec = any(file.startswith("encodec_24khz") for file in beside) or codec_elsewhere()
    if beside.issuperset(SUNO_FILES[name]) and tokenizer and codec:
        yield ModelRef(name=name, folder=suno, size=name)


def _file_names(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*") if path.is_file()}


def _has_config_and_weights(names: set[str]) -> bool:
    weights = {"model.safetensors", "pytorch_model.bin"}
    weights |= {f"{name}.index.json" for name in weights}
    return "config.json" in names and bool(names & weights)


def _is_model(folder: Path) -> bool:
    """Whether a folder holds the weights of a model, by the names of its files."""
    names = _file_names(folder)
    return _has_config_and_weights(names) or any(names.issuperset(f) for f in SUNO_FILES.values())


def _names() -> str:
    return ", ".join(ref.name for ref in installed_models()) or "none installed"


def _not_found(name: str) -> str:
    if name == "nano":
        return (
            "nano's weights are missing from this installation; run: pip install --force-reinstall bark-cli"
        )
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
