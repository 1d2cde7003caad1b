"""Fewer bits: float (R, C) <-> int8 (R, C) and a scale per row (R,), and linear layers in 16 bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Network = TypeVar("Network", bound=nn.Module)

_BLOCK = 2**15 - 1  # elements that torch works on in one thread, without waiting, and that the caches hold
_WHOLE = 1.5 * 2**23  # has no bits for fractions: adding it rounds half to even, as round() does with threads


def quantize_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Round every row of (R, C) to 255 symmetric levels; returns int8 (R, C) and float32 scales (R,).

    The largest value of a row becomes +-127, so no element is off by more than half its row's scale.
    """
    quantized, scale = torch.empty(weight.shape, dtype=torch.int8), torch.empty(len(weight))
    at_once = max(1, _BLOCK // weight.shape[1])
    for start in range(0, len(weight), at_once):
        rows = slice(start, start + at_once)
        block = weight[rows].to(torch.float32)
        step = block.abs().amax(dim=1, keepdim=True) / 127
        step[step == 0] = 1  # a row of zeros has no scale; 1 keeps the division defined and the row zero
        quantized[rows] = (block / step).add_(_WHOLE).sub_(_WHOLE).clamp_(-127, 127)
        scale[rows] = step[:, 0]
    return quantized, scale


def dequantize_rows(quantized: Tensor, scale: Tensor) -> Tensor:
    """The float32 (R, C) that int8 (R, C) and scales (R,) stand for."""
    floats = torch.empty(quantized.shape, device=quantized.device)
    return floats.copy_(quantized).mul_(scale[:, None])


@dataclass(frozen=True, eq=False)
class Int8Matrix:
    """The matrix (R, C) that int8 values (R, C) and float32 scales per row (R,) stand for."""

    values: Tensor
    scale: Tensor

    @classmethod
    def of(cls, weight: Tensor) -> Int8Matrix:
        """The nearest to a float (R, C)."""
        return cls(*quantize_rows(weight))

    def floats(self) -> Tensor:
        """As float32 (R, C)."""
        return dequantize_rows(self.values, self.scale)

    def rows(self, wanted: range) -> Int8Matrix:
        """Some of its rows, not copied."""
        return Int8Matrix(self.values[wanted.start : wanted.stop], self.scale[wanted.start : wanted.stop])


class HalfLinear(nn.Module):
    """A linear layer in 16 bits, whatever comes in: (..., C) -> (..., R)."""

    def __init__(self, layer: nn.Linear, dtype: torch.dtype) -> None:
        super().__init__()
        self.weight = nn.Parameter(layer.weight.to(dtype), requires_grad=False)
        self.bias = None if layer.bias is None else nn.Parameter(layer.bias.to(dtype), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., R) in the layer's type."""
        return F.linear(x.to(self.weight.dtype), self.weight, self.bias)


def halve_linears(network: Network, dtype: torch.dtype) -> Network:
    """Put the linear layers of a network in bf16 or fp16, in place; norms, tables and sums stay float32."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Linear):
                setattr(module, name, HalfLinear(child, dtype))
    return network
