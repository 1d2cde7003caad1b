"""Loudness after ITU-R BS.1770, against the values the recommendation and EBU Tech 3341 give."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bark_cli.audio import Audio, LoudnessMeter, silence
from bark_cli.audio.loudness import _high_pass, _shelf, loudness_gain, peak_gain, scaled
from bark_cli.errors import AudioError


def sine(frequency: float, dbfs: float, seconds: float, rate: int = 24_000) -> Audio:
    time = np.arange(round(seconds * rate)) / rate
    return Audio((10 ** (dbfs / 20) * np.sin(2 * np.pi * frequency * time)).astype(np.float32), rate)


def measured(*pieces: Audio) -> LoudnessMeter:
    meter = LoudnessMeter(pieces[0].sample_rate)
    for piece in pieces:
        meter.put(piece)
    return meter


def as_loud_as_speech(audio: Audio) -> Audio:
    meter = measured(audio)
    return scaled(audio, loudness_gain(meter.lufs(), meter.peak))


@pytest.mark.parametrize("rate", [16_000, 24_000, 44_100, 48_000])
def test_a_sine_of_997_hz_at_full_scale_is_3_01_below(rate: int) -> None:
    near = (
        0.01 if rate == 48_000 else 0.05
    )  # the filters of any other rate are a little off, as in libebur128
    assert measured(sine(997, 0, 5, rate)).lufs() == pytest.approx(-3.01, abs=near)
    assert measured(sine(997, -20, 5, rate)).lufs() == pytest.approx(-23.01, abs=near)


def test_the_filters_are_those_of_the_recommendation_at_48_khz() -> None:
    (b, a) = _shelf(48_000)  # tables 1 and 2
    assert b == pytest.approx((1.53512485958697, -2.69169618940638, 1.19839281085285), abs=1e-12)
    assert a == pytest.approx((-1.69065929318241, 0.73248077421585), abs=1e-12)
    (b, a) = _high_pass(48_000)
    assert b == (1.0, -2.0, 1.0)
    assert a == pytest.approx((-1.99004745483398, 0.99007225036621), abs=1e-12)


def test_quiet_parts_do_not_count() -> None:
    # EBU Tech 3341, test 3, in one channel: -36, -23, -36 dBFS
    parts = [sine(1000, -36, 10), sine(1000, -23, 60), sine(1000, -36, 10)]
    assert measured(*parts).lufs() == pytest.approx(measured(parts[1]).lufs(), abs=0.1)
    speech = sine(1000, -20, 2)
    assert measured(speech, silence(20, 24_000)).lufs() == pytest.approx(measured(speech).lufs(), abs=0.4)


def test_pieces_are_measured_as_the_whole() -> None:
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, 24_000 * 25).astype(np.float32)
    noise[100_000:300_000] *= 0.1
    whole = measured(Audio(noise, 24_000)).lufs()
    meter = LoudnessMeter(24_000)
    for piece in np.split(noise, np.cumsum([1, 7, 2399, 2401, 100_000])):
        meter.put(Audio(piece, 24_000))
    assert meter.lufs() == pytest.approx(whole, abs=1e-9)
    assert meter.peak == np.abs(noise).max()


def test_silence_and_nothing_have_no_loudness() -> None:
    assert measured(silence(3, 24_000)).lufs() == -math.inf
    assert measured(silence(0, 24_000)).lufs() == -math.inf
    assert loudness_gain(-math.inf, 0.0) == peak_gain(0.0) == 1.0


def test_a_word_shorter_than_a_block_has_one() -> None:
    assert measured(sine(997, -20, 0.3)).lufs() == pytest.approx(-23.01, abs=0.1)
    assert measured(sine(997, -20, 0.05)).lufs() == pytest.approx(-23.01, abs=0.3)


def test_it_is_made_as_loud_as_asked_unless_it_would_clip() -> None:
    for dbfs in (-40, -5):
        made = as_loud_as_speech(sine(440, dbfs, 3))
        assert measured(made).lufs() == pytest.approx(-16, abs=0.01)
    spiky = sine(440, -40, 3)
    spiky.samples[1000] = 0.9
    made = as_loud_as_speech(spiky)
    assert np.abs(made.samples).max() == pytest.approx(10 ** (-1 / 20))
    assert measured(made).lufs() < -30
    assert loudness_gain(-10, 0.5) == pytest.approx(10 ** (-6 / 20))
    assert peak_gain(0.5) == pytest.approx(2 * 10 ** (-1 / 20))


def test_damaged_sound_has_none() -> None:
    with pytest.raises(AudioError, match="NaN"):
        measured(Audio(np.array([np.nan], np.float32), 24_000)).lufs()
