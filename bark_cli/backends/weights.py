"""The tensors of a stage as they are stored -> as the kernel computes with them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bark_cli.backends.buffers import Array
from bark_cli.backends.generate import StoredTable
from bark_cli.backends.packed import PackedLayer, PackedMatrix, Stack
from bark_cli.model.config import GPTConfig
from bark_cli.model.int8 import Int8Matrix


class Weights:
    """The tensors of one stage as they are stored (`Checkpoint.arrays`), as they are computed with."""

    def __init__(self, tensors: Mapping[str, Array], scales: Mapping[str, Array]) -> None:
        self._tensors, self._scales = tensors, scales

    def matrix(self, name: str) -> Int8Matrix:
        """In int8: as it is stored, or rounded."""
        weight, scale = self._tensors[f"{name}.weight"], self._scales.get(f"{name}.weight")
        return Int8Matrix.of(weight) if scale is None else Int8Matrix(weight, scale)

    def packed(self, name: str) -> PackedMatrix:
        """A linear layer."""
        return PackedMatrix(self.matrix(name), self._tensors.get(f"{name}.bias"))

    def norm(self, name: str) -> tuple[Array, Array | None]:
        """Weight and bias of a layer norm."""
        bias = self._tensors.get(f"{name}.bias")
        return _float32(self._tensors[f"{name}.weight"]), None if bias is None else _float32(bias)

    def table(self, name: str) -> StoredTable:
        """An embedding."""
        rows, scale = self._tensors[f"{name}.weight"], self._scales.get(f"{name}.weight")
        return StoredTable(_float32(rows) if scale is None else rows, scale)

    def stack(self, config: GPTConfig) -> Stack:
        """The blocks and the last norm."""
        layers = [
            PackedLayer(
                attention=self.packed(f"h.{i}.attn.c_attn"),
                projection=self.packed(f"h.{i}.attn.c_proj"),
                expansion=self.packed(f"h.{i}.mlp.c_fc"),
                contraction=self.packed(f"h.{i}.mlp.c_proj"),
                norm_1=self.norm(f"h.{i}.ln_1"),
                norm_2=self.norm(f"h.{i}.ln_2"),
            )
            for i in range(config.n_layer)
        ]
        return Stack(config, layers, self.norm("ln_f"))


def _float32(array: Array) -> Array:
    """Itself if it is of that type."""
    return array.astype(np.float32, copy=False)
