"""Silence, fades and joins."""

from __future__ import annotations

import numpy as np
import pytest

from bark_cli.audio import Audio, faded, join, silence
from bark_cli.errors import AudioError


def loud(seconds: float = 0.1) -> Audio:
    return Audio(np.full(round(seconds * 24_000), 0.5, np.float32), 24_000)


def test_silence_is_as_long_as_asked() -> None:
    assert silence(1.5, 24_000).samples.tolist() == [0.0] * 36_000
    assert len(silence(-1, 24_000).samples) == 0


def test_a_join_is_as_long_as_its_parts_and_does_not_click() -> None:
    made = join([loud(), loud(), loud()], [0.2, 0.0])
    assert made.duration_s == pytest.approx(0.5)
    assert made.samples.dtype == np.float32
    assert np.abs(np.diff(made.samples)).max() < 0.5 / 100
    assert made.samples[0] == made.samples[-1] == 0.5  # the ends meet nothing
    assert not made.samples[2400:7200].any()
    assert join([loud()] * 3, 0.1).duration_s == pytest.approx(0.5)


def test_joining_leaves_the_pieces_as_they_were() -> None:
    piece = loud()
    join([piece, piece])
    assert (piece.samples == 0.5).all()


def test_one_alone_is_itself_and_the_shortest_are_no_trouble() -> None:
    np.testing.assert_array_equal(join([loud()]).samples, loud().samples)
    for count in range(4):
        tiny = Audio(np.ones(count, np.float32), 24_000)
        assert len(join([tiny, tiny]).samples) == 2 * count
        assert len(faded(tiny).samples) == count


def test_what_cannot_be_joined_is_one_line() -> None:
    with pytest.raises(AudioError, match="no sounds to join"):
        join([])
    with pytest.raises(AudioError, match="8000 and 24000 Hz cannot be joined"):
        join([loud(), silence(1, 8000)])
