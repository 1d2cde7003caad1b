"""Int4 matrices: floats (R, C) -> values -7..7 (R, groups, size) and a scale for every group of a row."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

GROUP = 128  # columns that share a scale, as is usual


def quantize_groups(weight: NDArray[Any], size: int = GROUP) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Round every group of a row of (R, C) to 15 levels: int8 (R, groups, size), scales (R, groups, 1).

    A width that groups of that size do not divide is grouped by what divides both.
    """
    groups = weight.astype(np.float32).reshape(len(weight), -1, math.gcd(weight.shape[1], size))
    scale = np.abs(groups).max(axis=2, keepdims=True) / np.float32(7)
    scale[scale == 0] = 1
    return np.rint(groups / scale).clip(-7, 7).astype(np.int8), scale


def packed_nibbles(values: NDArray[np.int8]) -> NDArray[np.int8]:
    """Values -8..7, an even number of them -> bytes, two in each, the first in the low half."""
    low, high = (values.reshape(-1)[i::2] & 15 for i in (0, 1))
    packed: NDArray[np.int8] = low | high << 4
    return packed
