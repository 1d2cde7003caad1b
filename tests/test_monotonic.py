from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from bark_cli.checkpoint.check import check_config
from bark_cli.checkpoint.fit import unsaid
from bark_cli.errors import ModelError
from bark_cli.model.config import BarkConfig, ReadingConfig
from bark_cli.model.tokenizer import stopped
from bark_cli.model.tokens import Logits
from bark_cli.pipeline import Bark
from bark_cli.stages.monotonic import Reader, unread

RULES = ReadingConfig(cycle=4, n_placed=40, reach=3)  # token 4 k + place; from 40 on they have none
END = 50
TEXT = np.array([7, 8, 9, 10, 11, 12, 13, 14, 15, 16])  # ten letters, none of them twice


def reader(text: np.ndarray = TEXT) -> Reader:
    return Reader(text, RULES, END + 1)


def places(allowed: Logits) -> set[int]:
    """At which places modulo the cycle something may be said."""
    return {token % RULES.cycle for token in range(RULES.n_placed) if allowed[token] > -np.inf}


def test_a_step_goes_to_the_next_letters_and_never_back() -> None:
    reading = Reader(TEXT, dataclasses.replace(RULES, reach=2), END + 1)
    reading.heard([5], is_over=False)  # at letter 1
    assert places(reading.allowed(np.zeros(END + 1, np.float32))) == {1, 2, 3}


def test_nothing_is_read_beyond_the_last_letter_but_the_end_and_what_has_no_place_always_may_come() -> None:
    reading = reader()
    reading.heard([0, 7, 10, 13], is_over=False)  # 0, 3, 6, 9: the last letter
    allowed = reading.allowed(np.zeros(END + 1, np.float32))
    assert places(allowed) == {1}
    assert (allowed[RULES.n_placed :] == 0).all()


def test_what_is_read_once_is_heard_as_it_was_drawn() -> None:
    drawn = [0, 0, 5, 10, 10, 15, 4, 9, 14, 19, 41, 8, 13]
    reading = reader()
    assert [t for token in drawn for t in reading.heard([token], is_over=False)] == []  # still held back
    assert reading.heard([], is_over=True) == drawn


def test_what_is_certain_is_heard_before_the_end() -> None:
    reading = reader()
    assert reading.heard([0] * 40, is_over=False) == [0] * 8
    assert reading.heard([5], is_over=True) == [0] * 32 + [5]


def test_a_stretch_that_is_read_again_is_heard_once() -> None:
    first = [0, 5, 10, 15]  # letters 0 to 3
    rest = [20, 25, 30]  # letters 4 to 6, by other tokens
    reading = reader()
    assert reading.heard([*first, *first, *rest], is_over=True) == [*first, *rest]
    assert places(reading.allowed(np.zeros(END + 1, np.float32))) == {2, 3, 0, 1}, (
        "letters 6 to 9 are still to come"
    )


def test_how_far_it_goes_before_it_returns_is_known_without_going() -> None:
    first = [0, 5, 10, 15]
    reading = reader()
    for drawn in (first, [*first, 20], [*first, *first, 20]):
        count = reading.until_return(drawn)
        assert reading.place.at == 0
        assert count == min(len(drawn), 8)
    reading.heard([*first, *first[:3]], is_over=False)
    assert reading.until_return([15, 20, 25]) == 1
    assert reading.heard([15, 20], is_over=True) == [*first, 20]


def test_a_text_that_says_the_same_again_is_heard_as_often_as_it_stands_there() -> None:
    echo = np.array([7, 8, 9, 10, 7, 8, 9, 10, 11])
    drawn = [0, 5, 10, 15, 0, 5, 10, 15, 20]
    assert reader(echo).heard(drawn, is_over=True) == drawn


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Chapter One", "Chapter One."),
        ("these things:", "these things."),
        ('"Porridge you can eat."', '"Porridge you can eat.'),
        ('"Why?"', '"Why?'),
        ("He went home,", "He went home."),
        ("It is done.", "It is done."),
        ("so it goes...", "so it goes..."),
        ("Ha! [laughs]", "Ha! [laughs]"),
        ("♪ la la ♪", "♪ la la ♪"),
        ('"', '"'),
    ],
)
def test_a_text_ends_in_a_stop_where_the_model_needs_one(text: str, read: str) -> None:
    assert stopped(text, ".!?…") == read
    assert stopped(text, "") == text


def test_nano_reads_no_text_beyond_its_end() -> None:
    nano = Bark.load("nano", device="cpu")
    rules = nano.config.semantic.reading
    assert rules is not None
    for text in ("Chapter One", "He carried the following things in his coat:", '"Porridge you can eat."'):
        tokens = nano.say(text, seed=1).tokens.semantic
        at = 0
        for token in tokens[tokens < rules.n_placed].tolist():
            step = (token - at) % rules.cycle
            assert step <= rules.reach
            at += step
        assert at < nano.model.tokenizer.count([text])[0] + 1, text


@pytest.mark.parametrize(
    "wrong",
    [ReadingConfig(cycle=4, n_placed=40, reach=4), ReadingConfig(cycle=4, n_placed=10**6, reach=3)],
)
def test_a_reading_that_cannot_be_is_refused(wrong: ReadingConfig, tiny_config: BarkConfig) -> None:
    semantic = dataclasses.replace(tiny_config.semantic, reading=wrong)
    with pytest.raises(ModelError):
        check_config(dataclasses.replace(tiny_config, semantic=semantic), Path("here"))


def test_a_configuration_with_a_reading_comes_back_from_its_file(tiny_config: BarkConfig) -> None:
    semantic = dataclasses.replace(tiny_config.semantic, reading=RULES, stops=".!?")
    config = dataclasses.replace(tiny_config, semantic=semantic)
    assert BarkConfig.from_dict(config.to_dict()) == config
    assert BarkConfig.from_dict(tiny_config.to_dict()) == tiny_config


def test_what_another_layout_cannot_say_of_a_reading_is_kept_beside_it(tiny_config: BarkConfig) -> None:
    plain = tiny_config.to_dict()
    semantic = dataclasses.replace(tiny_config.semantic, reading=RULES)
    read = dataclasses.replace(tiny_config, semantic=semantic).to_dict()
    assert unsaid(read, plain) == {"semantic": {"reading": {"cycle": 4, "n_placed": 40, "reach": 3}}}


def test_what_of_a_text_was_never_come_to_is_counted_across_cycles() -> None:
    whole = np.array([0, 5, 10, 15, 4, 9, 41, 14, 19, 20, 25])  # letters 0 to 9, a sound between them
    assert unread(whole, TEXT, RULES) == 0
    assert unread(whole[:6], TEXT, RULES) == 4  # letter 5 of 9
    assert unread(np.array([0, 7, 10]), TEXT, RULES) == 3  # letters were left out, and the last are missing
    assert unread(np.array([41]), TEXT, RULES) == unread(np.empty(0, np.int64), TEXT, RULES) == 9
