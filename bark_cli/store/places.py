"""Folders: the environment -> where models, downloads, voices and other tools' caches lie."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from bark_cli.system.home import expanded, home, xdg_folder

TOKENIZER_FILES = ("tokenizer.json", "vocab.txt")
GGUF_SUFFIX = ".gguf"
_CODEC_FILES = "encodec_24khz*.th"
_YES = {"1", "on", "yes", "true"}  # as huggingface_hub reads its flags


def cache_home() -> Path:
    """The platform's folder for caches."""
    if (configured := xdg_folder("XDG_CACHE_HOME")) is not None:
        return configured
    if sys.platform == "darwin":
        return home() / "Library" / "Caches"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home() / "AppData" / "Local")
    return home() / ".cache"


def _dot_cache() -> Path:
    """Where Suno, torch and Hugging Face keep their caches, on every platform."""
    return expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache")


def bark_home() -> Path:
    """Where models and saved voices are kept: $BARK_HOME, else in the platform's cache."""
    configured = os.environ.get("BARK_HOME")
    return expanded(configured) if configured else cache_home() / "bark_cli"


def free_bytes() -> int:
    """Bytes that can be written where the cache is, or will be."""
    home = bark_home().absolute()
    place = next(path for path in (home, *home.parents) if path.is_dir())
    return shutil.disk_usage(place).free


def models_home() -> Path:
    """Downloaded models and those the user put there, one folder each."""
    return bark_home() / "models"


def downloads_home() -> Path:
    """Files on their way: what an interrupted download left to go on with."""
    return bark_home() / "downloads"


def converted_home() -> Path:
    """Models as they are used, made from others; each can be made again."""
    return bark_home() / "converted"


def compiled_home() -> Path:
    """What OpenVINO compiled for a GPU or NPU; it can be made again."""
    return bark_home() / "compiled"


def suno_voices_home() -> Path:
    """The Suno voices, once fetched."""
    return bark_home() / "suno-voices"


def voices_home() -> Path:
    """The voices that the user keeps."""
    return bark_home() / "voices"


def nano_folder() -> Path:
    """The bundled model."""
    return Path(__file__).parent.parent / "assets" / "nano"


def suno_home() -> Path:
    """Where suno-ai/bark keeps its checkpoints."""
    return _dot_cache() / "suno" / "bark_v0"


def is_offline() -> bool:
    """Whether the environment forbids the network, by the names huggingface_hub and transformers go by."""
    return any(
        os.environ.get(name, "").lower() in _YES for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    )


def huggingface_snapshots(repository: str) -> list[Path]:
    """Snapshots of a repository in huggingface_hub's cache, newest first."""
    hf_home = Path(os.environ.get("HF_HOME") or _dot_cache() / "huggingface")
    hub = expanded(os.environ.get("HF_HUB_CACHE") or hf_home / "hub")
    snapshots = hub / f"models--{repository.replace('/', '--')}" / "snapshots"
    found = [path for path in snapshots.glob("*") if path.is_dir()]
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


def find_tokenizer(folder: Path) -> Path | None:
    """tokenizer.json, else vocab.txt, of a folder."""
    return next((folder / name for name in TOKENIZER_FILES if (folder / name).is_file()), None)


def model_files(model: Path) -> list[Path]:
    """The files of a model: those in its folder, or the one that it is."""
    return [path for path in (sorted(model.glob("*")) if model.is_dir() else [model]) if path.is_file()]


def gguf_files(model: Path) -> list[Path]:
    """The GGUF files among them, each of which is a whole model."""
    return [path for path in model_files(model) if path.suffix.lower() == GGUF_SUFFIX]


def openvino_graph(model: Path, part: str) -> Path:
    """Where a network's graph lies in a folder of OpenVINO's layout; its numbers are in a .bin beside it."""
    return model / f"openvino_{part}.xml"


def is_openvino(model: Path) -> bool:
    """Whether a folder has OpenVINO's layout."""
    return openvino_graph(model, "semantic").is_file()


def tokenizer_elsewhere() -> Path | None:
    """Bark's tokenizer as suno-ai/bark leaves it on a machine: BERT's, in huggingface_hub's cache."""
    for repository in ("google-bert/bert-base-multilingual-cased", "bert-base-multilingual-cased"):
        for snapshot in huggingface_snapshots(repository):
            if found := find_tokenizer(snapshot):
                return found
    return None


def find_codec(folder: Path) -> Path | None:
    """EnCodec's weights beside Suno's files, else as suno-ai/bark leaves them: in torch.hub's cache."""
    torch_home = expanded(os.environ.get("TORCH_HOME") or _dot_cache() / "torch")
    places = (folder, torch_home / "hub" / "checkpoints")
    return next((path for place in places for path in sorted(place.glob(_CODEC_FILES))), None)
