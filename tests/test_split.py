from __future__ import annotations

import random
import re
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from paragraphs import PARAGRAPHS, joint

from bark_cli.text.split import LANGUAGES, Break, Budget, Part, estimate_seconds, language_of, split_text
from bark_cli.text.split.atoms import atoms, finer, is_tag, joins
from bark_cli.text.split.sentences import paragraphs, sentence_ends


def by_letters(words: Sequence[str], _: str = "") -> list[int]:
    """A tokenizer of sorts: a token for every three characters."""
    return [(len(word) + 2) // 3 for word in words]


WIDE = Budget(max_tokens=256, count_tokens=by_letters)
NARROW = Budget(max_tokens=8, count_tokens=by_letters, max_seconds=2.0, target_seconds=1.5)


def by_words(max_words: int, target: int | None = None) -> Budget:
    """A budget of words, for which a word is a second."""
    return Budget(
        max_tokens=10**6,
        count_tokens=by_letters,
        max_seconds=max_words,
        target_seconds=target or max_words,
        seconds=lambda word, language: float(any(map(str.isalnum, word))),
    )


def cut(text: str, budget: Budget, language: str = "en") -> list[str]:
    pieces = split_text(text, budget=budget, language=language)
    assert "".join(piece.text for piece in pieces) == text
    return [piece.text.strip() for piece in pieces]


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_of_every_language_are_found(language: str) -> None:
    sentences = PARAGRAPHS[language]
    text = joint(language).join(sentences)
    ends = sentence_ends(text, language)
    assert [text[a:b].strip() for a, b in zip([0, *ends], ends, strict=False)] == sentences
    assert cut(text, by_words(10**6), language) == [text]
    one_each = Budget(max_tokens=10**6, count_tokens=by_letters, max_seconds=1000, target_seconds=0.01)
    assert cut(text, one_each, language) == sentences


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("これは本です。", "ja"),
        ("이것은", "ko"),
        ("这是书。", "zh"),
        ("यह", "hi"),
        ("Это", "ru"),
        ("Это", "ru-RU"),
        ("Hallo", "de-AT"),
        ("Olá", "pt_BR"),
    ],
)
def test_the_language_is_the_one_named_or_that_of_the_script(text: str, language: str) -> None:
    named = language if "-" in language or "_" in language else None
    assert language_of(text, named) == language[:2]
    assert language_of("hello", "xx") == "en"


ALPHABET = [
    *"aZ é.,;:!?\n\r\t\0[]♪—…-'\"«»“”()1 0",
    *("[laughs]", "[[a] b]", "♪ la la ♪", "1,000.50", "3:45", "1.5s", "a@b.org", "https://x.y/z?q=1"),
    *(
        "👨‍👩‍👧",
        "🇩🇪",
        "👍🏽",
        "e\u0301",
        "क्षि",
        "שָׁלוֹם",
        "مرحبا",
        "\u202e",
        "中文，",
        "「日本」",
        "한국",
        "\u1112\u1161\u11ab",
    ),
    *("\ud800", "\u2029", "\n\n", "   ", "Dr. ", "z. B. ", "word ", "word ", "longerwordthanusual "),
]


def is_sound(text: str, pieces: Sequence[Part], budget: Budget) -> None:
    """What must hold of all pieces of any text."""
    assert "".join(piece.text for piece in pieces) == text
    at = 0
    for piece in pieces:
        assert piece.start == at
        assert piece.text
        at += len(piece.text)
        if piece.tokens > budget.max_tokens or piece.seconds > budget.max_seconds + 1e-6:
            assert len(finer(piece.text)) == 1  # one tag, or one grapheme
    for before, after in pairwise(pieces):
        assert not joins(before.text[-1], after.text[0])
        assert before.after < Break.END
    assert [piece.after for piece in pieces[-1:]] == [Break.END] * bool(pieces)
    edges = {piece.start for piece in pieces}
    for tag in re.finditer(r"\[[^\[\]]{1,64}\]", text):
        inside = range(tag.start() + 1, tag.end())
        if (
            is_tag(tag.group())
            and not any("\n" in text[i] or "\u2029" in text[i] for i in inside)
            and "♪" not in text
        ):
            assert edges.isdisjoint(inside)


def test_ten_thousand_random_texts_lose_nothing() -> None:
    draw = random.Random(5)
    for n in range(10_000):
        text = "".join(draw.choices(ALPHABET, k=draw.randrange(25)))
        budget = NARROW if n % 3 else WIDE
        is_sound(text, split_text(text, budget=budget, language=draw.choice([None, *LANGUAGES])), budget)


