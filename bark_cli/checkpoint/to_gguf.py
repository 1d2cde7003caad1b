"""Checkpoint -> a GGUF file: the three transformers, EnCodec's decoder and BERT's vocabulary in one.

Names and numbers: gguf_keys.py. Only the four matrices of each block are ever quantised: with its embeddings,
heads or codec in four bits Bark is silent, as the first who tried found out.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bark_cli.checkpoint.check import check_tensors
from bark_cli.checkpoint.encodec import weight_norm
from bark_cli.checkpoint.gguf import read_gguf
from bark_cli.checkpoint.gguf_header import import_gguf
from bark_cli.checkpoint.gguf_keys import ARCHITECTURE, MATRICES, keys_of, their_name
from bark_cli.checkpoint.q4_k import quantize_q4_k
from bark_cli.checkpoint.record import Checkpoint
from bark_cli.errors import ModelError, OptionError
from bark_cli.model.options import SamplingOptions
from bark_cli.model.tokenizer import bert_pieces

GGUFStorage = Literal["fp32", "fp16", "q8_0", "q4_k"]
_KINDS = {"fp32": "F32", "fp16": "F16", "q8_0": "Q8_0", "q4_k": "Q4_K"}
_FILE_TYPES = {"fp32": "ALL_F32", "fp16": "MOSTLY_F16", "q8_0": "MOSTLY_Q8_0", "q4_k": "MOSTLY_Q4_K_M"}
_TORCH = {"F32": torch.float32, "F16": torch.float16}
_SMALL_WIDTH = 768  # of Suno's small model; the large one has 1024
# How far a tensor may be from the original, as parts of its length: twice what rounding does to random ones.
_TOLERANCE = {"F32": 1e-6, "F16": 1e-3, "Q8_0": 1.5e-2, "Q4_K": 0.15}

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class _Planned:
    """A tensor to be written."""

    name: str
    shape: tuple[int, ...]
    kind: str
    make: Callable[[], Tensor]  # its floats

    def array(self) -> Array:
        """Its numbers as the file holds them."""
        weight = self.make().contiguous()
        if self.kind in _TORCH:
            return weight.to(_TORCH[self.kind]).numpy()
        if self.kind == "Q4_K":
            return quantize_q4_k(weight).numpy()
        gguf = import_gguf()
        made: Array = gguf.quantize(weight.numpy(), gguf.GGMLQuantizationType[self.kind])
        return made


def write_gguf(checkpoint: Checkpoint, file: Path, storage: GGUFStorage, *, name: str) -> None:
    """Write a model that `misfit` lets pass into a new file, and read it back.

    What is not a matrix of a block is stored as float16 at least; norms and biases are float32.

    Raises:
        OptionError: its tokenizer or its widths do not fit; nothing was written. `name` is what it is called.
        OSError: the disk refuses.
        ModelError: the file does not hold what was written.
    """
    gguf = import_gguf()
    pieces = _pieces(checkpoint, name)
    planned = list(_plan(checkpoint, storage, name))
    writer = gguf.GGUFWriter(file, ARCHITECTURE)
    try:
        _add_keys(writer, checkpoint, storage, pieces, name)
        for one in planned:
            block, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[one.kind]]
            n_bytes = int(np.prod(one.shape)) // block * size
            _add_entry(writer, one, n_bytes)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for one in planned:
            writer.write_tensor_data(one.array())
    except OSError as error:
        if error.strerror is None:  # numpy counts what was written, and does not ask why it is not all
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        raise
    finally:
        writer.close()
    _check_written(checkpoint, file, pieces, storage)


def _pieces(checkpoint: Checkpoint, model: str) -> tuple[str, ...]:
    """The tokenizer's pieces.

    Raises:
        OptionError: it reads text otherwise than cased BERT, which is all that the layout can say.
    """
    pieces = checkpoint.vocabulary or bert_pieces(checkpoint.tokenizer_file)
    if pieces is None:
        raise OptionError(
            f"{model} does not fit GGUF's layout: its tokenizer is not cased BERT's; use --to native"
        )
    return pieces


def kind_of(name: str, n_dimensions: int, storage: GGUFStorage) -> str:
    """The type that a tensor, by our name, is stored in."""
    if n_dimensions == 1:
        return "F32"
    if storage in ("fp32", "fp16") or is_block_matrix(name):
        return _KINDS[storage]
    return "F16"


def is_block_matrix(name: str) -> bool:
    """Whether a tensor, by our name, is one of the four matrices of a block."""
    part, _, rest = name.partition(".")
    return (
        part != "codec"
        and rest.startswith("h.")
        and rest.split(".", 2)[2].removesuffix(".weight") in MATRICES
    )


def _plan(checkpoint: Checkpoint, storage: GGUFStorage, model: str) -> Iterator[_Planned]:
    """All tensors, in the order of the stages.

    Raises:
        OptionError: a matrix does not divide into blocks of that type.
    """
    gguf = import_gguf()
    block = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[_KINDS[storage]]][0]
    for name in checkpoint.tensors:
        shape = checkpoint.form(name).shape
        if is_block_matrix(name) and shape[-1] % block:
            rows = f"rows of {shape[-1]}, and {storage} blocks of {block}"
            raise OptionError(f"{model} has matrices with {rows}; use --storage fp16")
        if name.startswith("codec.") and len(shape) == 3:
            yield from _plan_convolution(checkpoint, name, shape, storage)
            continue
        kind = kind_of(name, len(shape), storage)
        make = _reading(checkpoint, name)
        yield _Planned(name=their_name(name), shape=shape, kind=kind, make=make)
        if (head := _tied_head(checkpoint, name)) is not None:
            yield _Planned(name=their_name(head), shape=shape, kind=kind, make=make)


def _tied_head(checkpoint: Checkpoint, name: str) -> str | None:
    """The head that a table of the fine stage is as well, where it has no weights of its own."""
    if not name.startswith("fine.wtes."):
        return None
    index = int(name.split(".")[2]) - checkpoint.config.fine.gpt.n_codes_given
    head = f"fine.lm_heads.{index}.weight"
    return head if index >= 0 and head not in checkpoint.tensors else None


def _plan_convolution(
    checkpoint: Checkpoint, name: str, shape: tuple[int, ...], storage: GGUFStorage
) -> Iterator[_Planned]:
    """Gain and direction of a convolution's weight."""
    for suffix, ours in (("_g", (shape[0], 1, 1)), ("_v", shape)):
        kind = kind_of(name, 1 if suffix == "_g" else 3, storage)

        def make(suffix: str = suffix) -> Tensor:
            return weight_norm(name, checkpoint.float32(name))[f"{name}{suffix}"]

        yield _Planned(name=their_name(f"{name}{suffix}"), shape=ours, kind=kind, make=make)


