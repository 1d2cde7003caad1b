"""Our own layout: a folder with config.json, model.safetensors and a tokenizer <-> Checkpoint.

Matrices of the three transformers may be stored as int8 with one float32 scale per row under "<name>.scale";
all else is float16 or float32. Reading maps what is stored and converts nothing.
"""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from safetensors import SafetensorError

from bark_cli.checkpoint.check import check_config
from bark_cli.checkpoint.mapped import map_safetensors
from bark_cli.checkpoint.record import Checkpoint
from bark_cli.checkpoint.untrusted import AGAIN, read_json
from bark_cli.errors import ModelError
from bark_cli.model.config import BarkConfig
from bark_cli.store import find_tokenizer

if TYPE_CHECKING:
    from torch import Tensor

Storage = Literal["fp32", "fp16", "int8"]
Floats = Literal["fp32", "fp16"]
CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
_SCALE = ".scale"


def read_native(folder: Path) -> Checkpoint:
    """Read a native folder; the tensors are not yet checked against the configuration.

    Raises:
        ModelError: a file is missing or damaged.
    """
    config = BarkConfig.from_dict(read_json(folder / CONFIG_FILE))
    check_config(config, folder)
    tokenizer = find_tokenizer(folder)
    if tokenizer is None:
        raise ModelError(f"{folder} has no tokenizer.json or vocab.txt; {AGAIN}")
    held = map_safetensors(folder / WEIGHTS_FILE)
    scales = [(name, name.removesuffix(_SCALE)) for name in held if name.endswith(_SCALE)]
    return Checkpoint(
        config=config,
        tensors=held.renamed((name, name) for name in held if not name.endswith(_SCALE)),
        scales=held.renamed(scales),
        tokenizer_file=tokenizer,
        layout="native",
        folder=folder,
    )


def write_native(
    checkpoint: Checkpoint, folder: Path, *, storage: Storage = "fp32", floats: Floats = "fp16"
) -> None:
    """Write config.json, model.safetensors and the tokenizer into `folder`; other files there stay.

    With storage "int8", `floats` is the type of all but the matrices of transformers. A matrix that
    is int8 already is written as it is.

    Raises:
        ModelError: the folder cannot be written.
    """
    import tempfile

    from safetensors.torch import save_file

    tensors = _pack(checkpoint, storage, floats)
    config = json.dumps(checkpoint.config.to_dict(), indent=2) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".writing-", dir=folder) as scratch:
            # Written aside and renamed: an interrupted write leaves no half model under a model's name.
            staged = Path(scratch)
            save_file(tensors, staged / WEIGHTS_FILE, metadata={"format": "pt", "storage": storage})
            (staged / CONFIG_FILE).write_text(config, encoding="utf-8")
            # safetensors makes a private file; the configuration has the mode that any new file gets
            (staged / WEIGHTS_FILE).chmod(stat.S_IMODE((staged / CONFIG_FILE).stat().st_mode))
            tokenizer = checkpoint.write_tokenizer(staged)
            with (staged / WEIGHTS_FILE).open("rb+") as weights:
                os.fsync(weights.fileno())  # a name must not outlive a power cut that its content does not
            for name in (WEIGHTS_FILE, tokenizer, CONFIG_FILE):
                (staged / name).replace(folder / name)
    except (OSError, SafetensorError) as error:  # the latter where the disk is full
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"{folder} cannot be written: {reason}") from error


def rounded_to_int8(checkpoint: Checkpoint) -> Checkpoint:
    """What reading it again would give, had it been written with storage "int8" and floats "fp32"."""
    held = _pack(checkpoint, "int8", "fp32")
    tensors = {name: tensor for name, tensor in held.items() if not name.endswith(_SCALE)}
    scales = {name.removesuffix(_SCALE): held[name] for name in held if name.endswith(_SCALE)}
    return replace(checkpoint, tensors=tensors, scales=scales)


def _pack(checkpoint: Checkpoint, storage: Storage, floats: Floats) -> dict[str, Tensor]:
    """Tensors as they are stored; see the module's docstring."""
    import torch

    from bark_cli.model.quantize import quantize_rows

    is_half = (floats if storage == "int8" else storage) == "fp16"
    dtype = torch.float16 if is_half else torch.float32
    packed: dict[str, Tensor] = {}
    for name in checkpoint.tensors:
        if storage == "int8" and name in checkpoint.scales:  # rounding again would only add to the error
            packed[name], packed[name + _SCALE] = checkpoint.tensors[name], checkpoint.scales[name]
        elif storage == "int8" and len(checkpoint.form(name).shape) == 2 and not name.startswith("codec."):
            packed[name], packed[name + _SCALE] = quantize_rows(checkpoint.tensors[name])
        else:
            packed[name] = checkpoint.float32(name).to(dtype).contiguous()
    return packed
