"""Fewer bits: float (R, C) <-> int8 (R, C) and a scale per row (R,), and linear layers in 16 bits."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bark_cli.model.int8 import Int8Matrix

Network = TypeVar("Network", bound=nn.Module)


def quantize_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """`Int8Matrix.of` for tensors: floats (R, C) -> int8 (R, C) and float32 scales (R,)."""
    matrix = Int8Matrix.of(weight.detach().float().numpy())
    return torch.from_numpy(matrix.values), torch.from_numpy(matrix.scale)


def dequantize_rows(quantized: Tensor, scale: Tensor) -> Tensor:
    """The float32 (R, C) that int8 (R, C) and scales (R,) stand for."""
    floats = torch.empty(quantized.shape, device=quantized.device)
    return floats.copy_(quantized).mul_(scale[:, None])


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
