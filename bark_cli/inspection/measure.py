"""Sound in blocks (N,) -> SoundFacts, what is measured of it, and Sketch, what is drawn of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from bark_cli.audio import Audio, LoudnessMeter
from bark_cli.audio.quiet import FRAME_S, frame_loudness, silent_part

MELS = 80
COLUMNS = 4_000  # of a sketch, at most: more than any picture has
_WINDOW_S = 0.043  # 1024 samples at 24 kHz
_FULL_SCALE = 0.999
Floats = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class SoundFacts:
    """What was measured. Where there is nothing but silence, loudness, peak and centroid are None."""

    seconds: float
    loudness_lufs: float | None
    peak_db: float | None  # 0 is full scale; lossy formats go beyond
    silence: float  # the part of it that is 40 dB and more below its loudest twentieth of a second
    clipped_samples: int  # at full scale
    centroid_hz: float | None  # where the power of its spectrum has its centre


@dataclass(frozen=True, kw_only=True, eq=False)
class Sketch:
    """A sound in at most COLUMNS columns of the same length."""

    column_s: float
    low: Floats  # (C,) the lowest and highest sample of each
    high: Floats
    mel_db: Floats  # (MELS, C) the power in bands as wide as the ear's, from 0 Hz to half the rate
    top_hz: float


class SoundMeter:
    """Measures sound that comes in blocks; it keeps 16 KB a second."""

    def __init__(self, sample_rate: int) -> None:
        self._rate, self._loudness = sample_rate, LoudnessMeter(sample_rate)
        self._window = 1 << round(math.log2(_WINDOW_S * sample_rate))
        self._hop = self._window // 4
        self._lead = (self._window - self._hop) // 2  # so that each window lies about its column
        self._waiting: Floats = np.zeros(self._lead, np.float32)  # samples that fill no window yet
        self._rest: Floats = np.zeros(0, np.float32)  # and no frame
        self._frames: list[Floats] = []  # the root mean square of each
        self._columns: list[tuple[Floats, Floats, Floats]] = []  # low, high, and bands in dB
        self._spectrum: Floats = np.zeros(self._window // 2 + 1)
        self._samples, self._clipped, self._peak = 0, 0, 0.0

    def put(self, audio: Audio) -> None:
        """Hear the next block.

        Raises:
            AudioError: a sample is not a number.
        """
        samples = audio.samples
        self._loudness.put(audio)
        self._samples += len(samples)
        loud = np.abs(samples)
        self._clipped += int(np.count_nonzero(loud >= _FULL_SCALE))
        self._peak = max(self._peak, float(loud.max(initial=0.0)))
        self._measure_frames(samples)
        self._draw(samples)

    def _measure_frames(self, samples: Floats) -> None:
        size, heard = max(1, round(FRAME_S * self._rate)), np.concatenate([self._rest, samples])
        self._frames.append(frame_loudness(heard, self._rate))
        self._rest = heard[len(heard) // size * size :]

    def _draw(self, samples: Floats) -> None:
        heard = np.concatenate([self._waiting, samples])
        count = max(0, (len(heard) - self._window) // self._hop + 1)
        if count:
            low, high, power = self._columns_of(heard, count)
            self._spectrum += power.sum(axis=0)
            bands = power @ _mel_bands(self._rate, self._window).T
            decibels = 10 * np.log10(np.maximum(bands, 1e-10))
            self._columns.append((low, high, decibels.astype(np.float16)))
        self._waiting = heard[count * self._hop :]

    def _columns_of(self, heard: Floats, count: int) -> tuple[Floats, Floats, Floats]:
        """The lowest and highest sample (C,) and the power (C, window // 2 + 1) of that many columns."""
        windows = sliding_window_view(heard, self._window)[:: self._hop][:count]
        power = np.abs(np.fft.rfft(windows * np.hanning(self._window))) ** 2
        own = heard[self._lead : self._lead + count * self._hop].reshape(count, self._hop)
        return own.min(axis=1), own.max(axis=1), power

    def facts(self) -> SoundFacts:
        """What was measured so far."""
        lufs, total = self._loudness.lufs(), float(self._spectrum.sum())
        hertz = np.linspace(0, self._rate / 2, len(self._spectrum))
        return SoundFacts(
            seconds=self._samples / self._rate,
            loudness_lufs=None if math.isinf(lufs) else lufs,
            peak_db=20 * math.log10(self._peak) if self._peak else None,
            silence=silent_part(np.concatenate([*self._frames, np.zeros(0)])),
            clipped_samples=self._clipped,
            centroid_hz=float(hertz @ self._spectrum) / total if total else None,
        )

    def sketch(self) -> Sketch:
        """All of it, drawn; no more is to be put after that."""
        self._draw(np.zeros(self._window, np.float32))  # for the last columns
        wanted = -(-self._samples // self._hop)
        low, high, mel = (np.concatenate(parts)[:wanted] for parts in zip(*self._columns, strict=True))
        together = -(-max(1, wanted) // COLUMNS)
        starts = np.arange(0, wanted, together)
        mean = np.add.reduceat(mel.astype(np.float32), starts) / np.diff([*starts, wanted])[:, None]
        return Sketch(
            column_s=together * self._hop / self._rate,
            low=np.minimum.reduceat(low, starts),
            high=np.maximum.reduceat(high, starts),
            mel_db=mean.T,
            top_hz=self._rate / 2,
        )


def _mel_bands(sample_rate: int, window: int) -> Floats:
    """Triangles (MELS, window // 2 + 1) that lie evenly on the mel scale, 2595 log10(1 + f / 700)."""
    top = 2595 * math.log10(1 + sample_rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, MELS + 2) / 2595) - 1)
    hertz = np.linspace(0, sample_rate / 2, window // 2 + 1)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    bands = np.minimum((hertz - low) / (middle - low), (high - hertz) / (high - middle))
    return np.maximum(0.0, bands)
