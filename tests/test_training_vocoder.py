"""Voices drawn from what codes can say: causal filters, envelopes in bands, one sound for one excitation."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from training.excitation import FRAME, PULSED, THROWS
from training.teacher import BINS, Frames, Piece, both, silence
from training.vocoder import (
    BANDS,
    CROSSING,
    LOW_BANDS,
    QUIET,
    WIDTH,
    crossed,
    envelopes_of,
    minimum_phase,
    render,
)
from training.voices import VOICES, Voice, in_voice

needs_hibari = pytest.mark.skipif(
    importlib.util.find_spec("hibari") is None, reason="the extra `train` is not installed: hibari draws"
)
AS_IT_IS = Voice("plain", gain=1.0)


def vowel(frames: int = 80, f0: float = 120.0) -> Frames:
    """Two resonances, a little noise above."""
    hz = 20.0 * np.arange(BINS, dtype=np.float32)[:, None]
    peaks = 1 / (0.05 + ((hz - 600) / 200) ** 2) + 0.3 / (0.05 + ((hz - 1500) / 300) ** 2)
    harmonics = np.broadcast_to(np.log(peaks + 1e-3), (BINS, frames)).astype(np.float32)
    noise = np.where(hz > 3000, -2.0, -8.0) * np.ones((1, frames), np.float32)
    return Frames(harmonics, noise.astype(np.float32), np.full(frames, f0, np.float32))


def test_minimum_phase_rings_after_the_pulse_and_not_before():
    log_magnitude = vowel(1).harmonics
    response = np.fft.irfft(np.exp(log_magnitude + 1j * minimum_phase(log_magnitude)), axis=0)[:, 0]
    assert np.square(response[:600]).sum() > 0.999 * np.square(response).sum()
    flat = np.zeros((BINS, 1), np.float32)
    assert np.abs(minimum_phase(flat)).max() < 1e-6


def test_envelopes_stand_where_the_resonances_are():
    rows = envelopes_of(vowel(), 50).astype(np.float32)
    assert rows.shape == (50, WIDTH)
    harmonics, noise, *_ = np.split(rows[10], [LOW_BANDS, WIDTH // 2])
    assert len(noise) == BANDS
    assert 10 < harmonics.argmax() < 22  # 600 Hz on the mel scale
    assert harmonics.max() == pytest.approx(np.log(20), abs=0.3)
    assert noise[:25].max() == pytest.approx(QUIET, abs=0.1)
    assert noise[45:].min() == pytest.approx(-2.0, abs=0.1)
    unvoiced = envelopes_of(vowel(f0=0.0), 50)
    assert (unvoiced[:, :LOW_BANDS] == unvoiced[:, LOW_BANDS : 2 * LOW_BANDS]).all()


def test_a_voice_moves_f0_and_formants_and_adds_breath():
    frames = vowel()
    lower = in_voice(frames, Voice("lower", f0=0.5, formant=0.8, breath=-1.0, gain=1.0))
    assert lower.f0 == pytest.approx(60)
    assert lower.harmonics[:, 5].argmax() == pytest.approx(0.8 * 30, abs=1)
    assert (lower.noise > in_voice(frames, AS_IT_IS).noise + 1).any()
    assert (in_voice(vowel(f0=0.0), VOICES[1]).f0 == 0).all()


def test_noises_together_add_their_powers():
    one = np.zeros(3, np.float32)
    assert both(one, one) == pytest.approx(np.log(2) / 2)
    assert both(one, one - 20) == pytest.approx(0.0, abs=1e-6)


@needs_hibari
def test_the_same_dice_make_the_same_sound_and_other_dice_only_other_noise():
    pieces = [silence(5, "start"), Piece(np.zeros(50, np.int16), vowel()), silence(3, "end")]
    first, again, other = (render(pieces, AS_IT_IS, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.wave.shape == (FRAME * 58,)
    assert first.excitation.shape == (3, 58)
    assert first.envelopes.shape == (58, WIDTH)
    assert (first.wave == again.wave).all()
    assert (first.excitation == again.excitation).all()
    assert (first.excitation[:2] == other.excitation[:2]).all()
    assert (first.excitation[2] != other.excitation[2]).any()
    assert 0 <= first.excitation[2].min() <= first.excitation[2].max() < THROWS
    # the harmonics are the same, and most of the power
    assert np.corrcoef(first.wave, other.wave)[0, 1] > 0.9
    assert (first.excitation[:2, :5] == PULSED).all()
    assert (first.envelopes[:5] == QUIET).all()
    assert 0 < np.abs(first.wave[: 5 * FRAME]).max() < 2e-3
    assert np.abs(first.wave).max() <= 0.971


@needs_hibari
def test_each_harmonic_is_as_loud_as_its_envelope():
    frames = vowel(f0=200.0)
    wave = render([Piece(np.zeros(50, np.int16), frames)], AS_IT_IS, np.random.default_rng(0)).wave
    middle = wave[9_600:14_400] * np.hanning(4800)
    spectrum = np.abs(np.fft.rfft(middle)) / 4800
    lines = spectrum[40 * np.arange(1, 6)]  # 5 Hz a bin
    wanted = np.exp(in_voice(frames, AS_IT_IS).harmonics[10 * np.arange(1, 6), 40])
    assert np.std(np.log(lines / wanted)) < 0.15


def test_above_the_crossing_the_harmonics_are_noise_of_the_same_power():
    frames = vowel(f0=150.0)
    frames = Frames(np.zeros_like(frames.harmonics), np.full_like(frames.noise, -8.0), frames.f0)
    apart = crossed(frames)
    low, high = int(CROSSING / 2 / 20), int(3 * CROSSING / 20)
    assert apart.harmonics[low, 3] == pytest.approx(0.0, abs=0.05)
    assert apart.harmonics[high, 3] < -6
    assert apart.noise[low, 3] < -2
    assert apart.noise[high, 3] == pytest.approx(-np.log(5) / 2, abs=0.05)
    unvoiced = Frames(frames.harmonics, frames.noise, 0 * frames.f0)
    assert (crossed(unvoiced).noise == frames.noise).all()


@needs_hibari
def test_a_voice_is_as_loud_with_the_crossing_as_without(monkeypatch):
    from training import vocoder

    pieces = [Piece(np.zeros(50, np.int16), vowel())]
    waves = []
    for crossing in (CROSSING, 20_000.0):
        monkeypatch.setattr(vocoder, "CROSSING", crossing)
        waves.append(render(pieces, AS_IT_IS, np.random.default_rng(0)).wave)
    bands = [np.square(np.abs(np.fft.rfft(wave)))[2_500:6_000].sum() for wave in waves]  # from 2.5 kHz
    assert bands[0] == pytest.approx(bands[1], rel=0.35)
