"""Frames of a voice -> float32 (480 T,) at 24 kHz, the codes of its excitation and its envelopes.

A small decoder learns a waveform best that follows from the codes, so the pulses of every sound lie on a grid
(training.excitation). What the teacher says is its own recording, said again with those pulses and the
voice's formants (training.psola): no filter of ours sounds as natural. What it cannot say, the sounds of
training.sounds, is drawn: pulses, and ticks thrown by dice, each filtered by an envelope at minimum phase.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from training.excitation import (
    FLOOR,
    FRAME,
    HALF,
    HOP,
    VOICED_HZ,
    Codes,
    Source,
    codes_of,
    pulses,
    source_of,
    thrown,
    ticks,
)
from training.psola import said_again
from training.spectra import mel_filters
from training.teacher import BINS, HERTZ, Array, Frames, Piece, Recording, both
from training.voices import Voice, in_voice

BANDS = 64
LOW_BANDS = 30  # to 2 kHz, where the harmonics end
WIDTH = 2 * (LOW_BANDS + BANDS)  # harmonics and noise, at two moments of a frame
# a frame's codes speak of its second half and of the half after, so that a decoder without foresight knows
# the envelope on both sides of what it makes
AHEAD = FRAME - HALF // 2
CROSSING = 1_500.0  # Hz
QUIET = np.float32(-5.5)  # log magnitude: below it lies the floor


@dataclass(frozen=True, eq=False)
class Rendered:
    """An utterance in a voice: float32 (480 T,), its excitation's codes (3, T), log envelopes (T, WIDTH)."""

    wave: Array
    excitation: Codes
    envelopes: npt.NDArray[np.float16]


def render(pieces: list[Piece], voice: Voice, random: np.random.Generator) -> Rendered:
    """The pieces in a voice, over a floor of faint noise, never above 0.97."""
    dice = thrown(sum(len(piece.tokens) for piece in pieces), random)
    parts, at = [], 0
    for piece in pieces:
        parts.append(_rendered(piece, voice, dice[at : at + len(piece.tokens)]))
        at += len(piece.tokens)
    wave = np.concatenate([part.wave for part in parts]) + np.float32(FLOOR) * ticks(dice)
    loud = np.float32(min(1.0, 0.97 / max(float(np.abs(wave).max()), 1e-6)))
    envelopes = np.maximum(np.concatenate([part.envelopes for part in parts]) + np.log(loud), QUIET)
    excitation = np.concatenate([part.excitation for part in parts], axis=1)
    return Rendered(wave * loud, excitation, envelopes.astype(np.float16))


def _rendered(piece: Piece, voice: Voice, dice: npt.NDArray[np.int16]) -> Rendered:
    count = len(dice)
    if piece.frames is None:
        silent = np.full((count, WIDTH), QUIET, np.float16)
        return Rendered(np.zeros(FRAME * count, np.float32), codes_of(None, dice), silent)
    frames = piece.frames if piece.is_music else in_voice(piece.frames, voice)
    source, told, noise = source_of(frames.f0), crossed(frames), ticks(dice)
    if frames.recording is None:
        wave = drawn(told, pulses(source), noise)
    else:
        wave = spoken(frames, frames.recording, source, voice, noise)
    wave = wave[: FRAME * count]
    wave = np.pad(wave, (0, FRAME * count - len(wave)))
    return Rendered(_faded(wave), codes_of(source, dice), envelopes_of(told, count))


def spoken(frames: Frames, recording: Recording, source: Source, voice: Voice, noise: Array) -> Array:
    """A recording in a voice, the voice's breath added -> float32 (300 F,)."""
    wave = np.float32(voice.gain) * said_again(recording, source, voice.formant)
    if voice.breath == -math.inf:
        return wave
    breath = Frames(np.zeros_like(frames.harmonics), frames.harmonics + np.float32(voice.breath), frames.f0)
    return wave + drawn(breath, np.zeros_like(wave), noise)