@example("000000 \u03000")
@given(st.text())
def test_any_text_loses_nothing(text: str) -> None:
    is_sound(text, split_text(text, budget=NARROW), NARROW)


def test_a_text_slightly_too_long_becomes_two_halves() -> None:
    words = [f"w{n}" for n in range(44)]
    lengths = [len(piece.split()) for piece in cut(" ".join(words), by_words(40))]
    assert len(lengths) == 2
    assert min(lengths) >= 18


def test_a_long_sentence_is_cut_at_its_clauses() -> None:
    text = "When the sun had gone down behind the hill, the old man took his lamp, and he climbed the stairs."
    assert cut(text, by_words(12)) == [
        "When the sun had gone down behind the hill,",
        "the old man took his lamp, and he climbed the stairs.",
    ]


def test_no_piece_is_two_words_though_a_comma_offers_it() -> None:
    text = "the man who came in from the cold and sat beside the fire was glad to be here, he said."
    assert min(len(piece.split()) for piece in cut(text, by_words(17))) > 4


def test_short_sentences_are_joined_up_to_the_target_and_paragraphs_stay_apart() -> None:
    text = "One two three. Four five six. Seven eight nine. Ten eleven twelve.\n\nNext one here.\n \nLast."
    pieces = split_text(text, budget=by_words(20, target=6), language="en")
    assert [(piece.text.strip(), piece.after) for piece in pieces] == [
        ("One two three. Four five six.", Break.SENTENCE),
        ("Seven eight nine. Ten eleven twelve.", Break.PARAGRAPH),
        ("Next one here.", Break.PARAGRAPH),
        ("Last.", Break.END),
    ]


def test_a_two_word_sentence_joins_its_neighbour_beyond_the_target() -> None:
    text = "One two three four five six. He left."
    assert cut(text, by_words(20, target=6)) == [text]


@pytest.mark.parametrize(
    "whole",
    [
        "[clears throat]",
        "♪ la la la. La la la, la ♪",
        "1,000.50",
        "3:45",
        "1.5s",
        "1 000 000,50",
        "a.b@c-d.org",
        "https://x.org/a,b.c?d=1",
        "１，０００．５０",
    ],
)
@pytest.mark.parametrize("budget", [by_words(3), by_words(2), by_words(1)])
def test_what_belongs_together_is_never_cut(whole: str, budget: Budget) -> None:
    text = f"One two three, four {whole} five six. Seven {whole} eight nine ten"
    assert sum(whole in piece for piece in cut(text, budget)) == 2


def test_numbers_and_graphemes_stay_whole_within_a_word_that_is_cut() -> None:
    budget = Budget(max_tokens=4, count_tokens=lambda words, _: [len(word) for word in words])
    pieces = cut("abcdefghi12.5jkl" + "e\u0301" * 4, budget)
    assert any("12.5" in piece for piece in pieces)
    assert not any(piece.startswith("\u0301") for piece in pieces)
    family = "👨\u200d👩\u200d👧"
    assert cut(family * 2, budget) == [family, family]
    assert {len(piece) % 2 for piece in cut("🇩🇪🇫🇷🇮🇹" * 3, budget)} == {0}  # a flag is two letters


def test_lyrics_longer_than_a_piece_are_cut_between_words() -> None:
    budget = Budget(max_tokens=4, count_tokens=lambda words, _: [len(word.split()) for word in words])
    assert cut("♪ one two three four five six ♪", budget) == ["♪ one two three", "four five six ♪"]


def test_a_number_longer_than_a_piece_is_cut_after_all() -> None:
    budget = Budget(max_tokens=4, count_tokens=lambda words, _: [len(word) for word in words])
    assert {len(piece) for piece in cut("1" * 20, budget)} == {4}


def test_japanese_is_cut_behind_particles_and_never_before_a_mark() -> None:
    text = "昨日の夜遅くに古い駅の前で小さな犬が雨の中を歩いていたのを見た人は誰もいなかった、と彼は言った。"
    pieces = cut(
        text, Budget(max_tokens=18, count_tokens=lambda words, _: [len(word) for word in words]), "ja"
    )
    assert len(pieces) >= 3
    assert not any(piece[0] in "、。っゃゅょー" for piece in pieces)


