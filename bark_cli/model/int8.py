"""Int8 matrices: floats (R, C) -> int8 (R, C) and a scale per row (R,), without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK = 2**15 - 1  # elements that are worked on at a time, and that the caches hold


@dataclass(frozen=True, eq=False)
class Int8Matrix:
    """The matrix (R, C) that int8 values (R, C) and float32 scales per row (R,) stand for."""

    values: NDArray[np.int8]
    scale: NDArray[np.float32]

    @classmethod
    def of(cls, weight: NDArray[Any]) -> Int8Matrix:
        """The nearest to floats (R, C): every row rounded to 255 symmetric levels.

        The largest value of a row becomes +-127, so no element is off by more than half its row's scale.
        """
        quantized, scale = np.empty(weight.shape, np.int8), np.empty(len(weight), np.float32)
        at_once = max(1, _BLOCK // weight.shape[1])
        for start in range(0, len(weight), at_once):
            rows = slice(start, start + at_once)
            block = weight[rows].astype(np.float32)
            step = np.abs(block).max(axis=1, keepdims=True) / np.float32(127)
            step[step == 0] = 1  # a row of zeros has no scale; 1 keeps the division defined and the row zero
            with np.errstate(invalid="ignore"):  # a row with NaN shows in its scale
                quantized[rows] = np.rint(block / step).clip(-127, 127)
            scale[rows] = step[:, 0]
        return cls(quantized, scale)

    def floats(self) -> NDArray[np.float32]:
        """As float32 (R, C)."""
        return self.values * self.scale[:, None]

    def rows(self, wanted: range) -> Int8Matrix:
        """Some of its rows, not copied."""
        return Int8Matrix(self.values[wanted.start : wanted.stop], self.scale[wanted.start : wanted.stop])