def _reading(checkpoint: Checkpoint, name: str) -> Callable[[], Tensor]:
    return lambda: checkpoint.float32(name)


def _add_keys(
    writer: Any, checkpoint: Checkpoint, storage: GGUFStorage, pieces: tuple[str, ...], name: str
) -> None:
    gguf = import_gguf()
    config = checkpoint.config
    writer.add_name(name)
    writer.add_file_type(int(gguf.LlamaFileType[_FILE_TYPES[storage]]))
    if storage in ("q8_0", "q4_k"):
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_string("bark.variant", "small" if config.semantic.gpt.n_embd == _SMALL_WIDTH else "large")
    for key, value in keys_of(config).items():
        if isinstance(value, tuple):
            writer.add_array(key, list(value))
        else:
            writer.add_uint32(key, value)
    writer.add_tokenizer_model("bert")
    writer.add_token_list(pieces)


def _add_entry(writer: Any, one: _Planned, n_bytes: int) -> None:
    gguf = import_gguf()
    kind = gguf.GGMLQuantizationType[one.kind]
    plain = {"F32": np.float32, "F16": np.float16}.get(one.kind)
    # the writer takes bytes (uint8) for a quantised tensor, and a shape of bytes with them
    shape = one.shape if plain else gguf.quant_shape_to_byte_shape(one.shape, kind)
    writer.add_tensor_info(one.name, shape, np.dtype(plain or np.uint8), n_bytes, raw_dtype=kind)


def _check_written(original: Checkpoint, file: Path, pieces: tuple[str, ...], storage: GGUFStorage) -> None:
    """Read the file back as any other, and compare.

    Raises:
        ModelError: it is another model than the one that was to be written.
    """
    copy = read_gguf(file, file)
    check_tensors(copy)
    expected = replace(original.config, sampling=SamplingOptions(), default_voice=None)
    if copy.config != expected or copy.vocabulary != pieces:
        raise ModelError(f"{file} does not say what was written; this is a fault of bark, please report it")
    for name in original.tensors:
        wanted, found = original.float32(name), copy.float32(name)
        limit = _TOLERANCE[kind_of(name, wanted.ndim, storage)]
        if not bool((found - wanted).norm() <= limit * wanted.norm()):
            raise ModelError(f"{name} cannot be held in {storage}; use --storage fp32")
