"""A model's folder in any layout -> Checkpoint: one configuration, one naming of tensors, a tokenizer file.

Layouts: our own (native.py), Suno's .pt files (suno.py, after suno-ai/bark's generation.py), and folders of
Transformers (transformers.py). Foreign names end here.
"""

from __future__ import annotations

from pathlib import Path

from bark_cli.checkpoint.build import Networks, build_networks
from bark_cli.checkpoint.check import check_tensors, expected_shapes
from bark_cli.checkpoint.files import read_json
from bark_cli.checkpoint.native import CONFIG_FILE, Storage, read_native, write_native
from bark_cli.checkpoint.record import Checkpoint
from bark_cli.checkpoint.suno import read_suno, suno_sizes
from bark_cli.checkpoint.transformers import has_transformers_weights, read_transformers
from bark_cli.errors import ModelError
from bark_cli.hub import SUNO_FILES

__all__ = [
    "Checkpoint",
    "Networks",
    "Storage",
    "build_networks",
    "expected_shapes",
    "read_checkpoint",
    "write_native",
]


def read_checkpoint(folder: Path, *, size: str | None = None) -> Checkpoint:
    """Read the model in `folder`, whatever its layout; every tensor is there, of the right shape, as stored.

    `size` ("small" or "large") chooses where a folder of Suno's holds both; by default the large one.

    Raises:
        UnsafeFileError: a file would run code if it were read; it was not.
        ModelError: the folder is missing, or its model is incomplete, damaged or not Bark.
    """
    checkpoint = _read(folder, size)
    check_tensors(checkpoint)
    return checkpoint


def _read(folder: Path, size: str | None) -> Checkpoint:
    if size not in (None, "small", "large"):
        raise ModelError(f"size {size!r} is unknown; use small or large")
    if not folder.is_dir():
        raise ModelError(f"{folder} is not a folder; give a model's folder or name")
    values = read_json(folder / CONFIG_FILE) if (folder / CONFIG_FILE).is_file() else {}
    sizes = suno_sizes(folder)
    # suno/bark's own repository holds both layouts; asking for a size asks for the files that come in two.
    if size in sizes:
        return read_suno(folder, size)
    if size is not None and (sizes or values):
        raise ModelError(f"{folder} has no {size} model to choose; leave --size out")
    if "semantic" in values:
        return read_native(folder)
    if sizes and not has_transformers_weights(folder):
        return read_suno(folder)
    if values.get("model_type") == "bark":
        return read_transformers(folder, values)
    if values:
        kind = values.get("model_type") or "of another program"
        raise ModelError(f"{folder} holds a model {kind!r}, not Bark; give the folder of a Bark model")
    raise ModelError(f"{folder} holds no Bark model: no config.json, and no {', '.join(SUNO_FILES['small'])}")
