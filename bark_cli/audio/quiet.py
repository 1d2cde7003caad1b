"""How much of a sound is silence: loudness of its frames (F,) -> the part that nobody hears."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FRAME_S = 0.05
_QUIET_DB = -40.0  # below the loudest frame
_FLOOR = 1e-4  # an amplitude nobody hears


def frame_loudness(samples: NDArray[Any], sample_rate: int) -> NDArray[np.float64]:
    """The root mean square of each whole frame of FRAME_S: samples (N,) -> (F,)."""
    size = max(1, round(FRAME_S * sample_rate))
    frames = samples[: len(samples) // size * size].reshape(-1, size).astype(np.float64)
    return np.asarray(np.sqrt(np.mean(np.square(frames), axis=1)))


def silent_part(loudness: NDArray[Any]) -> float:
    """The part of frames (F,) that are quiet beside the loudest, 0 .. 1; 1 of nothing at all."""
    if not len(loudness):
        return 1.0
    return float(np.mean(loudness <= max(_FLOOR, loudness.max() * 10 ** (_QUIET_DB / 20))))
