"""Lines become pieces that fit the model, each with its voice, seed and pause."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import bark_cli
from bark_cli.errors import TextError
from bark_cli.model.config import BarkConfig
from bark_cli.model.published import config_in
from bark_cli.model.spelling import Loss
from bark_cli.model.tokenizer import BarkTokenizer
from bark_cli.narration.compose import budget, compose
from bark_cli.narration.narrate import Narration, piece_seed
from bark_cli.narration.recipe import Recipe
from bark_cli.text.script import Line, Script
from bark_cli.text.split import Budget

LONG = "This is the first sentence of many. And this is another one, which is a little longer. " * 4


LIMITS = Budget(
    max_tokens=20, count_tokens=lambda words, _: [1] * len(words), max_seconds=4.0, target_seconds=1.2
)


def made(*lines: Line | str, seed: int = 5, **recipe: Any) -> Narration:
    given = tuple(Line(text=line) if isinstance(line, str) else line for line in lines)
    cast = {line.speaker: line.speaker for line in given if line.speaker is not None}
    return compose(Script(lines=given, cast=cast), Recipe(**recipe), LIMITS, seed=seed)


def test_the_budget_is_the_models(tiny_config: BarkConfig) -> None:
    limits = budget(tiny_config, lambda words: [1] * len(words))
    assert limits.max_tokens == tiny_config.semantic.max_text_tokens
    assert limits.target_seconds < limits.max_seconds < tiny_config.semantic.max_new_tokens / 50


def test_a_short_text_is_one_piece_with_the_manners_seed() -> None:
    narration = made("hello", voice="ann")
    [piece] = narration.pieces
    assert (piece.text, piece.seed, piece.voice, piece.pause_s) == ("hello", 5, "ann", 0.0)


def test_no_text_is_lost_and_seeds_differ() -> None:
    pieces = made(LONG).pieces
    assert "".join(piece.text for piece in pieces) == LONG
    assert [piece.seed for piece in pieces] == [piece_seed(5, i) for i in range(len(pieces))]


def test_pauses_are_those_of_sentences_and_paragraphs() -> None:
    text = "Yes it is so. No it is not.\n\nWhy is it so?\n\n* * *\n\nBecause."
    narration = made(text, pause_s=0.25, paragraph_pause_s=2.0)
    said = {piece.text.strip(): piece.pause_s for piece in narration.pieces}
    assert said == {"Yes it is so.": 0.25, "No it is not.": 2.0, "Why is it so?": 2.0, "Because.": 0.0}
    assert narration.estimate_s == pytest.approx(sum(piece.estimate_s for piece in narration.pieces) + 4.25)


def test_lines_bring_voices_pauses_and_times() -> None:
    lines = [
        Line(text="Hello.", speaker="ben", pause_after_s=1.5),
        Line(text="Yes."),
        Line(text="Bye.", begin_s=9.0, pause_after_s=0.75),
    ]
    pieces = made(*lines, voice="ann").pieces
    assert [piece.voice for piece in pieces] == ["ben", "ann", "ann"]
    assert [piece.pause_s for piece in pieces] == [1.5, 0.5, 0.75]
    assert [piece.begin_s for piece in pieces] == [None, None, 9.0]


def test_silence_until_a_subtitle_is_expected_and_none_where_speech_is_late() -> None:
    lines = [Line(text="Hello.", begin_s=1.0), Line(text="Yes.", begin_s=9.0), Line(text=LONG, begin_s=9.1)]
    narration = made(*lines, pause_s=0.25)
    late = narration.pieces[1:]
    pauses = sum(piece.pause_s for piece in late[1:])
    expected = 9.0 + sum(piece.estimate_s for piece in late) + pauses
    assert narration.estimate_s == pytest.approx(expected)


def test_a_pause_at_the_beginning_is_kept() -> None:
    pause = Line(text="", pause_after_s=2.0)
    first, second = made(pause, "Hello.", Line(text="Bye.", begin_s=9.0)).pieces
    assert (first.begin_s, second.begin_s) == (2.0, 9.0)
    [late] = made(pause, Line(text="Bye.", begin_s=9.0)).pieces
    assert late.begin_s == 9.0


@pytest.mark.parametrize("text", ["", " \n ", "***\n\n---"])
def test_nothing_to_say_is_an_error(text: str) -> None:
    with pytest.raises(TextError, match="nothing to say; give some words"):
        made(text)


def nano(*lines: Line | str, left_out: tuple[str, ...] = ()) -> Narration:
    """As the bundled model would say it."""
    folder = Path(bark_cli.__file__).parent / "assets" / "nano"
    config = config_in(folder)
    tokenizer = BarkTokenizer.from_file(folder / "tokenizer.json", config.semantic)
    given = tuple(Line(text=line) if isinstance(line, str) else line for line in lines)
    limits = budget(config, tokenizer.count, tokenizer.loss)
    narration = compose(Script(lines=given), Recipe(), limits, seed=5, left_out=left_out)
    assert max(piece.tokens for piece in narration.pieces) <= limits.max_tokens
    return narration


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("My card is 4929776543217788 now.", "My card is 4 9 2 9, 7 7 6 5, 4 3 2 1, 7 7 8 8 now."),
        ("In 1987 it cost $1,234.", "In 1987 it cost $1,234."),
        ("Say 1,000,000,000,000,000,000 so.", "Say 1, 0 0 0, 0 0 0, 0 0 0, 0 0 0, 0 0 0, 0 0 0 so."),
        ("Pi is 3.1415926535897932384626.", "Pi is 3.1 4 1 5, 9 2 6 5, 3 5 8 9, 7 9 3 2, 3 8 4 6, 2 6."),
    ],
)
def test_a_number_too_long_for_words_is_read_digit_by_digit(text: str, said: str) -> None:
    assert "".join(piece.text for piece in nano(text).pieces) == said


@pytest.mark.parametrize(
    "text",
    [
        "It cost [between $1,234,567.89 and $9,876,543.21, in 1987] in all.",
        "DE89370400440532013000 and 978-3-16-148410-0.",
        "Id 550e8400-e29b-41d4-a716-446655440000, at 2001:0db8:85a3:0000:0000:8a2e:0370:7334.",
        "See https://example.com/a/very/long/path?with=123456789012345678901234567890&and=987654321 there.",
        "1234567890" * 30,
        "7,777,777.77," * 30,
        "[" + "seven hundred and seventy seven " * 8 + "]",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" * 3,
    ],
)
def test_what_is_long_is_cut_within_the_models_limit(text: str) -> None:
    narration = nano(text)
    assert narration.told is None


def test_what_cannot_be_read_is_skipped_with_its_line_and_the_rest_is_said() -> None:
    narration = nano("Hello 😀 there.\n\nПривет, мир.\n\nAnd Пётр, too. ❤ ❤", left_out=("2 tables",))
    assert [p.text.strip() for p in narration.pieces] == ["Hello 😀 there.", "And Пётр, too. ❤ ❤"]
    assert narration.pieces[0].pause_s == 0.5
    assert narration.told == (
        'left out: 2 tables; what this model has no letters for (line 3: "Привет, мир."); '
        "what it does not know: 😀, ❤; read in Latin letters: Пётр"
    )


def test_a_text_of_nothing_that_can_be_read_is_an_error_with_its_line() -> None:
    with pytest.raises(TextError, match=r'nothing this model can read \(line 7: "Привет'):
        nano(Line(text="Привет, мир.", number=7))
    with pytest.raises(TextError, match=r"nothing to say \(left out: a table\)"):
        nano("* * *", left_out=("a table",))


def test_what_even_digit_by_digit_does_not_fit_is_left_out_with_its_line() -> None:
    limits = Budget(
        max_tokens=3, count_tokens=lambda words, _: [1 + 9 * ("[laughs]" in word) for word in words]
    )
    script = Script(lines=(Line(text="Yes, it\nis. [laughs] No.", number=4),))
    narration = compose(script, Recipe(), limits, seed=5)
    assert narration.told == ('left out: what cannot be cut into pieces for this model (line 5: "[laughs]")')
    with pytest.raises(TextError, match=r'line 1: "\[laughs\]" cannot be cut into pieces'):
        compose(Script(lines=(Line(text="[laughs]"),)), Recipe(), limits, seed=5)


@pytest.mark.parametrize(
    ("recipe", "language"),
    [
        (Recipe(), ["en", "ja", "fr"]),
        (Recipe(voice="v2/de_speaker_1"), ["de", "de", "fr"]),
        (Recipe(voice="v2/de_speaker_1", language="es"), ["es", "es", "es"]),
    ],
)
def test_a_line_is_in_its_voices_language_unless_one_is_given(recipe: Recipe, language: list[str]) -> None:
    """And all that is asked of the tokenizer is asked in that language."""
    asked = list[str]()

    def count(words: Sequence[str], language: str) -> list[int]:
        asked.append(language)
        return [1] * len(words)

    def loss(_: str, language: str) -> Loss:
        asked.append(language)
        return Loss()

    limits = Budget(max_tokens=20, count_tokens=count, loss=loss)
    lines = (Line(text="x ≤ 5"), Line(text="これは≤です"), Line(text="x ≤ 5", speaker="A"))
    script = Script(lines=lines, cast={"A": "v2/fr_speaker_2"})
    pieces = compose(script, recipe, limits, seed=5).pieces
    assert [piece.language for piece in pieces] == language
    assert list(dict.fromkeys(asked)) == list(dict.fromkeys(language))
