"""A .safetensors file, mapped: path -> tensors and arrays that share its memory; torch makes the tensors.

The package `safetensors` reads the header and vouches for it: every byte belongs to one tensor.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open

from bark_cli.checkpoint.record import Array, Form, LazyTensors, widened
from bark_cli.checkpoint.untrusted import AGAIN, check_weights_file
from bark_cli.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

# the file's name of a type -> torch's, and numpy's of the same width
_TYPES: dict[str, tuple[str, Any]] = {
    "F64": ("float64", np.float64),
    "F32": ("float32", np.float32),
    "F16": ("float16", np.float16),
    "BF16": ("bfloat16", np.uint16),
    "I64": ("int64", np.int64),
    "I32": ("int32", np.int32),
    "I16": ("int16", np.int16),
    "I8": ("int8", np.int8),
    "U8": ("uint8", np.uint8),
    "BOOL": ("bool", np.bool_),
}


class MappedFile(LazyTensors):
    """Tensors as they are stored, by their names in the file."""

    def __init__(self, held: dict[str, tuple[Array, str]], mapped: mmap.mmap) -> None:
        self._held = held  # bits, and torch's name of what they are
        self._mapped = mapped

    def __getitem__(self, name: str) -> Tensor:
        import torch

        array, dtype = self._held[name]
        return torch.from_numpy(array).view(getattr(torch, dtype))

    def form(self, name: str) -> Form:
        """Shape and type of a tensor."""
        array, dtype = self._held[name]
        return Form(array.shape, dtype)

    def array(self, name: str) -> Array:
        """A tensor as an array; of bf16 as float32."""
        array, dtype = self._held[name]
        return widened(array) if dtype == "bfloat16" else array

    def renamed(self, names: Iterable[tuple[str, str]]) -> MappedFile:
        """Some of them, (name here, name there) each."""
        return MappedFile({there: self._held[here] for here, there in names}, self._mapped)

    def let_go(self) -> None:
        """Give back the memory that mirrors the file."""
        if hasattr(mmap, "MADV_DONTNEED"):  # not on Windows
            self._mapped.madvise(mmap.MADV_DONTNEED)


def map_safetensors(path: Path) -> MappedFile:
    """All tensors of a .safetensors file.

    Raises:
        ModelError: missing, truncated or not a safetensors file.
    """
    check_weights_file(path)
    try:
        with safe_open(str(path), framework="np") as file:
            forms = [(name, file.get_slice(name)) for name in file.offset_keys()]
            kinds = [(name, tuple(one.get_shape()), one.get_dtype()) for name, one in forms]
        with path.open("rb") as stream:
            start = 8 + int.from_bytes(stream.read(8), "little")
            # a private copy of what is written to, which nothing is
            mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)
        bits = np.frombuffer(mapped, np.uint8)
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"{path} is damaged or not a safetensors file; {AGAIN}") from error
    held = {}
    for name, shape, kind in kinds:
        if kind not in _TYPES:
            raise ModelError(f"{path}: {name} holds numbers of type {kind}, which Bark does not have")
        dtype, same = _TYPES[kind]
        end = start + int(np.prod(shape, dtype=np.int64)) * np.dtype(same).itemsize
        array = np.asarray(bits[start:end]).view(same).reshape(shape)
        held[name], start = (np.require(array, requirements="A"), dtype), end
    return MappedFile(held, mapped)
