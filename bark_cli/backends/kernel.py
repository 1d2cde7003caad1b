"""A causal transformer in int8, computed by decode.c: embeddings (n, D) -> hidden states (n, D).

The C code is compiled when the package is installed, once per instruction set (hatch_build.py). Where there
was no compiler `library` says so, and the other precisions serve.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from ctypes import POINTER, Structure, c_int32, c_void_p
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from bark_cli.quantize import Int8Matrix
from bark_cli.tokens import GPTConfig

ROWS = 64  # positions of a prompt, or sequences of a batch, that one call computes
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


# its names in the state of model.py's Block -> the field of _Layer
_MATRICES = {
    "attn.c_attn": "attention",
    "attn.c_proj": "projection",
    "mlp.c_fc": "expansion",
    "mlp.c_proj": "contraction",
}
_NORMS = {
    "ln_1.weight": "norm_1",
    "ln_1.bias": "norm_1_bias",
    "ln_2.weight": "norm_2",
    "ln_2.bias": "norm_2_bias",
}


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL | None:
    """The compiled code that suits this CPU; None where none was compiled."""
    fitting = ["plain"]
    if torch.cpu._is_avx2_supported():
        fitting.insert(0, "avx2")
    if torch.cpu._is_vnni_supported():
        fitting.insert(0, "vnni")
    for name in fitting:
        file = Path(__file__).with_name(f"decode-{name}.so")
        if file.is_file():
            try:
                return _declare(ctypes.CDLL(str(file)))
            except OSError:  # built for another machine
                continue
    return None


def _declare(code: ctypes.CDLL) -> ctypes.CDLL:
    code.bark_max_threads.restype = c_int32
    network, scratch = POINTER(_Network), POINTER(_Scratch)
    code.bark_step.argtypes = [
        network,
        scratch,
        c_int32,
        c_void_p,
        POINTER(c_void_p),
        POINTER(c_int32),
        c_int32,
    ]
    code.bark_product.argtypes = [
        POINTER(_Matrix), scratch, c_int32, c_int32, c_void_p, c_void_p, c_int32,
    ]  # fmt: skip
    code.bark_step.restype = code.bark_product.restype = None
    return code


class Int8GPT:
    """The causal network of one stage; the sequences' caches belong to whoever calls.

    Args:
        config: its shape.
        tensors: its state by the names of `model.GPT`; float matrices are rounded to int8.
        scales: the row scales of those that are int8 already.

    Raises:
        RuntimeError: the package was installed without its compiled code; `choose_precision` looks first.
    """

    def __init__(
        self, config: GPTConfig, tensors: Mapping[str, Tensor], scales: Mapping[str, Tensor]
    ) -> None:
        code = library()
        if code is None:
            raise RuntimeError("there is no compiled int8 kernel")
        self.config, self._code = config, code
        self._tensors, self._scales = tensors, scales
        self._kept: list[Tensor] = []  # what C points at
        self._heads: dict[range, _Matrix] = {}
        layers = (_Layer * config.n_layer)(*(self._layer(f"h.{i}.") for i in range(config.n_layer)))
        self._network = _Network(
            layers, self._vector("ln_f.weight"), self._vector("ln_f.bias"),
            config.n_layer, config.n_head, config.n_embd, config.block_size,
        )  # fmt: skip
        self._scratch = self._room()
        self._positions = tensors["wpe.weight"].float()

    def new_cache(self) -> Tensor:
        """Room for one sequence: bf16 (layers, 2, heads, positions, head size), keys and values."""
        c = self.config
        return torch.zeros(c.n_layer, 2, c.n_head, c.block_size, c.n_embd // c.n_head, dtype=torch.bfloat16)

    def embed(self, ids: Tensor, positions: Tensor, merged: Tensor | None = None) -> Tensor:
        """Embeddings (n, D) of ids (n,) at positions (n,), those of `merged` (m,) added to the first m."""
        x = self._table(ids)
        if merged is not None:
            x[: len(merged)] += self._table(merged)
        return x.add_(self._positions[positions])

    def step(self, x: Tensor, caches: Sequence[Tensor], positions: Sequence[int]) -> Tensor:
        """Turn embeddings (n, D) into final hidden states in place; row i goes to positions[i] of caches[i].

        The rows may be n sequences, each with its own cache, or follow each other in one.
        """
        for first in range(0, len(x), ROWS):  # of a prompt each chunk sees those before
            rows = slice(first, first + ROWS)
            n = len(x[rows])
            self._code.bark_step(
                self._network, self._scratch, n, x[rows].data_ptr(),
                (c_void_p * n)(*(cache.data_ptr() for cache in caches[rows])),
                (c_int32 * n)(*positions[rows]), self._threads(),
            )  # fmt: skip
        return x

    def logits(self, hidden: Tensor, legal: range) -> Tensor:
        """Logits (n, len(legal)) of final hidden states (n, D); no other row of the head is read."""
        if legal not in self._heads:
            self._heads[legal] = self._matrix("lm_head", legal)
        y = torch.empty(len(hidden), len(legal))
        for first in range(0, len(hidden), ROWS):
            x, out = hidden[first : first + ROWS], y[first : first + ROWS]
            self._code.bark_product(
                self._heads[legal], self._scratch, *x.shape, x.data_ptr(), out.data_ptr(), self._threads()
            )
        return y

    def _threads(self) -> int:
        return min(torch.get_num_threads(), int(self._code.bark_max_threads()))

    def _table(self, ids: Tensor) -> Tensor:
        rows = self._tensors["wte.weight"][ids].float()
        scale = self._scales.get("wte.weight")
        return rows if scale is None else rows.mul_(scale[ids, None])

    def _layer(self, prefix: str) -> _Layer:
        layer = _Layer(**{field: self._vector(prefix + name) for name, field in _NORMS.items()})
        for name, field in _MATRICES.items():
            setattr(layer, field, self._matrix(prefix + name))
        return layer

    def _vector(self, name: str) -> int | None:
        return self._keep(self._tensors[name].float()) if name in self._tensors else None

    def _matrix(self, name: str, wanted: range | None = None) -> _Matrix:
        weight, scale = self._tensors[f"{name}.weight"], self._scales.get(f"{name}.weight")
        matrix = Int8Matrix.of(weight) if scale is None else Int8Matrix(weight, scale.float())
        if wanted is not None:
            matrix = matrix.rows(wanted)
        rows, bias = len(matrix.scale), self._tensors.get(f"{name}.bias")
        values = in_blocks(matrix.values)
        return _Matrix(
            self._keep(values),
            self._keep(_padded(matrix.scale)),
            None if bias is None else self._keep(_padded(bias.float())),
            self._keep(_padded(128 * matrix.values.sum(dim=1, dtype=torch.int32))),
            rows,
            4 * values.shape[1],
        )

    def _room(self) -> _Scratch:
        width, block = self.config.n_embd, self.config.block_size
        return _Scratch(
            self._keep(torch.zeros(ROWS, 4 * width, dtype=torch.uint8)),
            self._keep(torch.empty(ROWS)),
            self._keep(torch.empty(ROWS, 4 * width)),
            self._keep(torch.empty(ROWS, width)),
            self._keep(torch.empty(int(self._code.bark_max_threads()), block)),
        )

    def _keep(self, tensor: Tensor) -> int:
        tensor = tensor.contiguous()
        self._kept.append(tensor)
        return tensor.data_ptr()


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
