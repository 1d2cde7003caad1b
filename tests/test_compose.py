"""Lines become pieces that fit the model, each with its voice, seed and pause."""

from __future__ import annotations

from typing import Any

import pytest

from bark_cli.errors import TextError
from bark_cli.model.config import BarkConfig
from bark_cli.narration.compose import Composition, Line, Manner, budget, compose
from bark_cli.narration.narrate import piece_seed
from bark_cli.text.split import Budget

LONG = "This is the first sentence of many. And this is another one, which is a little longer. " * 4


LIMITS = Budget(
    max_tokens=20, count_tokens=lambda words: [1] * len(words), max_seconds=4.0, target_seconds=1.2
)


def made(*lines: Line | str, **manner: Any) -> Composition:
    given = [Line(text=line) if isinstance(line, str) else line for line in lines]
    return compose(given, Manner(**{"seed": 5, **manner}), LIMITS)


def test_the_budget_is_the_models(tiny_config: BarkConfig) -> None:
    limits = budget(tiny_config, lambda words: [1] * len(words))
    assert limits.max_tokens == tiny_config.semantic.max_text_tokens
    assert limits.target_seconds < limits.max_seconds < tiny_config.semantic.max_new_tokens / 50


def test_a_short_text_is_one_piece_with_the_manners_seed() -> None:
    composition = made("hello", voice="ann")
    [piece] = composition.narration.pieces
    assert (piece.text, piece.seed, piece.voice, piece.pause_s) == ("hello", 5, "ann", 0.0)


def test_no_text_is_lost_and_seeds_differ() -> None:
    pieces = made(LONG).narration.pieces
    assert "".join(piece.text for piece in pieces) == LONG
    assert [piece.seed for piece in pieces] == [piece_seed(5, i) for i in range(len(pieces))]


def test_pauses_are_those_of_sentences_and_paragraphs() -> None:
    text = "Yes it is so. No it is not.\n\nWhy is it so?\n\n* * *\n\nBecause."
    composition = made(text, pause_s=0.25, paragraph_pause_s=2.0)
    said = {piece.text.strip(): piece.pause_s for piece in composition.narration.pieces}
    assert said == {"Yes it is so.": 0.25, "No it is not.": 2.0, "Why is it so?": 2.0, "Because.": 0.0}
    assert composition.estimate_s == pytest.approx(sum(composition.seconds) + 4.25)


def test_lines_bring_voices_pauses_and_times() -> None:
    lines = [
        Line(text="Hello.", voice="ben", pause_s=1.5),
        Line(text="Yes."),
        Line(text="Bye.", begin_s=9.0, pause_s=0.75),
    ]
    pieces = made(*lines, voice="ann").narration.pieces
    assert [piece.voice for piece in pieces] == ["ben", "ann", "ann"]
    assert [piece.pause_s for piece in pieces] == [1.5, 0.5, 0.75]
    assert [piece.begin_s for piece in pieces] == [None, None, 9.0]


def test_a_pause_at_the_beginning_is_kept() -> None:
    pause = Line(text="", pause_s=2.0)
    first, second = made(pause, "Hello.", Line(text="Bye.", begin_s=9.0)).narration.pieces
    assert (first.begin_s, second.begin_s) == (2.0, 9.0)
    [late] = made(pause, Line(text="Bye.", begin_s=9.0)).narration.pieces
    assert late.begin_s == 9.0


@pytest.mark.parametrize("text", ["", " \n ", "***\n\n---"])
def test_nothing_to_say_is_an_error(text: str) -> None:
    with pytest.raises(TextError, match="nothing to say; give some words"):
        made(text)
