"""Arrays that C reads and writes: shape -> memory that begins with a cache line, array -> address."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

LINE = 64  # bytes; a vector that lies in two of them takes two reads

Array = NDArray[Any]


def room(shape: int | tuple[int, ...], dtype: DTypeLike = np.float32) -> Array:
    """Memory that is not written yet, and takes none of the machine's until it is."""
    shape = (shape,) if isinstance(shape, int) else shape
    size = math.prod(shape) * np.dtype(dtype).itemsize
    whole = np.empty(size + LINE, np.uint8)
    first = -whole.ctypes.data % LINE
    return whole[first : first + size].view(dtype).reshape(shape)


def address(array: Array) -> int:
    """Where an array begins."""
    return int(array.ctypes.data)


class Buffers:
    """Arrays that C points at, kept alive."""

    def __init__(self) -> None:
        self._arrays: list[Array] = []

    def keep(self, array: Array | None) -> int | None:
        """Where it lies, its numbers one after the other; None has no place."""
        if array is None:
            return None
        self._arrays.append(np.ascontiguousarray(array))
        return address(self._arrays[-1])
