"""What a take is measured by: length, loops, silence, clipping; and what deserves another try."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from bark_cli.model.tokens import Tokens
from bark_cli.takes.verdict import Verdict, judge

RATE = 24_000
RNG = np.random.default_rng(3)
VARIED = RNG.integers(0, 1000, 200)


def noise(seconds: float, loudness: float = 0.1) -> NDArray[np.float32]:
    return (RNG.standard_normal(round(seconds * RATE)) * loudness).clip(-0.99, 0.99).astype(np.float32)


def judged(
    samples: NDArray[np.float32], semantic: Tokens = VARIED, expected_s: float = 4.0, complete: bool = True
) -> Verdict:
    return judge(samples, RATE, semantic, expected_s=expected_s, complete=complete)


def test_what_is_as_it_should_be_has_the_full_score() -> None:
    verdict = judged(noise(4.0))
    assert verdict.score == pytest.approx(1.0)
    assert verdict.problem is None
    assert verdict.reason == "length 1.00, variety 1.00, sound 1.00, clean 1.00"


@pytest.mark.parametrize(("seconds", "length"), [(2.0, 0.5), (3.0, 0.75), (8.0, 0.5), (5.0, 0.8)])
def test_length_counts_both_ways(seconds: float, length: float) -> None:
    verdict = judged(noise(seconds))
    assert verdict.length == pytest.approx(length)
    assert verdict.problem is None


@pytest.mark.parametrize(
    ("seconds", "complete", "problem"),
    [
        (1.0, True, "it stops after 25% of the expected length"),
        (11.0, True, "it runs on, to 2.8 times the expected length"),
        (7.0, False, "it runs on, to 1.8 times the expected length"),
        (7.0, True, None),
        (5.0, False, None),
    ],
)
def test_what_deserves_another_try(seconds: float, complete: bool, problem: str | None) -> None:
    assert judged(noise(seconds), complete=complete).problem == problem


def test_silence_and_nothing_at_all() -> None:
    assert judged(np.zeros(4 * RATE, np.float32)).problem == "it is silent"
    assert judged(np.empty(0, np.float32)).problem == "it is silent"
    half = np.concatenate([noise(2.0), np.zeros(2 * RATE, np.float32)])
    assert judged(half).sound == pytest.approx(1 - 0.15 / 0.65, abs=0.02)
    assert judged(half).problem is None


def test_clipping() -> None:
    samples = noise(4.0)
    samples[:: len(samples) // 960] = 1.0  # one in a hundred
    assert judged(samples).clean == pytest.approx(0.5, abs=0.02)


def test_a_loop_is_found_and_a_held_sound_is_none() -> None:
    phrase = RNG.integers(0, 1000, 20)
    looped = np.concatenate([VARIED[:100], np.tile(phrase, 6)])
    assert judged(noise(4.0), looped).variety == pytest.approx(1 - 100 / 220)
    assert judged(noise(4.0), np.repeat(VARIED[:40], 5)).variety == 1.0
    assert judged(noise(4.0), np.full(200, 7)).variety == 1.0
    assert judged(noise(4.0), np.concatenate([phrase, phrase])).variety == 1.0  # said twice: no loop yet


def test_words_count_once_somebody_has_listened() -> None:
    verdict = judged(noise(4.0))
    assert verdict.heard(None) == verdict
    heard = verdict.heard(0.25)
    assert heard.score == pytest.approx(0.25 * verdict.score)
    assert heard.reason == "length 1.00, variety 1.00, sound 1.00, clean 1.00, words 0.25"
    assert heard.problem is None


def test_that_no_word_is_right_deserves_another_try_unless_there_is_a_better_reason() -> None:
    assert judged(noise(4.0)).heard(0.0).reason == "its words cannot be made out"
    assert judged(np.zeros(4 * RATE, np.float32)).heard(0.0).problem == "it is silent"


def test_of_no_tokens_there_is_nothing_to_say() -> None:
    assert judged(noise(4.0), np.empty(0, np.int64)).variety == 1.0
