"""Which layout a model's folder has, by its files' names and its config.json: folder -> Layout."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bark_cli.checkpoint.native import CONFIG_FILE
from bark_cli.checkpoint.untrusted import read_json
from bark_cli.errors import ModelError
from bark_cli.store import SUNO_FILES, WEIGHT_FILES
from bark_cli.store.places import gguf_files, is_openvino

if TYPE_CHECKING:
    from bark_cli.checkpoint.fit import LayoutName


@dataclass(frozen=True)
class Layout:
    """How the model in a folder is laid out."""

    kind: LayoutName
    size: str | None = None  # of Suno's, which of the two
    file: Path | None = None  # GGUF's, which holds it all
    values: dict[str, Any] = field(default_factory=dict)  # config.json


def find_layout(folder: Path, size: str | None = None) -> Layout:
    """Tell a folder's layout by its files' names and its config.json; no weights are opened.

    Raises:
        ModelError: the folder is missing, holds no Bark, or not the size that was asked for.
    """
    if size not in (None, "small", "large"):
        raise ModelError(f"size {size!r} is unknown; use small or large")
    if folder.is_file():
        return _of_file(folder, size)
    if not folder.is_dir():
        raise ModelError(f"{folder} is not a folder or a file; give a model's folder, .gguf file or name")
    values = read_json(folder / CONFIG_FILE) if (folder / CONFIG_FILE).is_file() else {}
    sizes = suno_sizes(folder)
    # suno/bark's own repository holds both layouts; asking for a size asks for the files that come in two.
    if size in sizes:
        return Layout("suno", size)
    if size is not None and (sizes or values):
        raise ModelError(f"{folder} has no {size} model to choose; leave --size out")
    if "semantic" in values:
        return Layout("openvino" if is_openvino(folder) else "native")
    if sizes and not has_transformers_weights(folder):
        return Layout("suno", sizes[0])
    if values.get("model_type") == "bark":
        return Layout("transformers", values=values)
    if found := gguf_files(folder):
        return _of_file(_only(found, folder), size)
    if values:
        kind = values.get("model_type") or "of another program"
        raise ModelError(f"{folder} holds a model {kind!r}, not Bark; give the folder of a Bark model")
    from bark_cli.checkpoint.gguf_header import is_old_container, read_header

    if is_old_container(folder / "ggml_weights.bin"):  # as bark.cpp calls it
        read_header(folder / "ggml_weights.bin")  # says why not
    raise ModelError(
        f"{folder} holds no Bark model: no config.json, no .gguf file, "
        f"and no {', '.join(SUNO_FILES['small'])}"
    )


def _of_file(file: Path, size: str | None) -> Layout:
    """The layout of a file that is a whole model.

    Raises:
        ModelError: a size was asked for, of which there is but one in a file.
    """
    if size is not None:
        raise ModelError(f"{file} has no {size} model to choose; leave --size out")
    return Layout("gguf", file=file)


def _only(files: list[Path], folder: Path) -> Path:
    if len(files) > 1:
        names = ", ".join(file.name for file in files)
        raise ModelError(f"{folder} holds several models ({names}); give the file of one")
    return files[0]


def suno_sizes(folder: Path) -> list[str]:
    """The sizes of which at least one of Suno's files is there: complete ones first, large before small."""
    there = {size: [(folder / n).is_file() for n in names] for size, names in SUNO_FILES.items()}
    return sorted((size for size in there if any(there[size])), key=lambda size: not all(there[size]))


def has_transformers_weights(folder: Path) -> bool:
    """Whether a weight file of Transformers' or its index is there."""
    return any((folder / f"{name}{end}").is_file() for name in WEIGHT_FILES for end in ("", ".index.json"))
