"""Another tempo: the length follows the speed, the pitch stays, and how a sound is cut does not matter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bark_cli.audio import Tempo
from bark_cli.errors import OptionError

RATE = 24_000
SPEEDS = [0.25, 0.5, 0.8, 1.0, 1.25, 2.0, 4.0]
Samples = np.ndarray[Any, Any]


def paced(samples: Samples, speed: float, block: int | None = None) -> Samples:
    tempo = Tempo(speed, RATE)
    step = block or max(1, len(samples))
    parts = [tempo.put(samples[start : start + step]) for start in range(0, len(samples), step)]
    return np.concatenate([*parts, tempo.finish()])


def vowel(pitch_hz: float, seconds: float = 2.0) -> Samples:
    """A voiced sound: many harmonics, louder and softer as syllables are."""
    time = np.arange(round(seconds * RATE)) / RATE
    tones = [np.sin(2 * np.pi * k * pitch_hz * time) / k for k in range(1, 12)]
    return (0.2 * sum(tones) * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * time))).astype(np.float32)


def pitch_hz(samples: Samples) -> float:
    """By autocorrelation, over the middle."""
    middle = samples[len(samples) // 4 : 3 * len(samples) // 4].astype(np.float64)
    spectrum = np.abs(np.fft.rfft(middle, 2 * len(middle))) ** 2
    likeness = np.fft.irfft(spectrum)[: RATE // 60]
    first = RATE // 500
    return RATE / (first + int(np.argmax(likeness[first:])))


@pytest.mark.parametrize("speed", SPEEDS)
def test_the_length_follows_the_speed_to_the_sample(speed: float) -> None:
    for length in (0, 1, 500, 24_000, 54_321):
        sound = vowel(120.0, 3.0)[:length]
        assert len(paced(sound, speed)) == round(length / speed)


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("pitch", [80.0, 130.0, 240.0, 400.0])
def test_the_pitch_stays(speed: float, pitch: float) -> None:
    assert pitch_hz(paced(vowel(pitch), speed)) == pytest.approx(pitch, rel=0.02)


@pytest.mark.parametrize("speed", [0.5, 1.3, 4.0])
def test_loudness_stays_and_nothing_clicks(speed: float) -> None:
    sound = vowel(150.0)
    slower = paced(sound, speed)
    assert np.sqrt(np.mean(slower**2)) == pytest.approx(np.sqrt(np.mean(sound**2)), rel=0.05)
    assert np.abs(np.diff(slower)).max() <= 1.3 * np.abs(np.diff(sound)).max()


@pytest.mark.parametrize("block", [1, 77, 1000, 30_000])
def test_how_the_sound_is_cut_changes_nothing(block: int) -> None:
    noise = np.random.default_rng(0).normal(0.0, 0.1, 6_000 if block == 1 else 60_000).astype(np.float32)
    for speed in (0.6, 1.7):
        np.testing.assert_array_equal(paced(noise, speed, block), paced(noise, speed))


def test_a_long_sound_takes_no_more_memory_than_a_short_one() -> None:
    tempo, block = Tempo(1.5, RATE), vowel(100.0, 1.0)
    for _ in range(60):
        tempo.put(block)
    assert len(tempo._input) < 2**17


def test_silence_stays_silence_where_it_was() -> None:
    sound = np.concatenate([vowel(200.0, 0.5), np.zeros(RATE, np.float32), vowel(200.0, 0.5)])
    slower = paced(sound, 0.5)
    assert np.abs(slower[round(1.1 * RATE) : round(2.9 * RATE)]).max() < 1e-3
    assert np.abs(slower[round(3.1 * RATE) :]).max() > 0.1


@pytest.mark.parametrize("speed", [0.0, 0.2, 4.1, -1.0, float("nan")])
def test_a_speed_out_of_range_is_refused(speed: float) -> None:
    with pytest.raises(OptionError, match=r"outside 0\.25\.\.4"):
        Tempo(speed, RATE)
