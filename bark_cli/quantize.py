"""Int8 storage of matrices: float (R, C) <-> int8 (R, C) and one float32 scale per row (R,)."""

from __future__ import annotations

import torch
from torch import Tensor


def quantize_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Round every row of (R, C) to 255 symmetric levels; returns int8 (R, C) and float32 scales (R,).

    The largest value of a row becomes +-127, so no element is off by more than half its row's scale.
    """
    weight = weight.to(torch.float32)
    scale = weight.abs().amax(dim=1) / 127
    # A row of zeros has no scale; 1 keeps the division defined and the row zero.
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    return (weight / scale[:, None]).round().clamp(-127, 127).to(torch.int8), scale


def dequantize_rows(quantized: Tensor, scale: Tensor) -> Tensor:
    """The float32 (R, C) that int8 (R, C) and scales (R,) stand for."""
    return quantized.to(torch.float32) * scale.to(torch.float32)[:, None]
