"""nano's training data: tokens, sentences, alignment, sounds, shards; the teacher's parts need hibari."""

from __future__ import annotations

import importlib.util
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from training import books, phrases, texts, units
from training.judge import normalised, word_errors
from training.prepare import _write
from training.shards import parts

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


def test_parts_are_of_the_lengths_or_refused():
    pieces = parts(np.arange(10).reshape(2, 5), np.array([2, 3]), axis=1)
    assert [piece.tolist() for piece in pieces] == [[[0, 1], [5, 6]], [[2, 3, 4], [7, 8, 9]]]
    with pytest.raises(ValueError, match="5 rows do not make 2 parts of 6"):
        parts(np.arange(5), np.array([2, 4]))


def test_a_shard_that_is_made_anew_takes_what_was_made_of_it_away(tmp_path):
    for name in (
        "aligned-audio-00001",
        "codes-00001",
        "expected-00001",
        "aligned-pairs-00001",
        "codes-00002",
    ):
        (tmp_path / f"{name}.npz").touch()
    _write(tmp_path / "audio-00001.npz", ["Hi."], [np.zeros(9, np.int16)], [0])
    assert {f.name for f in tmp_path.iterdir()} == {
        "audio-00001.npz", "aligned-pairs-00001.npz", "codes-00002.npz",
    }  # fmt: skip


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


NAMES = {
    "town": ["Oulu", "San Marino"], "surname": ["Curie"], "worker": ["abbot"], "workers": ["abbots"],
    "animal": ["otter"], "animals": ["otters"], "artifact": ["abbey"], "plural": ["abbeys"],
}  # fmt: skip


def test_lines_are_as_books_have_them():
    slots = {name: ["fox"] for name in ("town", "surname", "worker", "animal", "artifact", "plural")}
    plain = ["The fox went home.", "It rained all day, and nobody came."]
    made = list(books.lines(plain, 700, np.random.default_rng(0), slots))
    assert made == list(books.lines(plain, 700, np.random.default_rng(0), slots))
    assert all(line.strip() and "{" not in line for line in made)
    assert sum(line.startswith('"') for line in made) > 100
    assert sum(line[-1].isalnum() for line in made) > 100, "headings and open ends"
    assert sum(line.endswith((":", ";", ",")) for line in made) > 20
    assert sum("Chapter" in line for line in made) > 10


def test_reports_fill_to_the_last_slot_with_names_and_numbers():
    made = list(phrases.reports(np.random.default_rng(1), 400, NAMES))
    assert made == list(phrases.reports(np.random.default_rng(1), 400, NAMES))
    assert not [text for text in made if "{" in text or "}" in text]
    assert sum(any(c.isdigit() for c in text) for text in made) > 300
    assert all(any(name in text for text in made) for name in ("Oulu", "Curie", "otters", "abbeys"))
    for template in phrases.REPORTS:
        filled = phrases.filled(template, np.random.default_rng(2), phrases.REPORT_SLOTS | NAMES)
        assert texts.cleaned(filled), template


def test_no_training_text_may_come_near_the_sentences_that_judge():
    own = texts.own_sentences()
    assert len(own) == 120
    near = texts.Near(own)
    assert all(near.holds(text) for text in own)


def test_names_and_common_nouns_are_read_from_wordnet(tmp_path: Path):
    (tmp_path / "data.noun").write_text(
        "  1 a licence\n"
        "08840657 15 n 01 San_Marino 0 002 @i 08691669 n 0000 | a republic\n"
        "08840658 15 n 01 danger 0 002 @ 08497294 n 0000 | a dangerous place\n"
        "11061734 18 n 02 Marie_Curie 0 Curie 0 001 @i 1 n 0000 | a chemist\n"
    )
    (tmp_path / "cntlist.rev").write_text(
        "abbey%1:06:00:: 1 3\nabbey%1:06:01:: 2 1\nabate%2:30:00:: 1 2\nfoundry_worker%1:18:00:: 1 1\n"
        "fly%1:05:00:: 1 2\nwatchman%1:18:00:: 1 1\nchurch%1:14:00:: 1 9\n"
    )
    slots = texts.wordnet_slots(tmp_path)
    assert slots["town"] == ["San Marino"]
    assert slots["surname"] == ["Curie"]
    assert (slots["worker"], slots["workers"]) == (["watchman"], ["watchmen"])
    assert slots["animals"] == ["flies"]
    assert slots["artifact"] == ["abbey"]
    assert slots["plural"] == ["abbeys", "churches"]


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


def test_a_tune_tells_by_what_was_played_which_note_is_next():
    from training.sounds import TUNES, music

    for tune in TUNES:
        assert len(set(pairwise(tune))) == len(tune) - 1
    made = [music(np.random.default_rng(seed)).tokens for seed in range(30)]
    assert len({tuple(tokens) for tokens in made}) > 10  # in several keys
    assert all(units.UNITS[token].kind == "music" for tokens in made for token in tokens)
    assert {len(tokens) for tokens in made} == {80}


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
