"""Sounds one after the other: pauses, times, faded edges, and when each piece is heard."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from bark_cli.audio import Audio
from bark_cli.narration.narrate import Narration, Piece
from bark_cli.narration.timeline import Timeline

RATE = 1000


def tone(seconds: float) -> Audio:
    return Audio(np.ones(round(seconds * RATE), np.float32), RATE)


def laid(pieces: list[Piece], *sounds: float) -> tuple[np.ndarray, Timeline]:
    line = Timeline(Narration(pieces=pieces), RATE)
    parts = [one for n, s in enumerate(sounds) for one in line.lay(n, tone(s), ends=True)]
    return np.concatenate([part.samples for part in parts]), line


def test_a_single_piece_stays_as_it_is() -> None:
    samples, line = laid([Piece(text=" Hello\n you. ", seed=1)], 1.0)
    assert np.array_equal(samples, np.ones(1000))
    assert [(cue.start_s, cue.end_s, cue.text) for cue in line.cues] == [(0.0, 1.0, "Hello you.")]


def test_pauses_lie_between_and_edges_are_faded() -> None:
    pieces = [Piece(text="a", seed=1, pause_s=0.5), Piece(text="b", seed=2, pause_s=0.25)]
    samples, line = laid(pieces, 1.0, 2.0)
    assert len(samples) == 3750
    assert line.duration_s == 3.75
    assert not samples[1000:1500].any()
    assert not samples[3500:].any()
    assert samples[0] == 1  # where nothing comes before
    assert 0 < samples[999] < 1
    assert 0 < samples[1500] < 1
    assert [(cue.start_s, cue.end_s) for cue in line.cues] == [(0.0, 1.0), (1.5, 3.5)]


def test_a_subtitle_waits_for_its_time_and_a_late_one_does_not() -> None:
    pieces = [
        Piece(text="a", seed=1, begin_s=0.5),
        Piece(text="b", seed=2, begin_s=1.0),
        Piece(text="c", seed=3, begin_s=4.0),
    ]
    samples, line = laid(pieces, 1.0, 1.0, 1.0)
    assert [cue.start_s for cue in line.cues] == [0.5, 1.5, 4.0]
    assert len(samples) == 5000


@pytest.mark.parametrize("n_parts", [1, 4])
def test_a_piece_may_come_in_parts(n_parts: int) -> None:
    pieces = [Piece(text="a", seed=1, pause_s=0.5), Piece(text="b", seed=2)]
    line = Timeline(Narration(pieces=pieces), RATE)
    heard = []
    for number in range(2):
        for _ in range(n_parts):
            heard += line.lay(number, tone(0.25), ends=False)
        heard += line.lay(number, None, ends=True)
    samples = np.concatenate([one.samples for one in heard])
    assert len(samples) == 500 * n_parts + 500
    assert [(cue.start_s, cue.end_s) for cue in line.cues] == [
        (0.0, 0.25 * n_parts),
        (0.25 * n_parts + 0.5, 0.5 * n_parts + 0.5),
    ]
    assert int((samples == 1).sum()) == 500 * n_parts - 10  # the first ends and the second begins with a fade


def test_late_speech_is_not_made_later_by_a_pause() -> None:
    pieces = [Piece(text="a", seed=1, pause_s=0.5, begin_s=0.0), Piece(text="b", seed=1, begin_s=1.0)]
    timeline = Timeline(Narration(pieces=pieces), 100)
    timeline.lay(0, Audio(np.zeros(200, np.float32), 100), ends=True)
    assert timeline.duration_s == 2.0


@pytest.mark.parametrize("speed", [0.5, 2.0])
def test_at_another_speed_times_are_those_of_what_is_heard(speed: float) -> None:
    pieces = [
        Piece(text="a", seed=1, pause_s=0.5),
        Piece(text="b", seed=2, begin_s=10.0),
        Piece(text="c", seed=3),
    ]
    line = Timeline(Narration(pieces=pieces, speed=speed), RATE)
    parts = [one for n in range(3) for one in line.lay(n, tone(1.0), ends=True)]
    assert sum(len(part.samples) for part in parts) == round(line.duration_s * RATE)
    times = [(cue.start_s, cue.end_s) for cue in line.cues]
    # a subtitle stays at its time, and all else is as long as it is fast
    assert times == [(0.0, 1 / speed), (10.0, 10.0 + 1 / speed), (10.0 + 1 / speed, 10.0 + 2 / speed)]
    samples = np.concatenate([part.samples for part in parts])
    assert not samples[round((1 / speed + 0.1) * RATE) : round(9.9 * RATE)].any()


def test_silence_is_brought_to_another_speed_a_minute_at_a_time() -> None:
    line = Timeline(Narration(pieces=[Piece(text="a", seed=1, begin_s=1_800.0)], speed=1.5), RATE)
    tracemalloc.start()
    try:
        n_samples = sum(len(part.samples) for part in line.lay(0, tone(0.5), ends=True))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert n_samples == round((1_800 + 0.5 / 1.5) * RATE)
    assert peak < 4 * n_samples / 2  # bytes; all of it at once is twice as much


def test_hours_of_silence_before_a_subtitle_take_no_memory() -> None:
    parts = Timeline(Narration(pieces=[Piece(text="a", seed=1, begin_s=36_000.0)]), RATE).lay(
        0, tone(0.5), ends=True
    )
    assert sum(len(part.samples) for part in parts) == round(36_000.5 * RATE)
    assert len({id(part.samples) for part in parts}) <= 3
