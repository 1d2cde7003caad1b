"""What the graphs are put together from: OpenVINO's operations, and the few that Bark needs several times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset15 as ops

Node = Any  # openvino's own types say little
EPSILON = 1e-5  # of torch's layer norm


def integers(values: int | Sequence[int]) -> Node:
    """A constant int64 scalar or row."""
    return ops.constant(np.array(values, np.int64))


def number(value: float) -> Node:
    """A constant float32 scalar."""
    return ops.constant(np.array(value, np.float32))


def parameter(name: str, shape: Sequence[int], kind: Any = np.int64) -> Node:
    """An input; -1 is a length that is not known before."""
    node = ops.parameter(list(shape), kind, name=name)
    node.output(0).get_tensor().set_names({name})
    return node


def result(name: str, node: Node) -> Node:
    """An output."""
    named = ops.result(node)
    named.set_friendly_name(name)
    named.output(0).get_tensor().set_names({name})
    return named


def length(x: Node, axis: int) -> Node:
    """A length of x, an int64 scalar."""
    return ops.gather(ops.shape_of(x), integers(axis), integers(0))


def row(*lengths: Node | int) -> Node:
    """Scalars -> int64 (n,), such as a shape."""
    parts = [integers([one]) if isinstance(one, int) else ops.unsqueeze(one, integers(0)) for one in lengths]
    return ops.concat(parts, 0)


def normalized(x: Node, weight: Node, bias: Node | None) -> Node:
    """Layer norm over the last axis."""
    y = ops.multiply(ops.mvn(x, integers([-1]), True, EPSILON, "INSIDE_SQRT"), weight)
    return y if bias is None else ops.add(y, bias)


def heads(x: Node, n_head: int, head_size: int) -> Node:
    """(B, T, D) -> (B, heads, T, head size)."""
    split = ops.reshape(x, integers([0, 0, n_head, head_size]), True)
    return ops.transpose(split, integers([0, 2, 1, 3]))


def joined(x: Node, width: int) -> Node:
    """(B, heads, T, head size) -> (B, T, D)."""
    return ops.reshape(ops.transpose(x, integers([0, 2, 1, 3])), integers([0, 0, width]), True)


def variable(name: str, shape: Sequence[int]) -> Any:
    """A float32 state that lives as long as an infer request."""
    info = ov.op.util.VariableInfo()
    info.data_shape, info.data_type, info.variable_id = ov.PartialShape(list(shape)), ov.Type.f32, name
    return ov.op.util.Variable(info)
