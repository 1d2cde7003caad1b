"""Pieces in order whatever order they are made in, each as it sounds alone; continuity; errors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bark_cli.errors import BarkError, TextError
from bark_cli.model.options import SamplingOptions
from bark_cli.narration.narrate import (
    Continuity,
    Narration,
    Piece,
    PieceResult,
    narrate,
    narrate_soon,
    piece_seed,
)
from bark_cli.pipeline import Bark
from bark_cli.speech import Speech
from bark_cli.takes.take import Attempts
from bark_cli.voices.catalogue import Voice

LONG = SamplingOptions(min_eos_p=None)
SHORT = SamplingOptions(max_duration_s=0.1)
TEXTS = ["hello", "my name is bark", "i can speak", "the bark", "a hello", "speak my name"]


@pytest.fixture(scope="module")
def bark(tiny_model: Path) -> Bark:
    return Bark.load(tiny_model, device="cpu", precision="fp32")


def pieces(*texts: str, voice: str | None = None) -> list[Piece]:
    return [Piece(text=text, seed=piece_seed(7, i), voice=voice) for i, text in enumerate(texts)]


def speeches(spoken: Iterator[PieceResult]) -> dict[tuple[int, int], Speech]:
    found = {}
    for one in spoken:
        assert isinstance(one.result, Speech), one.result
        found[one.narration, one.piece] = one.result
    return found


def same(a: Speech, b: Speech) -> bool:
    return np.array_equal(a.audio.samples, b.audio.samples)


@pytest.mark.parametrize("batch_size", [1, 2, 16])
def test_pieces_come_in_order_and_sound_as_alone(bark: Bark, batch_size: int) -> None:
    narration = Narration(pieces=pieces(*TEXTS), options=LONG)
    order, found = [], []
    for spoken in narrate(bark, [narration], batch_size=batch_size):
        order.append(spoken.piece)
        found.append(spoken.result)
    assert order == list(range(len(TEXTS)))
    for piece, speech in zip(narration.pieces, found, strict=True):
        assert isinstance(speech, Speech)
        assert same(speech, bark.say(piece.text, seed=piece.seed, options=LONG))


def test_a_piece_that_is_done_early_waits_for_its_turn(bark: Bark) -> None:
    """The first is long and the others short: they are done before it, and come after it."""
    long, short = Narration(pieces=pieces("hello"), options=LONG), []
    results = narrate(bark, [long, Narration(pieces=pieces(*TEXTS), options=SHORT)], batch_size=16)
    for spoken in results:
        short.append((spoken.narration, spoken.piece))
    assert short[-1] == (0, 0)  # narrations do not wait for each other
    assert short[:-1] == [(1, i) for i in range(len(TEXTS))]


def test_the_previous_piece_of_a_voice_is_gone_on_from(bark: Bark) -> None:
    texts = TEXTS[:4]
    voices = ["ann", None, "ann", None]
    said = [
        Piece(text=text, seed=i, voice=voice)
        for i, (text, voice) in enumerate(zip(texts, voices, strict=True))
    ]
    narration = Narration(pieces=said, continuity="previous", options=LONG)
    found = speeches(narrate(bark, [narration], batch_size=4))
    ann = bark.say(texts[0], voice="ann", seed=0, options=LONG)
    default = bark.say(texts[1], seed=1, options=LONG)
    assert same(found[0, 0], ann)
    assert same(found[0, 1], default)
    expected = bark.say(texts[2], voice=Voice("tiny/ann", ann.tokens), seed=2, options=LONG)
    assert same(found[0, 2], expected)
    assert found[0, 2].voice == "tiny/ann"
    assert same(found[0, 3], bark.say(texts[3], voice=Voice("x", default.tokens), seed=3, options=LONG))


def test_narrations_that_wait_for_themselves_still_share_the_engine(
    bark: Bark, monkeypatch: pytest.MonkeyPatch
) -> None:
    widest = 0
    decode = bark.model.backend.decode

    def watched(stage: str, sequences: list[object]) -> object:
        nonlocal widest
        widest = max(widest, len(sequences))
        return decode(stage, sequences)  # type: ignore[arg-type]

    monkeypatch.setattr(bark.model.backend, "decode", watched)
    several = [Narration(pieces=pieces(*TEXTS[:3]), continuity="previous", options=LONG) for _ in range(3)]
    found = speeches(narrate(bark, several, batch_size=8))
    assert widest == 3
    assert found.keys() == {(n, i) for n in range(3) for i in range(3)}


def test_no_continuity_is_no_voice(bark: Bark) -> None:
    narration = Narration(pieces=pieces("hello", voice="ann"), continuity="none", options=LONG)
    found = speeches(narrate(bark, [narration]))
    assert found[0, 0].voice is None
    assert same(found[0, 0], bark.say("hello", voice="none", seed=7, options=LONG))


def test_an_error_ends_its_narration_and_no_other(bark: Bark) -> None:
    bad = Narration(pieces=pieces("hello", "\x07", *TEXTS), options=LONG)
    good = Narration(pieces=pieces(*TEXTS), options=LONG)
    found = list(narrate(bark, [bad, good, Narration(pieces=[])], batch_size=3))
    of_bad = [one for one in found if one.narration == 0]
    assert [one.piece for one in of_bad] == [0, 1]
    assert isinstance(of_bad[0].result, Speech)
    assert isinstance(of_bad[1].result, TextError)
    assert [one.piece for one in found if one.narration == 1] == list(range(len(TEXTS)))


def test_narrations_are_taken_as_there_is_room(bark: Bark) -> None:
    taken = 0

    def many() -> Iterator[Narration]:
        nonlocal taken
        for _ in range(50):
            taken += 1
            yield Narration(pieces=pieces("hello"), options=SHORT)

    results = narrate(bark, many(), batch_size=2)
    next(results)
    assert taken <= 4
    results.close()


def gathered(bark: Bark, narration: Narration, **how: bool) -> list[tuple[Speech, np.ndarray]]:
    sounds: list[list[np.ndarray]] = [[] for _ in narration.pieces]
    done: list[Speech] = []
    for one in narrate_soon(bark, narration, **how):
        piece, sound, speech = one.piece, one.sound, one.speech
        assert piece == len(done)
        if sound is not None:
            sounds[piece].append(sound.samples)
        if speech is not None:
            done.append(speech)
    return [(speech, np.concatenate(parts)) for speech, parts in zip(done, sounds, strict=True)]


@pytest.mark.parametrize("continuity", ["voice", "previous"])
def test_the_first_sound_comes_soon_and_the_tokens_are_the_same(bark: Bark, continuity: str) -> None:
    narration = Narration(pieces=pieces(*TEXTS), continuity=continuity, options=LONG)  # type: ignore[arg-type]
    soon = gathered(bark, narration, exact=True)
    for (speech, heard), expected in zip(soon, speeches(narrate(bark, [narration])).values(), strict=True):
        assert np.array_equal(speech.tokens.fine, expected.tokens.fine)
        np.testing.assert_allclose(heard, expected.audio.samples, atol=1e-5)  # sums may be rounded otherwise


@pytest.mark.parametrize("continuity", ["voice", "previous"])
@pytest.mark.parametrize(
    ("attempts", "exact"), [(Attempts(takes=2), False), (Attempts(retries=2), True)], ids=["takes", "retries"]
)
def test_the_best_take_is_heard_soon_too(
    bark: Bark, continuity: Continuity, attempts: Attempts, exact: bool
) -> None:
    narration = Narration(pieces=pieces(*TEXTS[:3]), continuity=continuity, options=SHORT, attempts=attempts)
    soon = gathered(bark, narration, exact=exact)
    for (speech, heard), expected in zip(soon, speeches(narrate(bark, [narration])).values(), strict=True):
        assert expected.takes
        assert [take.seed for take in speech.takes] == [take.seed for take in expected.takes]
        np.testing.assert_allclose(heard, expected.audio.samples, atol=1e-5)  # sums may be rounded otherwise


def test_what_cannot_be_said_soon_is_raised(bark: Bark) -> None:
    with pytest.raises(BarkError, match="control character"):
        gathered(bark, Narration(pieces=pieces("hello", "bark", "\x07"), options=LONG))


def test_seeds_of_pieces_leave_room_for_takes() -> None:
    assert piece_seed(7, 0) == 7
    seeds = [piece_seed(2**32 - 1, i) for i in range(2000)]
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert min(np.diff(sorted(seeds))) > 200
