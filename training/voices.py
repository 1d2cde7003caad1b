"""nano's voices: the teacher's frames -> those of another voice that says the same, f0 and formants moved."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from training.excitation import VOICED_HZ
from training.teacher import BINS, MEDIAN_F0, Array, Frames, both


@dataclass(frozen=True)
class Voice:
    """How a voice differs from the teacher's: factors of f0, formants and pitch span, and what is added.

    `breath` is the log level of noise against the harmonics, `gain` the factor of the waveform. The pulses of
    all voices have the same phases: one decoder knows them.
    """

    name: str
    f0: float = 1.0
    formant: float = 1.0
    span: float = 1.0
    breath: float = -math.inf
    gain: float = 4.0


VOICES = (
    Voice("nano/anna", gain=2.6),
    Voice("nano/ben", f0=0.58, formant=0.94, span=1.25, gain=2.5),
    Voice("nano/carl", f0=0.49, formant=0.83, span=1.0, gain=2.4),
    Voice("nano/dora", f0=0.82, formant=0.945, span=1.2, breath=-4.15, gain=2.6),
    Voice("nano/emil", f0=0.71, formant=0.85, span=1.3, gain=2.6),
    Voice("nano/finn", f0=1.28, formant=1.1, span=1.15, gain=2.8),
)


def in_voice(frames: Frames, voice: Voice) -> Frames:
    """The frames as a voice would say them, as loud as it: same times, f0 and formants moved."""
    moved = MEDIAN_F0 * voice.f0 * np.exp(voice.span * np.log(np.maximum(frames.f0, VOICED_HZ) / MEDIAN_F0))
    f0 = np.where(frames.f0 > VOICED_HZ, np.maximum(moved, 45.0), 0.0).astype(np.float32)
    source = np.minimum(np.arange(BINS, dtype=np.float32) / np.float32(voice.formant), BINS - 1)
    gain = np.log(np.float32(voice.gain))
    harmonics = _between(frames, source) + gain
    noise = frames.noise[np.rint(source).astype(np.int64)] + gain
    return replace(
        frames, harmonics=harmonics, noise=both(noise, harmonics + np.float32(voice.breath)), f0=f0
    )


def _between(frames: Frames, source: Array) -> Array:
    """The harmonics' magnitudes (601, F) between the teacher's own, at the bins `source` (601,).

    The network was only ever heard at multiples of its own f0: what it says between them means nothing, and
    another f0 would sound it.
    """
    bins = np.where(frames.f0 > 60.0, frames.f0 / 20.0, 1.0).astype(np.float32)[None, :]
    harmonic = source[:, None] / bins
    below = np.floor(harmonic)
    part = harmonic - below
    low = np.clip(np.rint(np.maximum(below, 1.0) * bins), 0, BINS - 1).astype(np.int32)
    high = np.clip(np.rint((below + 1.0) * bins), 0, BINS - 1).astype(np.int32)
    found = np.take_along_axis(frames.harmonics, low, 0)
    found += part * (np.take_along_axis(frames.harmonics, high, 0) - found)
    return found
