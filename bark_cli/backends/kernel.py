"""Int8 products and causal transformers computed by decode.c: rows (n, C) -> (n, R), (n, D) -> (n, D).

The C code is compiled when the package is installed, once per instruction set (hatch_build.py). Where there
was no compiler `library` says so, and the other precisions serve.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from ctypes import POINTER, Structure, c_int32, c_int64, c_void_p
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock

import torch
from torch import Tensor
from torch.nn import functional as F

from bark_cli.model.config import GPTConfig
from bark_cli.model.quantize import Int8Matrix

BLOCK = 16  # rows of a matrix that lie together; ROWS in decode.c


class _Matrix(Structure):
    _fields_ = (
        ("values", c_void_p), ("scale", c_void_p), ("bias", c_void_p), ("offset", c_void_p),
        ("rows", c_int32), ("columns", c_int32),
    )  # fmt: skip


class _Layer(Structure):
    _fields_ = (
        ("norm_1", c_void_p), ("norm_1_bias", c_void_p), ("norm_2", c_void_p), ("norm_2_bias", c_void_p),
        ("attention", _Matrix), ("projection", _Matrix), ("expansion", _Matrix), ("contraction", _Matrix),
    )  # fmt: skip


class _Network(Structure):
    _fields_ = (
        ("layers", POINTER(_Layer)), ("norm", c_void_p), ("norm_bias", c_void_p),
        ("n_layer", c_int32), ("n_head", c_int32), ("width", c_int32), ("block", c_int32),
    )  # fmt: skip


class _Scratch(Structure):
    _fields_ = (
        ("rounded", c_void_p), ("steps", c_void_p), ("wide", c_void_p), ("narrow", c_void_p),
        ("scores", c_void_p),
    )  # fmt: skip


_LAYOUT = sum(
    ctypes.sizeof(struct) << 16 * i for i, struct in enumerate((_Matrix, _Layer, _Network, _Scratch))
)

# instruction sets that decode.c is compiled for, the best first -> whether this CPU has it
VARIANTS: dict[str, Callable[[], bool]] = {
    "amx": lambda: torch.cpu._is_amx_tile_supported() and torch.cpu._is_vnni_supported(),
    "vnni": torch.cpu._is_vnni_supported,
    "avx2": torch.cpu._is_avx2_supported,
    "plain": lambda: True,
}


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL | None:
    """The compiled code that suits this CPU; None where none was compiled."""
    for name, fits in VARIANTS.items():
        if fits() and (code := load(name)) is not None:
            return code
    return None


def load(variant: str) -> ctypes.CDLL | None:
    """The code of one instruction set; None where it was not compiled or may not run."""
    file = Path(__file__).with_name(f"decode-{variant}.so")
    if not file.is_file():
        return None
    try:
        code = ctypes.CDLL(str(file))
    except OSError:  # compiled for another machine
        return None
    if not hasattr(code, "bark_layout"):
        return None
    code.bark_layout.restype = c_int64
    if code.bark_layout() != _LAYOUT or not code.bark_may_run():  # compiled from another state of decode.c
        return None
    network, scratch = POINTER(_Network), POINTER(_Scratch)
    code.bark_step.argtypes = [
        network, scratch, c_int32, c_void_p, POINTER(c_void_p), POINTER(c_int32), c_int32,
    ]  # fmt: skip
    code.bark_product.argtypes = [
        POINTER(_Matrix), scratch, c_int32, c_int32, c_void_p, c_void_p, c_int32,
    ]  # fmt: skip
    code.bark_queries.argtypes = code.bark_absorb.argtypes = [
        network, scratch, c_int32, c_int32, c_void_p, c_void_p, c_int32,
    ]  # fmt: skip
    for function in (code.bark_step, code.bark_product, code.bark_queries, code.bark_absorb):
        function.restype = None
    return code


class Packed:
    """An int8 matrix (R, C) as decode.c reads it, and a bias (R,) or None.

    Raises:
        RuntimeError: the package was installed without its compiled code; `choose_precision` looks first.
    """

    def __init__(self, matrix: Int8Matrix, bias: Tensor | None = None) -> None:
        self._code = _compiled()
        self.rows = len(matrix.scale)
        blocks = in_blocks(matrix.values)
        offset = 128 * matrix.values.sum(dim=1, dtype=torch.int32)
        self._memory = _Memory()
        self.struct = _Matrix(
            self._memory.keep(blocks),
            self._memory.keep(_padded(matrix.scale.float())),
            None if bias is None else self._memory.keep(_padded(bias.float())),
            self._memory.keep(_padded(offset)),
            self.rows,
            4 * blocks.shape[1],
        )

    def product(self, x: Tensor) -> Tensor:
        """x (n, C) -> float32 (n, R), each row of x rounded to 8 bits by its own largest value."""
        x = x.float().contiguous()
        n, width = x.shape
        y = torch.empty(n, self.rows)
        rounded, steps = torch.empty(n, self.struct.columns, dtype=torch.uint8), torch.empty(n)
        scratch = _Scratch(rounded=rounded.data_ptr(), steps=steps.data_ptr())
        self._code.bark_product(self.struct, scratch, n, width, x.data_ptr(), y.data_ptr(), threads())
        return y


@dataclass(frozen=True, eq=False, kw_only=True)
class PackedLayer:
    """One block of a transformer: its four matrices, and weight and bias (or None) of its two norms."""

    attention: Packed
    projection: Packed
    expansion: Packed
    contraction: Packed
    norm_1: tuple[Tensor, Tensor | None]
    norm_2: tuple[Tensor, Tensor | None]


class Stack:
    """The blocks and last norm of a causal transformer; the sequences' caches belong to whoever calls."""

    def __init__(
        self, config: GPTConfig, layers: Sequence[PackedLayer], norm: tuple[Tensor, Tensor | None]
    ) -> None:
        self._code, self._memory, self._layers = _compiled(), _Memory(), layers
        self._lock = Lock()  # C is left by Python's own: two threads must not share the scratch
        keep = self._memory.keep
        self._network = _Network(
            (_Layer * config.n_layer)(*(self._struct(layer) for layer in layers)),
            keep(norm[0]), keep(norm[1]), config.n_layer, config.n_head, config.n_embd, config.block_size,
        )  # fmt: skip
        most = self._most = int(self._code.bark_most_rows())
        self._scratch = _Scratch(
            keep(torch.empty(most, 4 * config.n_embd, dtype=torch.uint8)),
            keep(torch.empty(most)),
            keep(torch.empty(most, 4 * config.n_embd)),
            keep(torch.empty(most, config.n_embd)),
            keep(torch.empty(int(self._code.bark_max_threads()), config.block_size)),
        )

    def step(self, x: Tensor, caches: Sequence[Tensor], positions: Sequence[int]) -> Tensor:
        """Turn embeddings (n, D) into final hidden states in place; row i goes to positions[i] of caches[i].

        The rows may be n sequences, each with its own cache, or follow each other in one. A cache is bf16
        (layers, 2, heads, positions, head size), keys and values.
        """
        for first in range(0, len(x), self._most):  # of a prompt each part sees those before
            rows = slice(first, first + self._most)
            n = len(x[rows])
            with self._lock:
                self._code.bark_step(
                    self._network, self._scratch, n, x[rows].data_ptr(),
                    (c_void_p * n)(*(cache.data_ptr() for cache in caches[rows])),
                    (c_int32 * n)(*positions[rows]), threads(),
                )  # fmt: skip
        return x

    def queries(self, layer: int, x: Tensor) -> Tensor:
        """Queries, keys and values of a layer: x (n, D) -> bf16 (n, 3 D)."""
        found = torch.empty(len(x), 3 * x.shape[1], dtype=torch.bfloat16)
        with self._lock:
            self._code.bark_queries(
                self._network, self._scratch, layer, len(x), x.data_ptr(), found.data_ptr(), threads()
            )
        return found

    def absorb(self, layer: int, x: Tensor, found: Tensor) -> None:
        """Add to x (n, D) what attention found, bf16 (n, D), and then the other half of the layer."""
        with self._lock:
            self._code.bark_absorb(
                self._network, self._scratch, layer, len(x), found.data_ptr(), x.data_ptr(), threads()
            )

    def _struct(self, layer: PackedLayer) -> _Layer:
        keep = self._memory.keep
        norms = [keep(tensor) for tensor in (*layer.norm_1, *layer.norm_2)]
        matrices = (layer.attention, layer.projection, layer.expansion, layer.contraction)
        return _Layer(*norms, *(matrix.struct for matrix in matrices))


