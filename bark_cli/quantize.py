"""Int8 storage of matrices: float (R, C) <-> int8 (R, C) and one float32 scale per row (R,)."""

from __future__ import annotations

import torch
from torch import Tensor


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
