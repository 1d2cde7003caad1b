"""Four bits a weight: float (R, C) -> ggml's Q4_K blocks, uint8 (R, C / 256 * 144).

The format is ggml's (ggml-common.h, block_q4_K): 256 weights share two float16 numbers, and each 32 of them a
scale and a minimum of six bits; a weight is scale * code - minimum. The package `gguf` undoes it and cannot
make it. How scales are found here: by least squares, from several first guesses, the best of which counts.
"""

from __future__ import annotations

import torch
from torch import Tensor

_GROUPS, _GROUP = 8, 32
_TOP_CODE, _TOP_SIX = 15, 63
_GUESSES = (15.0, 15.5, 16.0, 16.5, 17.0)  # codes that the range of a group is cut into
_WHOLE = 1.5 * 2**23  # has no bits for fractions: adding it rounds, where round() waits for other threads
_BLOCKS_AT_ONCE = 127  # of so few numbers torch makes no threads that wait, and the caches hold them


def quantize_q4_k(weight: Tensor) -> Tensor:
    """The blocks (R, C / 256 * 144) nearest to a matrix (R, C); C is a multiple of 256."""
    blocks = weight.reshape(-1, _GROUPS, _GROUP)
    starts = range(0, len(blocks), _BLOCKS_AT_ONCE)
    made = [_pack(blocks[i : i + _BLOCKS_AT_ONCE].to(torch.float32)) for i in starts]
    return torch.cat(made).view(len(weight), -1)


def _pack(x: Tensor) -> Tensor:
    """Blocks (N, 8, 32) -> their bytes (N, 144)."""
    scale, minimum = _fit(x)
    step, six_scale = _in_six_bits(scale)
    low, six_minimum = _in_six_bits(minimum)
    scale, minimum = step * six_scale, low * six_minimum
    codes = _codes(x, scale, minimum).to(torch.uint8)
    heads = torch.cat([step, low], dim=1).to(torch.float16).view(torch.uint8)
    pairs = codes.view(-1, _GROUPS // 2, 2, _GROUP)
    nibbles = pairs[:, :, 0] | pairs[:, :, 1] << 4
    return torch.cat([heads, _pack_sixes(six_scale, six_minimum), nibbles.flatten(1)], dim=1)


def _fit(x: Tensor) -> tuple[Tensor, Tensor]:
    """Scale and minimum, both from 0, of each group: (N, 8, 32) -> two of (N, 8)."""
    lowest, highest = x.amin(2).clamp(max=0), x.amax(2).clamp(min=0)
    best = torch.full_like(lowest, torch.inf)
    scale, minimum = torch.zeros_like(lowest), torch.zeros_like(lowest)
    for steps in _GUESSES:
        guess = _least_squares(x, _codes(x, (highest - lowest) / steps, -lowest))
        error = (x - guess[0][..., None] * _codes(x, *guess) + guess[1][..., None]).square_().sum(2)
        better = error < best
        best = torch.where(better, error, best)
        scale, minimum = torch.where(better, guess[0], scale), torch.where(better, guess[1], minimum)
    return scale, minimum


def _codes(x: Tensor, scale: Tensor, minimum: Tensor) -> Tensor:
    """The nearest codes (N, 8, 32), 0 to 15."""
    divisor = torch.where(scale > 0, scale, torch.inf)[..., None]
    return ((x + minimum[..., None]) / divisor).add_(_WHOLE).sub_(_WHOLE).clamp_(0, _TOP_CODE)


def _least_squares(x: Tensor, codes: Tensor) -> tuple[Tensor, Tensor]:
    """Scale and minimum that bring scale * codes - minimum nearest to x; the minimum is not below 0."""
    sum_q, sum_x = codes.sum(2), x.sum(2)
    sum_qq, sum_qx = codes.square().sum(2), (codes * x).sum(2)
    spread = _GROUP * sum_qq - sum_q.square()
    scale = torch.where(spread > 0, (_GROUP * sum_qx - sum_q * sum_x) / spread.clamp(min=1), 0.0)
    minimum = (scale * sum_q - sum_x) / _GROUP
    through_zero = torch.where(sum_qq > 0, sum_qx / sum_qq.clamp(min=1), 0.0)
    scale = torch.where(minimum < 0, through_zero, scale)
    return scale.clamp(min=0), minimum.clamp(min=0)


def _in_six_bits(values: Tensor) -> tuple[Tensor, Tensor]:
    """(N, 8) from 0 -> a step (N, 1) that float16 holds, and multiples of it (N, 8), 0 to 63."""
    step = (values.amax(1, keepdim=True) / _TOP_SIX).to(torch.float16).to(torch.float32)
    codes = (values / torch.where(step > 0, step, torch.inf)).add_(_WHOLE).sub_(_WHOLE).clamp_(0, _TOP_SIX)
    return step, codes


def _pack_sixes(scale: Tensor, minimum: Tensor) -> Tensor:
    """Two times eight numbers of six bits, (N, 8) each -> (N, 12) bytes.

    The first four of each fill the low bits of eight bytes; of the others the low four bits go into the last
    four bytes, and the high two into what was left of those eight.
    """
    s, m = scale.to(torch.uint8), minimum.to(torch.uint8)
    first = [one[:, :4] | (one[:, 4:] >> 4) << 6 for one in (s, m)]
    return torch.cat([*first, s[:, 4:] & 15 | (m[:, 4:] & 15) << 4], dim=1)
