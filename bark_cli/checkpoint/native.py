"""Our own layout: a folder with config.json, model.safetensors and a tokenizer <-> Checkpoint.

Matrices of the three transformers may be stored as int8 with one float32 scale per row under "<name>.scale";
all else is float16 or float32. Reading always gives float32.
"""

from __future__ import annotations

import json
import shutil
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import save_file
from torch import Tensor

from bark_cli.checkpoint.check import check_config
from bark_cli.checkpoint.files import AGAIN, read_json, read_safetensors
from bark_cli.checkpoint.record import Checkpoint
from bark_cli.errors import ModelError
from bark_cli.hub import find_tokenizer
from bark_cli.quantize import dequantize_rows, quantize_rows
from bark_cli.tokens import BarkConfig

Storage = Literal["fp32", "fp16", "int8"]
CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
_SCALE = ".scale"


def read_native(folder: Path) -> Checkpoint:
    """Read a native folder; the tensors are float32 but not yet checked against the configuration.

    Raises:
        ModelError: a file is missing or damaged.
    """
    config = BarkConfig.from_dict(read_json(folder / CONFIG_FILE))
    check_config(config, folder)
    tokenizer = find_tokenizer(folder)
    if tokenizer is None:
        raise ModelError(f"{folder} has no tokenizer.json or vocab.txt; {AGAIN}")
    return Checkpoint(
        config=config,
        tensors=_unpack(read_safetensors(folder / WEIGHTS_FILE), folder / WEIGHTS_FILE),
        tokenizer_file=tokenizer,
        layout="native",
        folder=folder,
    )


def write_native(checkpoint: Checkpoint, folder: Path, *, storage: Storage = "fp32") -> None:
    """Write config.json, model.safetensors and the tokenizer into `folder`; other files there stay.

    Raises:
        ModelError: the folder cannot be written.
    """
    tensors = _pack(checkpoint.tensors, storage)
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
            shutil.copyfile(checkpoint.tokenizer_file, staged / checkpoint.tokenizer_file.name)
            for name in (WEIGHTS_FILE, checkpoint.tokenizer_file.name, CONFIG_FILE):
                (staged / name).replace(folder / name)
    except OSError as error:
        raise ModelError(f"{folder} cannot be written: {error.strerror or error}") from error


def _pack(tensors: Mapping[str, Tensor], storage: Storage) -> dict[str, Tensor]:
    """Tensors as they are stored; see the module's docstring."""
    packed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if storage == "int8" and tensor.ndim == 2 and not name.startswith("codec."):
            packed[name], packed[name + _SCALE] = quantize_rows(tensor)
        else:
            packed[name] = tensor.to(torch.float32 if storage == "fp32" else torch.float16).contiguous()
    return packed


def _unpack(stored: Mapping[str, Tensor], where: Path) -> dict[str, Tensor]:
    """Stored tensors as float32."""
    tensors: dict[str, Tensor] = {}
    for name, tensor in stored.items():
        if name.endswith(_SCALE):
            matrix = stored.get(name.removesuffix(_SCALE))
            if matrix is None or matrix.dtype != torch.int8:
                raise ModelError(f"{where}: {name} scales no int8 matrix; {AGAIN}")
            continue
        if tensor.dtype != torch.int8:
            tensors[name] = tensor
            continue
        scale = stored.get(name + _SCALE)
        if scale is None or tensor.ndim != 2 or scale.shape != tensor.shape[:1]:
            raise ModelError(f"{where}: {name} has no fitting scales; {AGAIN}")
        tensors[name] = dequantize_rows(tensor, scale)
    return tensors
