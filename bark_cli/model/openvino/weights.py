"""Tensors of a network -> constants of a graph, in 32, 16, 8 or 4 bits and read as float32.

A constant bears the name of its tensor, the scales of an int8 or int4 matrix that name and ".scale": so a
graph's file can be read back (checkpoint/openvino.py). Weights are compressed in the way that OpenVINO's
plug-ins look for, values -> Convert -> Multiply, as nncf's compress_weights leaves them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset15 as ops

from bark_cli.model.int4 import packed_nibbles, quantize_groups
from bark_cli.model.int8 import Int8Matrix
from bark_cli.model.openvino.ops import Node, integers

Array = NDArray[Any]
GraphStorage = Literal["fp32", "fp16", "int8", "int4"]
SCALE = ".scale"


class GraphWeights:
    """The tensors of one network as they are stored (`Checkpoint.arrays`), as constants of one graph."""

    def __init__(
        self, part: str, tensors: Mapping[str, Array], scales: Mapping[str, Array], storage: GraphStorage
    ) -> None:
        self._part, self._tensors, self._scales, self._storage = part, tensors, scales, storage
        self._made: dict[str, Node] = {}  # a table that is read twice is one constant

    def plain(self, name: str) -> Node:
        """A tensor in 32 or 16 bits, as float32."""
        return self._float32(self._parts(name, is_matrix=False)[0])

    def optional(self, name: str) -> Node | None:
        """The same of a tensor that need not be there."""
        return self.plain(name) if name in self._tensors else None

    def matrix(self, name: str) -> Node:
        """The matrix (R, C) of a linear layer."""
        if self._storage == "int4" and name.startswith("h."):
            return self._grouped(name)
        values, *scale = self._parts(name)
        floats = self._float32(values)
        return ops.multiply(floats, scale[0]) if scale else floats

    def table(self, name: str, ids: Node) -> Node:
        """Rows of an embedding (N, D): ids (...) -> (..., D). No other rows are brought to float32."""
        values, *scale = (ops.gather(part, ids, integers(0)) for part in self._parts(name))
        floats = self._float32(values)
        return ops.multiply(floats, scale[0]) if scale else floats

    def one_of(self, names: Sequence[str], index: Node) -> Node:
        """One of several matrices (R, C) of the same shape."""
        held = zip(*(self._parts(name) for name in names), strict=True)
        values, *scale = (_chosen(parts, index) for parts in held)
        floats = self._float32(values)
        return ops.multiply(floats, scale[0]) if scale else floats

    def _parts(self, name: str, *, is_matrix: bool = True) -> tuple[Node, ...]:
        """A tensor as its constants: floats, or int8 (R, C) and scales (R, 1), as stored or rounded."""
        tensor, scale = self._tensors[name], self._scales.get(name)
        if is_matrix and self._storage in ("int8", "int4"):
            held = Int8Matrix.of(tensor) if scale is None else Int8Matrix(tensor, scale)
            return self._constant(name, held.values), self._constant(name + SCALE, held.scale[:, None])
        kind = np.float16 if self._storage == "fp16" else np.float32
        return (self._constant(name, self._floats(name).astype(kind, copy=False)),)

    def _grouped(self, name: str) -> Node:
        values, scale = quantize_groups(self._floats(name))
        rows, groups, size = values.shape
        # memory of its own: a tensor over an array does not keep the array
        packed = ov.Tensor(ov.Type.i4, ov.Shape([rows, groups, size]))
        packed.data.reshape(-1)[:] = packed_nibbles(values)
        constant = ov.op.Constant(packed)
        constant.set_friendly_name(f"{self._part}.{name}")
        whole = ops.multiply(ops.convert(constant, "f32"), self._constant(name + SCALE, scale))
        return ops.reshape(whole, integers([rows, groups * size]), False)

    def _floats(self, name: str) -> Array:
        tensor, scale = self._tensors[name], self._scales.get(name)
        return tensor if scale is None else Int8Matrix(tensor, scale).floats()

    def _float32(self, node: Node) -> Node:
        return node if node.get_element_type() == ov.Type.f32 else ops.convert(node, "f32")

    def _constant(self, name: str, values: Array) -> Node:
        if name not in self._made:
            self._made[name] = ov.op.Constant(np.ascontiguousarray(values), shared_memory=True)
            self._made[name].set_friendly_name(f"{self._part}.{name}")
        return self._made[name]


def _chosen(parts: Sequence[Node], index: Node) -> Node:
    """One of several constants of the same shape."""
    stacked = ops.concat([ops.unsqueeze(part, integers(0)) for part in parts], 0)
    return ops.gather(stacked, index, integers(0))
