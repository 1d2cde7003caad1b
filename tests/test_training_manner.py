"""CAPITALS and notes: which words are meant, how they are said, and what the tokenizer tells of them."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest

from training import manner
from training.compose import BREAK
from training.evaluation.manners import has_weight, of_word, weighed
from training.phrases import emphatic, sung
from training.reading import spelled_out
from training.teacher import LAG, MEDIAN_F0, Frames
from training.vocabulary import CLASS_OF, PLACES, build_tokenizer, layout

PHONEMES = "ˌI ɹˈiᵊli ɡˌO."  # I really go.


def frames_of(count: int) -> Frames:
    """Frames that tell their own number."""
    number = np.arange(count, dtype=np.float32)
    spectrum = np.repeat(number[None], 601, axis=0)
    return Frames(spectrum, spectrum.copy(), np.full(count, MEDIAN_F0, np.float32))


def durations_of(phonemes: str, each: int = 6) -> np.ndarray:
    return np.full(len(phonemes) + 2, each, np.int64)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("I REALLY want it.", "I *REALLY want it."),
        ('NO! It\'s NOT, "SO" (DO IT).', '*NO! It\'s *NOT, "*SO" (*DO IT).'),
        ("I'M sure, DON'T go.", "*I'M sure, *DON'T go."),
        ("NASA, TV and the BBC at 5 PM", "NASA, TV and the BBC at 5 PM"),
        ("MAN: Hello. WOMAN: HELLO.", "MAN: Hello. WOMAN: *HELLO."),
        ("McDONALD and TVs, A plan, 5BN", "McDONALD and TVs, A plan, 5BN"),
        ("*stars* are not STARS", "stars are not *STARS"),
    ],
)
def test_words_in_capitals_are_marked_and_the_tokenizer_marks_the_same(text: str, wanted: str) -> None:
    assert manner.marked(text) == wanted
    tokens = build_tokenizer().encode(text, add_special_tokens=False).tokens
    strong = [after for mark, after in pairwise(tokens) if mark == "*"]
    assert strong == [word[0].lower() for word in re.findall(r"\*(\w+)", wanted)]
    assert "".join(token.removeprefix("##") for token in tokens) == re.sub(
        r"\s", "", spelled_out(wanted).lower()
    )


def test_tags_notes_and_hesitations_break_a_text_a_marked_word_behind_them_too() -> None:
    text = manner.marked("Well... NO. [clears throat] ♪ La — la ♪ Yes…")
    assert BREAK.split(text) == [
        "Well", "... ", "*NO. ", "[clears throat]", " ", "♪", " La ", "— ", "la ", "♪", " Yes…",
    ]  # fmt: skip


def test_the_marks_are_found_again_word_by_word() -> None:
    text = manner.marked("I REALLY go. So DO I!")
    assert manner.unmarked(text) == "I really go. So do I!"
    assert manner.strong_words(text, [PHONEMES, "sˌO dˈu ˌI!"]) == [[1], [1]]
    # a text whose words are not one by one the phonemes' tells nothing
    assert manner.strong_words("well-known *THINGS", ["wˈɛl nˈOn θˈɪŋz"]) == [[]]


def test_a_strong_word_is_longer_higher_and_louder_and_no_other() -> None:
    durations = durations_of(PHONEMES)
    frames = frames_of(int(durations.sum()))
    moved, lengths = manner.emphasised(PHONEMES, frames, durations, [1])
    start, stop = manner.word_spans(PHONEMES)[1]
    strong = np.arange(len(durations)) - 1
    strong = (strong >= start) & (strong < stop)
    assert lengths[strong].sum() == round(manner.STRONG_LENGTH * durations[strong].sum())
    assert (lengths[~strong] == durations[~strong]).all()
    assert len(moved.f0) == lengths.sum()
    weight = np.repeat(strong, lengths)[LAG:]
    inner = np.convolve(weight, np.ones(9), mode="same") == 9
    outer = np.convolve(weight, np.ones(9), mode="same") == 0
    f0 = moved.f0[: len(weight)]
    np.testing.assert_allclose(f0[inner], MEDIAN_F0 * np.exp(manner.STRONG_PITCH), rtol=1e-4)
    np.testing.assert_allclose(f0[outer], MEDIAN_F0, rtol=1e-4)
    # frames come in order, each about once outside the word; louder in it
    steps = np.diff(moved.noise[0, : len(weight)])
    assert inner.any()
    assert outer.any()
    assert set(steps[outer[:-1] & outer[1:]].tolist()) == {1.0}
    assert moved.noise[0, -1] == len(frames.f0) - 1


def test_without_strong_words_nothing_moves() -> None:
    durations = durations_of(PHONEMES)
    frames = frames_of(int(durations.sum()))
    assert manner.emphasised(PHONEMES, frames, durations, [])[0] is frames


def test_what_is_sung_has_long_vowels_and_a_note_a_word() -> None:
    durations = durations_of(PHONEMES)
    frames = frames_of(int(durations.sum()))
    frames.f0[:10] = 0
    moved, lengths = manner.sung(PHONEMES, frames, durations)
    vowel = f" {PHONEMES} ".index("i")
    assert lengths[vowel] == 12
    assert lengths.sum() == len(moved.f0) > 1.2 * durations.sum()
    ends = np.cumsum(lengths) - LAG
    for number, (start, stop) in enumerate(manner.word_spans(PHONEMES)):
        note = moved.f0[ends[start] : ends[stop]]
        semitones = 12 * np.log2(np.median(note[note > 0]) / MEDIAN_F0)
        assert abs(semitones - manner.TUNE[number]) < 0.3
    assert (moved.f0[:10] == 0).all()  # what has no voice gets none


def test_the_evaluation_finds_weight_in_the_words_own_tokens() -> None:
    table, tokenizer = layout(), build_tokenizer()
    [item, other] = weighed(["I really want some tea.", "No.", "They never came."], tokenizer)
    assert item.strong == "I REALLY want some tea."
    assert item.span == (1, 7)
    assert other.strong == "They never CAME."
    vowel = CLASS_OF["phone", "i", 0]

    def said(length: int, pitch: int, mark: int) -> np.ndarray:
        """A token for each character, `length` for each of the word's."""
        at = np.concatenate([[0], np.repeat(np.arange(1, 7), length) + mark, np.arange(7, 18) + mark])
        inside = (at >= 1 + mark) & (at < 7 + mark)
        pitches = np.where(inside, pitch, 1)
        factors = [np.full(len(at), vowel), pitches, np.zeros(len(at), int), at % PLACES]
        return table.ids(np.stack(factors, 1))

    plain = said(2, 1, 0)
    assert of_word(plain, item.span, table) == (12, 1.0)
    assert has_weight(item, plain, said(3, 2, 1), table)
    assert not has_weight(item, plain, said(2, 2, 1), table)  # no longer
    assert not has_weight(item, plain, said(3, 0, 1), table)  # lower


def test_a_word_or_two_of_a_sentence_stand_in_capitals_and_no_tag() -> None:
    random = np.random.default_rng(0)
    texts = ["I [sighs] do not know what you mean by that, Anna.", "[laughs]", "A B."]
    made = [[emphatic(text, random) for _ in range(20)] for text in texts]
    assert set(made[1]) | set(made[2]) == {"[laughs]", "A B."}
    for text in made[0]:
        assert text.lower() == texts[0].lower()
        assert "[sighs]" in text
        assert 1 <= manner.marked(text).count("*") <= 2
    assert len(set(made[0])) > 5


def test_songs_stand_between_two_notes() -> None:
    long = "This one is far too long to be sung by anyone in one single breath of air."
    songs = list(sung(["We sing.", "[laughs] No.", long, "Come here."], 40, np.random.default_rng(0)))
    assert len(songs) == 40
    assert all(song.count("♪") == 2 and re.search(r"♪ (We sing|Come here)\.? ♪", song) for song in songs)
    assert any(song.startswith("♪") and song.endswith("♪") for song in songs)
    assert any(song.endswith("♪ Come here.") for song in songs)
