"""What excites a voice, as codes: on the grid, read back, turned, and shaped like pulses and ticks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from training.excitation import (
    BINS,
    FRAME,
    HALF,
    LEVELS,
    PULSED,
    THROWS,
    Sketch,
    codes_of,
    landmarks,
    pulses,
    snippets,
    source_of,
    thrown,
    ticks,
    turned,
)

NO_DICE = np.zeros(90, np.int16)


def glide(low: float, high: float, frames: int = 160) -> np.ndarray:
    return np.geomspace(low, high, frames).astype(np.float32)


@pytest.mark.parametrize(("low", "high"), [(70, 140), (300, 180), (110, 430)])
def test_rendered_phases_lie_on_the_grid_and_f0_hardly_moves(low, high):
    source = source_of(glide(low, high))
    steps = source.phase[::HALF] * LEVELS
    assert np.abs(steps - np.round(steps)).max() < 1e-6
    f0 = np.diff(source.phase[::HALF]) * 100  # cycles in 10 ms
    wanted = source.f0[: len(source.phase)].reshape(-1, HALF).mean(1)[: len(f0)]
    assert np.abs(f0 - wanted).max() < 3.3  # a grid step, between two roundings
    assert source.voiced.all()


def test_the_codes_tell_phase_and_height_at_the_end_and_the_middle_of_a_frame():
    source = source_of(glide(90, 210))
    codes = codes_of(source, NO_DICE)[:2].astype(int)
    for row, after in zip(codes, (FRAME, HALF), strict=True):
        at = FRAME * np.arange(90) + after
        assert (row % LEVELS == np.round(source.phase[at] * LEVELS).astype(int) % LEVELS).all()
        assert (np.diff(row // LEVELS) >= 0).all()
        assert row.max() < PULSED
    assert (codes[0][:-1] // LEVELS <= codes[1][1:] // LEVELS).all()  # the middle comes after the end before


def test_a_pulse_is_where_the_phase_is_whole():
    source = source_of(glide(100, 100))
    train = pulses(source)
    tops = np.flatnonzero(train > 0.9 * train.max())
    away = (source.phase[tops] + 0.5) % 1 - 0.5
    assert len(tops) > 100
    assert np.abs(away).max() < 0.01


def test_silence_has_no_pulses_but_dice():
    curve = np.concatenate([np.zeros(80), np.full(80, 120.0)]).astype(np.float32)
    source = source_of(curve)
    assert not pulses(source)[: 60 * 300].any()
    dice = thrown(100, np.random.default_rng(0))
    codes = codes_of(source, dice)
    assert (codes[:2, :40] == PULSED).all()
    assert (codes[:2, 60:] < PULSED).all()
    assert (codes[2] == dice).all()
    assert (codes_of(None, dice) == [[PULSED] * 100, [PULSED] * 100, dice]).all()


def test_ticks_are_white_noise_that_follows_the_dice():
    dice = thrown(400, np.random.default_rng(0))
    assert len(set(dice.tolist())) > 200
    assert 0 <= dice.min() <= dice.max() < THROWS
    noise = ticks(dice)
    assert noise.std() == pytest.approx(1.0, abs=0.01)
    assert np.count_nonzero(noise) == 40 * 400
    power = np.square(np.abs(np.fft.rfft(noise.reshape(-1, 2400) * np.hanning(2400)))).mean(0)
    bands = power[: 24 * 50].reshape(24, 50).mean(1)  # every 500 Hz
    assert bands.max() < 1.5 * bands.min()
    assert (ticks(dice) == noise).all()
    assert (ticks(dice[::-1].copy()) != noise).any()


def test_turning_moves_every_phase_alike_and_leaves_dice_alone():
    codes = np.array([0, 31, 32 + 5, PULSED - 1, PULSED, 511])
    assert turned(codes, 3).tolist() == [3, 2, 32 + 8, PULSED - LEVELS + 2, PULSED, 511]
    assert (turned(turned(codes, 9), LEVELS - 9) == codes).all()


def test_a_codes_snippet_has_its_pulse_where_its_phase_says():
    drawn = snippets(64)
    assert drawn.shape == (PULSED, 64)
    middle = 7 * LEVELS  # phase 0: a pulse right at the moment the code speaks of
    assert drawn[middle, 31:33].min() > 0.7 * drawn[middle].max()
    later = middle + LEVELS - 4  # an eighth of a turn to go
    assert 33 <= 28 + int(drawn[later, 28:38].argmax()) <= 36
    marks = landmarks(512)
    assert torch.equal(marks[PULSED:], torch.zeros(512 - PULSED, 12))
    assert torch.dist(marks[middle], marks[middle + 1]) < torch.dist(marks[middle], marks[middle + 16])
    assert BINS * LEVELS == PULSED


def test_pulses_and_ticks_are_drawn_again_from_the_codes():
    sketch, dice = Sketch(torch.device("cpu")), thrown(90, np.random.default_rng(0))
    source = source_of(glide(120, 180))
    codes = torch.from_numpy(codes_of(source, dice).astype(np.int64))[:, None]
    [drawn] = sketch(codes).numpy() - ticks(dice)
    t = 2 * np.pi * source.phase[FRAME : 80 * FRAME]
    wanted = sum(np.cos(h * t) for h in range(1, 9))
    alike = np.corrcoef(drawn[FRAME : 80 * FRAME], wanted)[0, 1]
    assert alike > 0.85
    [alone] = sketch(torch.from_numpy(codes_of(None, dice).astype(np.int64))[:, None]).numpy()
    assert np.allclose(alone, ticks(dice))
