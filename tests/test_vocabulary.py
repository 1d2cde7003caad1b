"""nano's tokenizer, its semantic tokens, and the alignment that gives them their places."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from tokenizers import Tokenizer

from training import units
from training.vocabulary import (
    CLASSES,
    NO_PITCH,
    NO_PLACE,
    PLACES,
    TAGS,
    build_tokenizer,
    factors_of,
    layout,
    segments,
    spelled,
)


def unit(kind: str, name: str, index: int = 0, pitch: int = -1) -> int:
    return units.IDS[units.Unit(kind, name, index, pitch)]


def pieces(tokenizer: Tokenizer, text: str) -> list[str]:
    return tokenizer.encode(text, add_special_tokens=False).tokens


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return build_tokenizer()


@pytest.mark.parametrize("tag", TAGS)
def test_a_tag_is_one_token(tokenizer, tag):
    assert pieces(tokenizer, f"Oh {tag} no.") == ["o", "##h", tag, "n", "##o", "."]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("Café ÀÉÎ", "cafe aei"),
        ("It’s “so”", 'it\'s "so"'),
        ("wait... no -- yes", "wait… no — yes"),
        ("日本 hi 😀", "hi"),
        ("a\tb\u200b", "a b"),
    ],
)
def test_case_accents_and_typography_fold_and_the_unknown_is_dropped(tokenizer, text, same):
    assert pieces(tokenizer, text) == pieces(tokenizer, same)
    assert "[UNK]" not in pieces(tokenizer, text)


def test_every_kept_character_has_a_token(tokenizer):
    for character in "abcxyz019!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~…—♪":
        assert "[UNK]" not in pieces(tokenizer, f"{character} a{character}")


def test_bark_cli_reads_the_tokenizer_alike(tokenizer, tmp_path):
    from bark_cli.model.tokenizer import BarkTokenizer
    from training.semantic import semantic_config

    config = semantic_config({"n_layer": 1, "n_head": 1, "n_embd": 8, "max_text": 64, "max_new": 8})
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    text = "Hé [laughs] 7."  # with the stop that every text of nano's ends in
    ids = BarkTokenizer.from_file(tmp_path / "tokenizer.json", config).encode(text)
    plain = tokenizer.encode(text, add_special_tokens=False).ids
    assert ids.tolist() == [i + config.text_offset for i in plain]


def test_ids_and_factors_go_round():
    table = layout()
    assert (table.ids(table.rows) == np.arange(table.size)).all()
    assert len({tuple(row) for row in table.rows.tolist()}) == table.size
    with pytest.raises(ValueError, match="no token has the factors"):
        table.ids(np.array([[0, 0, 0, NO_PLACE]], np.int16))


def test_a_token_knows_its_phone_pitch_last_frame_and_place():
    tokens = [unit("pause", "start")]
    tokens += [unit("phone", "h", 0), unit("phone", "h", 1)]
    tokens += [unit("phone", "æ", 0, 2), unit("phone", "æ", 1, 7)]
    tokens += [unit("sound", "sigh", 3)]
    factors = factors_of(np.array(tokens), np.array([0, 0, PLACES + 1, 5]))
    assert [CLASSES[c][1] for c in factors[:, 0]] == ["start", "h", "h", "æ", "æ", "sigh"]
    assert factors[:, 1].tolist() == [NO_PITCH, NO_PITCH, NO_PITCH, 1, 3, NO_PITCH]
    assert factors[:, 2].tolist() == [1, 0, 1, 0, 1, 0]
    assert factors[:, 3].tolist() == [0, 0, 0, 1, 1, NO_PLACE]
    assert spelled(layout().ids(factors), layout()) == "hæ"


def test_the_same_phone_twice_is_two_segments():
    h = [unit("phone", "h", 0), unit("phone", "h", 1)]
    assert [(s.start, s.stop) for s in segments(np.array(h + h))] == [(0, 2), (2, 4)]


def brute_force(scores, jumps):
    """The best monotonic path by trying them all."""
    n, width = scores.shape

    def value(path):
        moves = np.diff(path)
        if (moves < 0).any() or (moves >= len(jumps)).any():
            return -np.inf
        heard = scores[np.arange(n), path].sum()
        return heard + jumps[moves].sum() - 1.5 * path[0] - 1.0 * (width - 1 - path[-1])

    return max((np.array(path) for path in itertools.product(range(width), repeat=n)), key=value)


@pytest.mark.parametrize("seed", range(5))
def test_the_alignment_is_the_best_monotonic_path(seed):
    from training.alignment import JUMPS, viterbi

    random = np.random.default_rng(seed)
    observed, ids, emissions = np.arange(5), np.arange(4), random.normal(0, 3, (5, 4))
    places = viterbi(observed, ids, emissions)
    assert (np.diff(places) >= 0).all()
    assert places.tolist() == brute_force(emissions, JUMPS).tolist()


def test_the_alignment_learns_which_letters_are_silent():
    from training.alignment import learn, viterbi

    random = np.random.default_rng(0)
    # letters 0..4 are spoken as the phone of their number, letter 5 is silent
    texts = [random.integers(0, 6, 12) for _ in range(60)]
    pairs = [(text[text < 5], text) for text in texts if (text < 5).any()]
    emissions = learn(pairs, symbols=5, characters=6)
    text = np.array([0, 5, 1, 2, 5, 5, 3])
    assert viterbi(text[text < 5], text, emissions).tolist() == [0, 2, 3, 6]
