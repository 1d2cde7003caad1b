"""How loud sound is, and the gain that makes it as loud as other speech: samples (N,) -> LUFS -> a factor.

After ITU-R BS.1770-4: K-weighting, the mean power of 400 ms every 100 ms, gates at -70 LUFS and at 10 LU
below the mean. The weighting is that of the analogue prototype of the published 48 kHz filters, with the
constants of libebur128 (ebur128.c, ebur128_init_filter).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bark_cli.audio.sound import Audio, clipped

TARGET_LUFS = -16.0  # of podcasts and audiobooks
PEAK_DBFS = -1.0  # what no sample may exceed: lossy formats overshoot a little
STEP_S = 0.1
STEPS_PER_BLOCK = 4
RESPONSE_S = 0.1  # by then the weighting has forgotten: what follows is 1e-10 of what was


class LoudnessMeter:
    """Measures sound that comes in pieces; it keeps ten numbers a second, and RESPONSE_S of samples."""

    def __init__(self, sample_rate: int) -> None:
        self._rate, self._response = sample_rate, _response(sample_rate)
        self._past: NDArray[np.float64] = np.zeros(len(self._response) - 1)  # what the filter still hears
        self._rest: NDArray[np.float64] = np.zeros(0)  # weighted samples that fill no step yet
        self._powers: list[float] = []
        self.peak = 0.0

    def put(self, audio: Audio) -> None:
        """Hear the next piece.

        Raises:
            AudioError: a sample is not a number.
        """
        samples = clipped(audio)
        for start in range(0, len(samples), 10 * self._rate):  # so much memory a filter by FFT needs at once
            self._hear(samples[start : start + 10 * self._rate].astype(np.float64))

    def _hear(self, samples: NDArray[np.float64]) -> None:
        self.peak = max(self.peak, float(np.abs(samples).max(initial=0.0)))
        heard = np.concatenate([self._past, samples])
        size = 1 << (len(heard) + len(self._response)).bit_length()
        weighted = np.fft.irfft(np.fft.rfft(heard, size) * np.fft.rfft(self._response, size), size)
        self._past = heard[len(samples) :]
        keep = len(self._response) - 1
        self._rest = np.concatenate([self._rest, weighted[keep : keep + len(samples)]])
        step = round(STEP_S * self._rate)
        whole = len(self._rest) // step * step
        self._powers += np.mean(self._rest[:whole].reshape(-1, step) ** 2, axis=1).tolist()
        self._rest = self._rest[whole:]

    def lufs(self) -> float:
        """Integrated loudness so far; minus infinity where there is nothing but silence.

        What is shorter than a block of 400 ms is measured as if it were one.
        """
        steps = np.array(self._powers)
        if len(steps) < STEPS_PER_BLOCK:
            rest = float(np.sum(self._rest**2)) / round(STEP_S * self._rate)
            total, length = steps.sum() + rest, len(steps) + len(self._rest) / round(STEP_S * self._rate)
            return _lufs(total / length) if length else -math.inf
        blocks = np.convolve(steps, np.ones(STEPS_PER_BLOCK), "valid") / STEPS_PER_BLOCK
        loud = blocks[blocks > _power(-70.0)]
        if not len(loud):
            return -math.inf
        return _lufs(float(loud[loud > loud.mean() / 10].mean()))


def loudness_gain(lufs: float, peak: float) -> float:
    """The factor that brings sound of `lufs` to TARGET_LUFS, or as near as its `peak` (0..1) allows."""
    if math.isinf(lufs) or peak <= 0:
        return 1.0
    return min(10 ** ((TARGET_LUFS - lufs) / 20), peak_gain(peak))


def peak_gain(peak: float) -> float:
    """The factor that brings a `peak` (0..1) to PEAK_DBFS; 1 for silence."""
    return 10 ** (PEAK_DBFS / 20) / peak if peak > 0 else 1.0


def scaled(audio: Audio, gain: float) -> Audio:
    """The sound times `gain`."""
    return Audio(clipped(audio) * np.float32(gain), audio.sample_rate)


def _lufs(power: float) -> float:
    return -0.691 + 10 * math.log10(power) if power > 0 else -math.inf


def _power(lufs: float) -> float:
    return float(10 ** ((lufs + 0.691) / 10))


@lru_cache(maxsize=4)
def _response(sample_rate: int) -> NDArray[np.float64]:
    """What the K-weighting makes of a single 1: a shelf for the head, then a high pass."""
    signal = np.zeros(round(RESPONSE_S * sample_rate))
    signal[0] = 1.0
    for numerator, denominator in (_shelf(sample_rate), _high_pass(sample_rate)):
        signal = _filtered(signal, numerator, denominator)
    return signal


Biquad = tuple[tuple[float, float, float], tuple[float, float]]  # b0 b1 b2, and a1 a2 where a0 is 1


def _shelf(sample_rate: int) -> Biquad:
    frequency, gain_db, q = 1681.974450955533, 3.999843853973347, 0.7071752369554196
    k = math.tan(math.pi * frequency / sample_rate)
    high = 10 ** (gain_db / 20)
    band = high**0.4996667741545416
    a0 = 1 + k / q + k * k
    numerator = (
        (high + band * k / q + k * k) / a0,
        2 * (k * k - high) / a0,
        (high - band * k / q + k * k) / a0,
    )
    return numerator, (2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0)


def _high_pass(sample_rate: int) -> Biquad:
    frequency, q = 38.13547087602444, 0.5003270373238773
    k = math.tan(math.pi * frequency / sample_rate)
    a0 = 1 + k / q + k * k
    return (1.0, -2.0, 1.0), (2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0)


def _filtered(signal: NDArray[np.float64], b: tuple[float, ...], a: tuple[float, ...]) -> NDArray[np.float64]:
    """A biquad, sample by sample: for the few thousand of the response."""
    result, x1, x2, y1, y2 = [], 0.0, 0.0, 0.0, 0.0
    for x in signal.tolist():
        y = b[0] * x + b[1] * x1 + b[2] * x2 - a[0] * y1 - a[1] * y2
        result.append(y)
        x1, x2, y1, y2 = x, x1, y, y1
    return np.array(result)