def drawn(frames: Frames, train: Array, noise: Array) -> Array:
    """Pulses and ticks (300 F,), each through its envelope -> float32 (300 F,)."""
    from hibari import dsp

    count = len(frames.f0)
    noise = np.pad(noise, (0, max(0, HOP * count - len(noise))))
    filtered = np.exp(np.minimum(frames.harmonics, 7.0) + 1j * minimum_phase(frames.harmonics))
    spectrum = filtered * dsp.stft(train, count)
    strength = np.sqrt((dsp.WIN_SRC**2).sum())  # of a bin of white noise
    spectrum += np.exp(np.minimum(frames.noise, 7.0)) * dsp.stft(noise, count) / strength
    wave: Array = dsp.ola(spectrum.astype(np.complex64))
    return wave


def crossed(frames: Frames) -> Frames:
    """The harmonics above CROSSING as noise of the same power, as codes tell of them and sounds are drawn.

    There a decoder would have to place a pulse to a twentieth of a millisecond. A judge of naturalness does
    not mind: DistillMOS 3.84 without the crossing, 3.81 with one at 1,500 Hz, 3.89 at 2,000.
    """
    below = 1 / (1 + np.exp((HERTZ[:, None] - CROSSING) / 200.0))
    # a harmonic's amplitude is exp(log) / 300, and noise of exp(log) a bin has a deviation of exp(log) / 21.2
    as_noise = frames.harmonics - np.log(np.maximum(frames.f0, 60.0) / 30.0) / 2
    noise = np.where(frames.f0 > VOICED_HZ, both(frames.noise, as_noise + _log(1 - below)), frames.noise)
    return Frames(frames.harmonics + _log(below), noise, frames.f0)


def _log(share: Array) -> Array:
    return np.log(share + 1e-6) / 2


def minimum_phase(log_magnitude: Array) -> Array:
    """Log magnitudes (601, F) -> the phases (601, F) of the causal filter that rings least.

    By the cepstrum: Oppenheim and Schafer, "Discrete-Time Signal Processing", homomorphic systems.
    """
    cepstrum = np.fft.irfft(log_magnitude, axis=0)
    cepstrum[1 : BINS - 1] *= 2
    cepstrum[BINS:] = 0
    phase: Array = np.fft.rfft(cepstrum, axis=0).imag.astype(np.float32)
    return phase


def envelopes_of(frames: Frames, count: int) -> npt.NDArray[np.float16]:
    """Log magnitudes in mel bands, (count, WIDTH); without pulses, the harmonics' are the noise's."""
    noise = _bands(frames.noise)
    harmonics = np.where(frames.f0 > VOICED_HZ, _bands(frames.harmonics), noise)[:LOW_BANDS]
    at = (np.arange(2 * count) * HALF + AHEAD) / HOP
    low = np.clip(np.floor(at).astype(np.int64), 0, len(frames.f0) - 1)
    high, part = np.minimum(low + 1, len(frames.f0) - 1), np.clip(at - low, 0, 1)[:, None]
    rows = np.concatenate([harmonics, noise]).T
    return (rows[low] + part * (rows[high] - rows[low])).reshape(count, WIDTH).astype(np.float16)


def _bands(log_magnitude: Array) -> Array:
    found: Array = np.log(_filters() @ np.exp(2 * log_magnitude) + np.exp(2 * QUIET)) / 2
    return found


@lru_cache(maxsize=1)
def _filters() -> Array:
    filters: Array = mel_filters(24_000, 2 * (BINS - 1), BANDS).numpy()
    return filters / filters.sum(1, keepdims=True)


def _faded(wave: Array, samples: int = 120) -> Array:
    ramp = np.linspace(0.0, 1.0, samples, dtype=np.float32)
    wave[:samples] *= ramp
    wave[-samples:] *= ramp[::-1]
    return wave