class _Memory:
    """Tensors that C points at, kept alive."""

    def __init__(self) -> None:
        self._tensors: list[Tensor] = []

    def keep(self, tensor: Tensor | None) -> int | None:
        """Where it lies; None has no place."""
        if tensor is None:
            return None
        self._tensors.append(tensor.contiguous())
        return self._tensors[-1].data_ptr()


def threads() -> int:
    """As many as torch uses."""
    return min(torch.get_num_threads(), int(_compiled().bark_max_threads()))


def _compiled() -> ctypes.CDLL:
    code = library()
    if code is None:
        raise RuntimeError("there is no compiled int8 kernel")
    return code


def in_blocks(values: Tensor) -> Tensor:
    """Int8 (R, C) as decode.c reads it: (blocks of 16 rows, C / 4, 16, 4), filled up with zeros."""
    rows, columns = values.shape
    whole = F.pad(values, (0, -columns % 4, 0, -rows % BLOCK)).contiguous()
    # four neighbouring columns move as one int32
    blocks = whole.view(torch.int32).view(-1, BLOCK, whole.shape[1] // 4).transpose(1, 2).contiguous()
    return blocks.view(torch.int8).view(*blocks.shape, 4)


def _padded(row: Tensor) -> Tensor:
    """(R,) with zeros up to a whole block."""
    return F.pad(row, (0, -len(row) % BLOCK))
