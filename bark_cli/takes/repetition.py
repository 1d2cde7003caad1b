"""What is said twice in one take: semantic tokens (T,) or samples (N,) -> how much of it comes again.

The best local alignment of a take with itself, off the diagonal (Smith and Waterman, 1981).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bark_cli.model.tokens import Tokens

_LAG = 3  # runs of a token between the two, at least
_HOP_S = 0.02
_LAG_S = 0.3
_MOST_FRAMES = 1_500  # half a minute
_BANDS, _LOW_HZ, _HIGH_HZ = 23, 100.0, 7_500.0
_COEFFICIENTS = 13
_ALIKE = 0.5  # the cosine of two frames that sound alike
_QUIET = 4.0  # decades of power below the loudest: silence is like silence, and tells nothing


def repeated_tokens(semantic: Tokens) -> float:
    """How many runs of one token come again in the same order, less those that differ on the way."""
    runs = semantic[np.flatnonzero(np.diff(semantic, prepend=-1))]
    return _best(np.where(runs[:, None] == runs[None], 1.0, -1.0), _LAG, 1.0)


def repeated_sound(samples: NDArray[np.float32], rate: int) -> float:
    """The same for sound: frames of 20 ms that sound alike, each counted by how much, half at most."""
    frames, is_quiet = _cepstra(samples, rate)
    alike = np.clip(frames @ frames.T - _ALIKE, -0.5, 1.0)
    alike[is_quiet] = alike[:, is_quiet] = -0.2
    return _best(alike, round(_LAG_S / _HOP_S), 0.5)


def _best(alike: NDArray[np.float64], lag: int, gap: float) -> float:
    """The score of the best alignment of the rows with columns at least `lag` further on."""
    n = len(alike)
    row, steps, best = np.zeros(n), np.arange(n) * gap, 0.0
    for i in range(n - lag):
        diagonal = np.concatenate([[0.0], row[:-1]]) + alike[i]
        row = np.maximum(np.maximum(diagonal, row - gap), 0.0)
        row[: i + lag] = 0.0
        row = np.maximum(row, np.maximum.accumulate(row + steps) - steps)  # gaps along the row
        best = max(best, float(row.max()))
    return best


def _cepstra(samples: NDArray[np.float32], rate: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Mel cepstra (F, 13) without loudness, each of length 1, and which of the frames are quiet."""
    hop = max(1, round(_HOP_S * rate))
    samples = samples[: _MOST_FRAMES * hop]
    padded = np.pad(samples, (0, max(0, 2 * hop - len(samples)))).astype(np.float64)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * hop)[::hop] * np.hanning(2 * hop)
    power = np.abs(np.fft.rfft(windows, axis=1)) ** 2
    log_mel = np.log10(power @ _mel_bands(2 * hop, rate) + 1e-6)
    loudness = power.sum(1)
    is_quiet = loudness < loudness.max() * 10**-_QUIET
    angles = np.pi * np.arange(1, _COEFFICIENTS + 1)[None] * (np.arange(_BANDS)[:, None] + 0.5) / _BANDS
    cepstra = log_mel @ np.cos(angles)
    heard = cepstra[~is_quiet]
    cepstra = (cepstra - heard.mean(0)) / (heard.std(0) + 1e-3)
    return cepstra / (np.linalg.norm(cepstra, axis=1, keepdims=True) + 1e-9), is_quiet


def _mel_bands(size: int, rate: int) -> NDArray[np.float64]:
    """Weights (bins, bands) of overlapping triangles, evenly spaced in mel."""
    edges = np.linspace(_mel(_LOW_HZ), _mel(min(_HIGH_HZ, rate / 2)), _BANDS + 2)
    away = np.abs(_mel(np.fft.rfftfreq(size, 1 / rate))[:, None] - edges[None, 1:-1])
    bands: NDArray[np.float64] = np.maximum(0.0, 1.0 - away / (edges[1] - edges[0]))
    return bands


def _mel(hertz: float | NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(2595.0 * np.log10(1.0 + np.asarray(hertz) / 700.0))
