"""What a take is measured by: length, loops, silence, clipping, words said twice; what is tried again."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bark_cli.model.tokens import Tokens
from bark_cli.store import bark_home
from bark_cli.takes.expected import ENOUGH, Expected, Heard, Usual, expected, usual_of
from bark_cli.takes.repetition import repeated_sound, repeated_tokens
from bark_cli.takes.usual import Memory
from bark_cli.takes.verdict import Verdict, judge

RATE = 24_000
RNG = np.random.default_rng(3)
VARIED = RNG.integers(0, 1000, 200)


def noise(seconds: float, loudness: float = 0.1) -> NDArray[np.float32]:
    return (RNG.standard_normal(round(seconds * RATE)) * loudness).clip(-0.99, 0.99).astype(np.float32)


def judged(
    samples: NDArray[np.float32],
    semantic: Tokens = VARIED,
    complete: bool = True,
    text_of: Expected | None = None,
) -> Verdict:
    return judge(samples, RATE, semantic, expected=text_of or Expected(seconds=4.0), complete=complete)


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


def test_what_stops_before_the_end_of_its_text_is_in_doubt_however_long_it_took() -> None:
    def doubt(unread: int, seconds: float = 4.0) -> str | None:
        text = Expected(seconds=4.0)
        return judge(noise(seconds), RATE, VARIED, expected=text, complete=True, unread=unread).doubt

    assert doubt(9) == "it stops before the end of its text"
    assert doubt(8) is None
    assert doubt(9, seconds=1.0) is None  # it has a problem already


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


QUICK = Expected(seconds=4.0, words=10, usual=Usual(pace=0.75))  # a voice that takes 3 s for it
DOUBLED = np.concatenate([VARIED[:100], VARIED[60:100], VARIED[100:150]])


def test_what_is_longer_than_usual_for_its_voice_is_in_doubt() -> None:
    assert judged(noise(3.0), text_of=QUICK).is_good
    assert judged(noise(3.3), text_of=QUICK).is_good
    slow = judged(noise(4.0), text_of=QUICK)
    assert slow.problem is None
    assert slow.reason == "it is 1.3 times as long as this voice usually takes"
    assert judged(noise(4.0)).is_good, "of another voice nothing is known"


def test_tokens_that_come_again_are_in_doubt_where_it_took_longer() -> None:
    assert judged(noise(3.3), DOUBLED, text_of=QUICK).doubt == "it says something twice"
    assert judged(noise(3.0), DOUBLED, text_of=QUICK).is_good


def test_a_sound_that_comes_again_is_in_doubt_though_its_tokens_differ() -> None:
    said = chirps(3.0)
    again = np.concatenate([said, said[-round(0.8 * RATE) :]])
    text_of = Expected(seconds=4.0, words=10, usual=Usual(pace=0.85))
    assert judged(again, text_of=text_of).doubt == "some of it sounds twice"
    assert judged(chirps(3.8), text_of=text_of).is_good


def chirps(seconds: float) -> NDArray[np.float32]:
    """Vowels of a sort, another every 0.1 s."""
    random, parts = np.random.default_rng(5), []
    for _ in range(round(seconds / 0.1)):
        at = np.arange(round(0.1 * RATE)) / RATE
        tones = random.uniform(200, 4000, 6)
        parts.append(np.sin(2 * np.pi * at[:, None] * tones + random.uniform(0, 6, 6)).mean(1))
    return (0.3 * np.concatenate(parts)).astype(np.float32)


def test_how_much_comes_again() -> None:
    assert repeated_tokens(VARIED) <= 2
    assert repeated_tokens(DOUBLED) == pytest.approx(40, abs=2)
    assert repeated_tokens(np.empty(0, np.int64)) == 0
    assert repeated_sound(np.zeros(RATE, np.float32), RATE) == 0
    assert repeated_sound(np.empty(0, np.float32), RATE) == 0
    said = chirps(2.0)
    assert repeated_sound(np.concatenate([said, said]), RATE) > 10 * repeated_sound(said, RATE)


def test_words_decide_what_is_in_doubt() -> None:
    slow = judged(noise(4.0), text_of=QUICK)
    assert slow.heard(None) == slow
    assert slow.heard(0.9).is_good, "one of ten words is wrong"
    assert slow.heard(0.7).reason == slow.reason
    assert slow.heard(0.0).reason == "its words cannot be made out"


@pytest.mark.parametrize("text", ["Well. [laughs] Indeed.", "♪ la la la ♪", "Too late, too late!"])
def test_sounds_song_and_texts_that_say_something_twice_are_not_doubted(text: str) -> None:
    assert not expected(text, "en", None).is_plain
    doubled = judged(noise(8.0), DOUBLED, text_of=expected(text, "en", Usual(pace=0.5)))
    assert doubled.doubt is None


def test_a_text_without_a_stop_takes_as_long_as_one_with_it() -> None:
    assert expected("Chapter One", "en", None).seconds == expected("Chapter One.", "en", None).seconds


def test_a_voice_is_known_by_its_median_after_enough_pieces() -> None:
    pieces = [Heard(pace=pace, runs=1.0) for pace in np.linspace(0.8, 0.9, ENOUGH - 2)]
    assert usual_of(pieces, None) is None
    assert usual_of(pieces, 0.7) == Usual(pace=0.7)
    known = usual_of([*pieces, *[Heard(pace=3.0, runs=90.0)] * 2], 0.7)
    assert known is not None
    assert known.pace == pytest.approx(0.85, abs=0.03)
    assert known.longest == pytest.approx(0.2, abs=0.06)


def test_what_voices_said_is_known_in_the_next_process_and_not_before() -> None:
    memory = Memory("model", None)
    for _ in range(ENOUGH):
        memory.add("anna", Heard(pace=0.8, runs=1.0))
    memory.save()
    assert memory.usual("anna") is None
    later = Memory("model", None).usual("anna")
    assert later is not None
    assert later.pace == pytest.approx(0.8, abs=0.03)
    assert Memory("model", None).usual("ben") is None
    assert Memory("other", None).usual("anna") is None


@pytest.mark.parametrize(
    "damaged", [b"", b"{", b"[1]", b'{"model anna": 3}', b'{"model anna": [["x", 1], [-1, 0], [1e9, 0], 7]}']
)
def test_a_damaged_memory_is_none_and_heals(damaged: bytes) -> None:
    file = bark_home() / "paces.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(damaged)
    memory = Memory("model", 0.9)
    assert memory.usual("anna") == Usual(pace=0.9)
    for _ in range(ENOUGH):
        memory.add("anna", Heard(pace=0.5, runs=1.0))
    memory.save()
    healed = Memory("model", 0.9).usual("anna")
    assert healed is not None
    assert healed.pace == pytest.approx(0.5, abs=0.03)


def test_a_pipe_or_a_link_in_place_of_the_memory_is_left_alone(tmp_path: Path) -> None:
    file = bark_home() / "paces.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    for make in (os.mkfifo, lambda path: path.symlink_to(tmp_path / "elsewhere")):
        make(file)
        memory = Memory("model", 0.9)  # a pipe would be waited for
        assert memory.usual("anna") == Usual(pace=0.9)
        memory.add("anna", Heard(pace=0.5, runs=1.0))
        memory.save()
        assert not file.is_file()
        file.unlink()
    assert not (tmp_path / "elsewhere").exists()


def test_a_voice_that_changed_is_soon_known_anew() -> None:
    for pace in (0.5, 1.0):
        memory = Memory("model", None)
        for _ in range(60):
            memory.add("anna", Heard(pace=pace, runs=1.0))
        memory.save()
    known = Memory("model", None).usual("anna")
    assert known is not None
    assert known.pace == pytest.approx(1.0, abs=0.03)