def test_a_tag_of_any_length_over_the_budget_stays_whole() -> None:
    assert cut("a [clears throat] b", Budget(max_tokens=1, count_tokens=by_letters)) == [
        "a",
        "[clears throat]",
        "b",
    ]
    assert is_tag("[laughs] ")
    assert not is_tag("[" + "a" * 100 + "]")


def test_empty_and_blank_texts() -> None:
    assert split_text("", budget=WIDE) == []
    (blank,) = split_text(" \n\n ", budget=WIDE)
    assert not blank.has_words
    assert [piece.has_words for piece in split_text("Hi.\n\n***\n\n[laughs]", budget=WIDE)] == [
        True,
        False,
        True,
    ]


@pytest.mark.parametrize("text", ["a\n\nb\n", "\n\n a\r\n\r\nb\u2029\u2029c", "", " \n "])
def test_paragraphs_joined_are_the_text(text: str) -> None:
    blocks = paragraphs(text)
    assert "".join(blocks) == text
    assert all(block.strip() for block in blocks) or len(blocks) == 1
    assert all("".join(atoms(block)) == block for block in blocks)


def test_every_word_is_counted_once_and_every_full_piece_again() -> None:
    seen: list[list[str]] = []

    def count(words: Sequence[str], _: str) -> list[int]:
        seen.append(list(words))
        return [len(word.split()) for word in words]

    text = "the dog and the cat and the cow. " * 500
    pieces = split_text(text, budget=Budget(max_tokens=50, count_tokens=count))
    assert [sorted(seen[0]), seen[1:]] == [
        sorted({"the", "dog", "and", "cat", "cow."}),
        [[piece.text.strip() for piece in pieces]],
    ]


def test_words_that_are_longer_together_are_cut_as_they_are_together() -> None:
    def count(texts: Sequence[str], _: str = "") -> list[int]:  # reads 5 km/h as five kilometers per hour
        return [len(text.split()) + 20 * len(re.findall(r"\d km/h", text)) for text in texts]

    text = "It runs at " + ", then ".join(f"{n} km/h" for n in range(3, 13)) + ".\n\nThis is short."
    pieces = split_text(text, budget=Budget(max_tokens=60, count_tokens=count))
    assert "".join(piece.text for piece in pieces) == text
    assert [piece.tokens for piece in pieces] == count([piece.text for piece in pieces])
    assert max(piece.tokens for piece in pieces) <= 60
    assert len(pieces) == 6
    assert pieces[-1].text == "This is short."
    assert pieces[-2].after == Break.PARAGRAPH


def steps(call: Callable[[], Any]) -> int:
    """Functions called, Python's and C's: what takes time, without a clock."""
    n = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal n
        n += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        call()
    finally:
        sys.setprofile(None)
    return n


HOSTILE = [
    "a.",
    "[",
    "♪",
    " ",
    "1,",
    "a",
    "[a",
    "[[a]",
    '"',
    "«",
    "“",
    "「",
    "中",
    "a, ",
    "a\n\n",
    "—",
    "1 000 ",
    "\u0301",
    "🇩🇪",
]


@pytest.mark.parametrize("family", HOSTILE)
def test_time_grows_with_the_length_and_no_faster(family: str) -> None:
    def work(n: int) -> int:
        return steps(lambda: split_text(family * (n // len(family)), budget=WIDE, language="en"))

    assert work(12_000) < 6 * work(3_000) + 1000


@pytest.mark.timeout(120)  # each takes half a second; were one of them quadratic, hours
@pytest.mark.parametrize("family", ["«", "a.", " ", "[", "♪", "「", "1 000 "])
def test_a_hundred_thousand_hostile_characters_come_to_an_end(family: str) -> None:
    text = family * (100_000 // len(family))
    assert "".join(piece.text for piece in split_text(text, budget=WIDE, language="en")) == text


def test_seconds_are_those_of_reading_aloud() -> None:
    read = "The north wind and the sun were disputing which was the stronger, when a traveler came along."
    assert 4.5 < estimate_seconds(read, "en") < 8
    assert estimate_seconds("[pause 1.5s]") == 1.5
    assert estimate_seconds("[pause 800 ms][laughs]") == pytest.approx(1.8)
    assert estimate_seconds("北风和太阳") == pytest.approx(1.25)
    assert estimate_seconds("1234") > estimate_seconds("abcd")
    assert estimate_seconds(" \n*") == 0
