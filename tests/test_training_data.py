"""nano's training data: tokens, sentences, alignment, sounds, shards; the teacher's parts need hibari."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from training import units
from training.judge import normalised, word_errors

if sys.version_info < (3, 11):
    pytest.importorskip("tomli", reason="the extra `train` is not installed: tomli reads phrases.toml")

from training import phrases, texts

needs_teacher = pytest.mark.skipif(
    importlib.util.find_spec("hibari") is None, reason="the extra `train` is not installed: no hibari"
)


@pytest.fixture(scope="module")
def teacher():
    from training.teacher import Teacher

    return Teacher(Path("training/data/teacher.onnx"))


def test_every_unit_has_one_id_and_phones_can_be_read_back():
    assert len(set(units.UNITS)) == len(units.UNITS) < 900
    hat = [("h", 0, -1), ("æ", 0, 3), ("æ", 0, 4), ("æ", 1, 4), ("t", 0, -1)]
    row = [units.IDS[units.Unit("phone", *unit)] for unit in hat]
    assert units.phones_of([units.pause("start"), *row, units.pause("end")]) == "hæt"
    # two of the same phone in a row stay two
    assert units.phones_of([row[0], row[0] + 1, row[0]]) == "hh"


def test_the_table_names_every_id(tmp_path):
    units.write_table(tmp_path / "units.json")
    table = json.loads((tmp_path / "units.json").read_text(encoding="utf-8"))
    assert [units.Unit(**table[str(i)]) for i in range(len(table))] == list(units.UNITS)


def test_pitch_bins_rise_with_pitch():
    assert units.pitch_bin(np.asarray([-1.0, -0.01, 0.01, 1.0])).tolist() == [0, 3, 4, units.PITCH_BINS - 1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It’s  “fine”", 'It\'s "fine"'),
        ("Well… no — yes", "Well… no — yes"),
        ("a {b}", None),
        ("naïve", None),
        ("x" * 201, None),
        ('one " quote', None),
    ],
)
def test_texts_are_made_plain_or_left_out(text, expected):
    assert texts.cleaned(text) == expected


def test_sentences_end_at_stops_but_not_after_abbreviations():
    found = texts.sentences('Mr. Bell came. "Why?" he asked. No.')
    assert found == ["Mr. Bell came.", '"Why?" he asked.', "No."]


def test_near_duplicates_of_held_out_sentences_are_found():
    near = texts.Near(["The committee will meet again on Thursday morning."])
    assert near.holds("the committee will meet again on thursday!")
    assert near.holds("So, will meet again on Thursday morning. Good.")
    assert not near.holds("The committee will meet.")


def test_templates_fill_to_the_last_slot_and_repeat_with_their_seed():
    made = list(phrases.everyday(np.random.default_rng(1), 400))
    assert made == list(phrases.everyday(np.random.default_rng(1), 400))
    assert not [text for text in made if "{" in text or "}" in text]
    for template in phrases.TEMPLATES:
        assert texts.cleaned(phrases.filled(template, np.random.default_rng(2))), template


def test_tags_are_put_into_sentences():
    made = list(phrases.with_tags(np.random.default_rng(0), ["I am here.", "He went home."], 50))
    assert all(any(tag in text for tag in phrases.TAG_NAMES) for text in made)


@pytest.mark.parametrize(
    ("wanted", "heard"),
    [
        ("The 2nd of 3, at $5.20!", "the second of three at five dollars twenty"),
        ("It was 1984.", "It was nineteen eighty four"),
        ("12,345 people", "twelve thousand, three hundred and forty-five people"),
        ("Dr. Smith [laughs] came.", "Doctor Smith came"),
        ("50% of it", "Fifty percent of it"),
    ],
)
def test_the_judge_reads_numbers_fairly(wanted, heard):
    assert normalised(wanted) == normalised(heard)


def test_word_errors_count_edits():
    assert word_errors("The cat sat down.", "the cat set down") == (1, 4)
    assert word_errors("The tea cup", "The teacup.") == (0, 3)
    assert word_errors("one", "one and two") == (2, 1)


@needs_teacher
def test_tokens_are_even_and_the_same_in_every_voice(teacher):
    from training.compose import compose, tokens_of
    from training.vocoder import WIDTH, render
    from training.voices import VOICES

    pieces = compose("Well. [sighs] I do not know.", teacher, np.random.default_rng(0))
    tokens = tokens_of(pieces)
    kinds = [units.UNITS[i].kind for i in tokens]
    assert len(tokens) % 2 == 0
    assert units.phones_of(tokens).replace(" ", "") == "wɛlIdunɑtnO"
    # the sigh lies between the two sentences
    assert kinds.index("phone") < kinds.index("sound") < len(kinds) - kinds[::-1].index("phone")
    for voice in VOICES:
        made = render(pieces, voice, np.random.default_rng(0))
        wave = made.wave
        assert made.excitation.shape == (3, len(tokens))
        assert made.envelopes.shape == (len(tokens), WIDTH)
        assert wave.shape == (480 * len(tokens),)
        assert 0.03 < wave.std() < 0.3
        assert np.abs(wave).max() < 0.99


@needs_teacher
def test_pauses_are_quiet_and_vowels_are_loud(teacher):
    from training.compose import compose, tokens_of
    from training.vocoder import render
    from training.voices import VOICES

    pieces = compose(
        "He stopped, looked back and asked: what is the time?", teacher, np.random.default_rng(0)
    )
    tokens = tokens_of(pieces)
    power = (render(pieces, VOICES[0], np.random.default_rng(0)).wave.reshape(len(tokens), -1) ** 2).mean(1)
    vowel = [units.UNITS[i].kind == "phone" and units.UNITS[i].name in units.VOWELS for i in tokens]
    still = tokens < len(units.PAUSES)
    assert still.sum() > 8
    assert np.median(power[vowel]) > 300 * np.median(power[still])
    assert units.pause("comma") in tokens


@needs_teacher
@pytest.mark.parametrize("tag", ["laughs", "sighs", "gasps", "clears throat", "music"])
def test_a_sound_is_heard_and_has_its_own_tokens(teacher, tag):
    from training.sounds import sound
    from training.vocoder import render
    from training.voices import VOICES

    piece = sound(tag, teacher, np.random.default_rng(0))
    wave = render([piece], VOICES[1], np.random.default_rng(0)).wave
    assert 0.3 < len(wave) / 24_000 < 4.0
    assert {units.UNITS[i].kind for i in piece.tokens} == {"music" if tag == "music" else "sound"}
    assert np.sqrt((wave**2).mean()) > 0.01
    in_another = render([piece], VOICES[2], np.random.default_rng(0)).wave
    assert (tag == "music") == np.array_equal(wave, in_another)  # a tune is in tune with every voice


@needs_teacher
def test_shards_are_written_once_and_read_back(tmp_path):
    from training.prepare import load_pairs, load_shards, prepare

    lines = ["Hello there.", "I can speak. [laughs]", "What time is it?"]

    def make() -> float:
        return prepare(
            tmp_path,
            lines,
            hours=0.001,
            voices_each=2,
            pairs=True,
            processes=1,
            seed=0,
            graph=Path("training/data/teacher.onnx"),
        )

    assert make() > 0
    assert make() == 0.0
    corpus, pairs = load_shards(tmp_path), load_pairs(tmp_path)
    assert sorted(pairs.texts) == sorted(lines)
    assert len(corpus) == 6
    for i in range(len(corpus)):
        assert len(corpus.samples(i)) == 480 * len(corpus.tokens(i))
        same = pairs.tokens(pairs.texts.index(corpus.texts[i]))
        assert (corpus.tokens(i) == same).all()
