"""Sound in blocks (N,) -> how strongly it bears the comb that a codec leaves at multiples of its frame rate.

A decoder's transposed convolutions repeat themselves every frame, and so a faint pattern is in all that they
make: lines at multiples of the frame rate, of one phase from the first frame to the last (arXiv 2506.19108
finds decoders of music by such lines). Here each line's phase is taken once a frame, and its unit vectors are
added up: those of a line that is in step add to far more than those of speech do. The same sums a little off
the lines say what is usual in this very sound, and so a z score needs no other recordings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from bark_cli.audio import Audio

THRESHOLD = 6.0  # of z; docs/detect.md has the measured rates
LEAST_S = 1.0  # of sound
_LOW_HZ, _HIGH_HZ = 2_000.0, 11_900.0  # below it hum is, above it a codec of 24 kHz has nothing
_BLOCK_S = 8.0  # in which a line has to stay in step
_QUIETEST = 1e-3  # of the power of loud frames; those with less are passed over
_MOST = 12.0  # that one line counts: a comb has many
_LEAST_OWN = 3.0  # z of the lines that no other rate has
_REST = 0.5  # the weight of the others
Complex = NDArray[np.complexfloating[Any, Any]]
Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class MarkedCodec:
    """Whose mark it is."""

    name: str
    rate_hz: float  # of its frames
    is_experimental: bool = False  # never tried on sound that was made with it


CODECS = (MarkedCodec("nano's codec", 50.0), MarkedCodec("EnCodec", 75.0, is_experimental=True))
_RIVALS = (80.0,)  # frame rates of other programs that share lines with these
_RATES = (*(codec.rate_hz for codec in CODECS), *_RIVALS)


@dataclass(frozen=True, kw_only=True)
class Mark:
    """How strong a codec's mark is in a sound."""

    codec: MarkedCodec
    z: float  # standard deviations above what is usual in this sound
    own_z: float  # the same of the lines that no other known frame rate has
    rival_z: float  # the strongest of other frame rates, of lines of their own

    @property
    def is_found(self) -> bool:
        """Whether the sound bears it, and not that of another frame rate."""
        return self.z >= THRESHOLD and self.own_z >= _LEAST_OWN and self.rival_z < THRESHOLD


class MarkMeter:
    """Measures sound that comes in blocks, in memory that does not grow."""

    def __init__(self, sample_rate: int) -> None:
        self.seconds = 0.0
        self._combs = {rate: _Comb(sample_rate, rate) for rate in _RATES}

    def put(self, audio: Audio) -> None:
        """Hear the next block."""
        self.seconds += audio.duration_s
        for comb in self._combs.values():
            comb.put(audio.samples)

    def marks(self) -> list[Mark] | None:
        """Of each codec; None where too little was heard. No more is to be put after that."""
        if self.seconds < LEAST_S:
            return None
        scores = {rate: comb.scores() for rate, comb in self._combs.items()}
        found = []
        for codec in CODECS:
            own, rest = scores[codec.rate_hz]
            rival = max(other for rate, (other, _) in scores.items() if rate != codec.rate_hz)
            z = (own + _REST * rest) / (1 + _REST**2) ** 0.5
            found.append(Mark(codec=codec, z=z, own_z=own, rival_z=rival))
        return found


class _Comb:
    """The lines of one frame rate: samples (N,) -> two z scores, of its own lines and of those it shares."""

    def __init__(self, sample_rate: int, rate_hz: float) -> None:
        self._period = sample_rate / rate_hz  # samples, and not always a whole number
        self._size = round(2 * self._period)
        top = min(_HIGH_HZ, 0.45 * sample_rate)
        self._lines = rate_hz * np.arange(np.ceil(_LOW_HZ / rate_hz), top // rate_hz + 1)
        others = [rate for rate in _RATES if rate != rate_hz]
        self._is_own = np.all([self._lines % other != 0 for other in others], axis=0)
        turns = np.outer(np.arange(self._size), self._lines / sample_rate)
        window = np.hanning(self._size + 1)[:-1, None]
        self._wave: Complex = (window * np.exp(-2j * np.pi * turns)).astype(np.complex64)
        self._turns = self._lines / sample_rate  # a sample
        self._rest: Floats = np.zeros(0, np.float32)  # samples that fill no frame yet
        self._start, self._n_frames = 0, 0  # of the rest, in samples; frames so far
        self._block = round(_BLOCK_S * rate_hz)  # frames
        self._frames: list[Complex] = []  # (F, lines), of fewer than two blocks
        self._loud = 0.0  # the power of the loudest frames so far
        self._sums: list[Floats] = []  # of all blocks so far: own lines, and shared

    def put(self, samples: Floats) -> None:
        self._rest = np.concatenate([self._rest, samples])
        end = self._start + len(self._rest)
        count = max(0, int((end - self._size) / self._period) + 1 - self._n_frames)
        exact = (self._n_frames + np.arange(count)) * self._period
        whole = np.rint(exact).astype(np.int64)
        inside = whole + self._size <= end
        exact, whole = exact[inside], whole[inside]
        if not len(whole):
            return
        frames = sliding_window_view(self._rest, self._size)[whole - self._start]
        # as if each had begun between two samples where it has to
        lines = (frames @ self._wave) * np.exp(-2j * np.pi * np.outer(whole - exact, self._turns))
        self._frames.append(lines.astype(np.complex64))
        self._n_frames += len(whole)
        following = round(self._n_frames * self._period)
        self._rest, self._start = self._rest[following - self._start :], following
        self._fold()

    def _fold(self) -> None:
        """Add up the first block, once there are two."""
        if sum(map(len, self._frames)) < 2 * self._block:
            return
        frames = np.concatenate(self._frames)
        while len(frames) >= 2 * self._block:
            self._add(frames[: self._block])
            frames = frames[self._block :]
        self._frames = [frames]

    def _add(self, frames: Complex) -> None:
        """The power of each line (F,) by how far it turns a frame, of which 0 is in step."""
        amplitudes = np.abs(frames)
        power = np.mean(amplitudes**2, axis=1)
        self._loud = max(self._loud, float(np.percentile(power, 95)))
        # what another codec fills silence with is in step with that codec's frames; Opus has 50 a second
        heard = power >= _QUIETEST * self._loud
        vectors = frames / np.maximum(amplitudes, 1e-12) * heard[:, None]
        powers = np.minimum(np.abs(np.fft.fft(vectors, axis=0)) ** 2 / len(vectors), _MOST)
        kinds = (self._is_own, ~self._is_own)
        sums = [powers[:, kind].sum(axis=1) for kind in kinds]
        self._sums = sums if not self._sums else [a + b for a, b in zip(self._sums, sums, strict=True)]

    def scores(self) -> tuple[float, float]:
        """How far the lines are in step, of its own and of those it shares."""
        frames = np.concatenate([*self._frames, np.zeros((0, len(self._lines)), np.complex64)])
        if not self._sums and len(frames) < 1.5 * self._block:
            self._add(frames)
        else:
            self._add(frames[: self._block])
            if len(frames) >= 1.5 * self._block:
                self._add(frames[-self._block :])
        return _z(self._sums[0]), _z(self._sums[1])


def _z(sums: Floats) -> float:
    """The first of them (F,) in standard deviations of the others; its neighbours are not counted."""
    others = sums[3:-2]
    spread = float(others.std()) if len(others) > 8 else 0.0
    return float(sums[0] - np.median(others)) / spread if spread > 1e-9 else 0.0
