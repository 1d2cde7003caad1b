"""A recording said again has other pulses, formants and times, and stays what it was in all else."""

from __future__ import annotations

import numpy as np
import pytest

from training.excitation import HOP, RATE, free_source, pulses, source_of
from training.psola import said_again
from training.teacher import BINS, Array, Frames, Recording

FRAMES = 80
MIDDLE = slice(6_000, 18_000)


def hum() -> Recording:
    """A second of pulses at 125 Hz, whose phases lie on the grid, through a resonance at 800 Hz."""
    curve = np.full(FRAMES, 125.0, np.float32)
    t = np.arange(1_200) / RATE
    ring = np.exp(-np.pi * 100 * t) * np.cos(2 * np.pi * 800 * t)
    train = pulses(free_source(curve))
    wave = 0.01 * np.convolve(train, ring)[: len(train)]
    return Recording(
        wave.astype(np.float32), curve, np.arange(FRAMES, dtype=np.float32), np.zeros_like(curve)
    )


def hiss() -> Recording:
    """A second of noise."""
    wave = np.random.default_rng(0).normal(0, 0.1, FRAMES * HOP).astype(np.float32)
    none = np.zeros(FRAMES, np.float32)
    return Recording(wave, none, np.arange(FRAMES, dtype=np.float32), none)


def strengths(wave: Array) -> Array:
    """Amplitudes (Hz,) of half a second, 1 Hz apart."""
    part = wave[MIDDLE]
    return np.abs(np.fft.rfft(part * np.hanning(len(part)), RATE)) / len(part) * 4


def peak(wave: Array, f0: int) -> float:
    """Where the strongest harmonic is, between its neighbours by their strength."""
    at = f0 * np.arange(1, 2_000 // f0)
    loud = strengths(wave)[at]
    best = int(loud.argmax())
    near = slice(max(0, best - 1), best + 2)
    return float((at[near] * loud[near]).sum() / loud[near].sum())


def test_with_its_own_pulses_it_is_what_it_was():
    recording = hum()
    again = said_again(recording, free_source(recording.f0), 1.0)
    assert again.shape == recording.wave.shape
    assert again.dtype == np.float32
    assert np.corrcoef(again[MIDDLE], recording.wave[MIDDLE])[0, 1] > 0.9999
    assert again[MIDDLE].std() == pytest.approx(recording.wave[MIDDLE].std(), rel=0.05)


@pytest.mark.parametrize("f0", [75, 200])
def test_with_other_pulses_it_has_their_f0_and_its_own_formant(f0):
    again = said_again(hum(), source_of(np.full(FRAMES, f0, np.float32)), 1.0)
    loud = strengths(again)
    for harmonic in range(2, 6):
        assert loud[harmonic * f0] > 10 * loud[harmonic * f0 + f0 // 2]
    assert peak(again, f0) == pytest.approx(800, abs=60)


def test_a_harmonic_stays_as_strong_when_there_are_fewer_pulses():
    before, after = hum(), said_again(hum(), source_of(np.full(FRAMES, 75.0, np.float32)), 1.0)
    assert strengths(after)[750] == pytest.approx(strengths(before.wave)[750], rel=0.25)


def test_formants_move_and_f0_does_not():
    lower = said_again(hum(), source_of(np.full(FRAMES, 125.0, np.float32)), 0.75)
    assert peak(lower, 125) == pytest.approx(600, abs=60)
    assert strengths(lower)[625] > 10 * strengths(lower)[562]


def test_what_is_held_longer_is_as_high():
    held = Frames(np.zeros((BINS, FRAMES)), np.zeros((BINS, FRAMES)), hum().f0, hum())
    held = held.taken(np.arange(2 * FRAMES) / 2)
    assert held.recording is not None
    again = said_again(held.recording, source_of(held.f0), 1.0)
    assert len(again) == 2 * FRAMES * HOP
    assert peak(again[6_000:], 125) == pytest.approx(800, abs=60)
    assert strengths(again)[250] > 10 * strengths(again)[312]


def test_louder_frames_are_louder_in_the_recording():
    frames = Frames(np.zeros((BINS, FRAMES)), np.zeros((BINS, FRAMES)), hum().f0, hum())
    louder = frames.louder(np.full(FRAMES, np.log(2), np.float32))
    assert louder.recording is not None
    assert (louder.harmonics > 0.69).all()
    before, after = (said_again(each, source_of(frames.f0), 1.0) for each in (hum(), louder.recording))
    assert after == pytest.approx(2 * before, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("formant", [0.8, 1.0, 1.25])
def test_noise_is_as_loud_wherever_its_formants_go(formant):
    again = said_again(hiss(), source_of(np.zeros(FRAMES, np.float32)), formant)
    assert again[MIDDLE].std() == pytest.approx(0.1, rel=0.3)


def test_pulses_that_the_recording_does_not_have_are_none():
    assert not said_again(hiss(), source_of(np.full(FRAMES, 125.0, np.float32)), 1.0)[MIDDLE].any()
