"""What made a sound is kept in its file, whatever the format, and read back."""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bark_cli.audio import (
    FORMATS,
    Audio,
    Provenance,
    encode,
    hash_text,
    open_sink,
    open_sound,
    read_provenance,
    save,
)
from bark_cli.audio.provenance import parse_comment
from bark_cli.errors import AudioError

SOUND = Audio(np.zeros(2400, np.float32), 24_000)
NOTES = [
    Provenance("nano", None, None, hash_text(""), "0.1.0"),
    Provenance(
        model="/models/日本 語",
        voice="v2/en_speaker_6",
        seed=2**32 - 1,
        text_hash=hash_text("Héllo [laughs] ♪ \ud800"),
        version="0.1.0",
        settings={"temperature": 0.7, "top_k": None, "long": "ä\n\0\"\\" * 40, "pieces": [1, {"x": True}]},
    ),
]  # fmt: skip


@pytest.mark.parametrize("note", NOTES)
@pytest.mark.parametrize("way", ["file", "pipe"])
@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_keeps_it(tmp_path: Path, suffix: str, way: str, note: Provenance) -> None:
    path = tmp_path / f"a{suffix}"
    if way == "file":
        save(SOUND, path, metadata=note)
    else:
        with path.open("wb") as pipe, open_sink(pipe, suffix, 24_000, note) as sink:
            sink.put(SOUND)
    assert read_provenance(path) == note
    with soundfile.SoundFile(path) as file:  # any other program sees it too
        assert file.comment.startswith("AI-generated speech {")
        if suffix != ".mp3":  # of which libsndfile reads LAME's own name
            assert file.software.startswith("bark_cli 0.1.0")
        if suffix == ".wav" and way == "pipe":  # what follows such a header fills a whole block
            assert 2400 <= file.frames < 2400 + 2048
        elif (suffix, way) not in ((".mp3", "pipe"), (".flac", "pipe")):
            assert file.frames == 2400


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_without_it_says_none(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    save(SOUND, path)
    assert read_provenance(path) is None
    assert b"AI-generated" not in path.read_bytes()


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_same_note_makes_the_same_bytes(suffix: str) -> None:
    assert encode(SOUND, suffix, NOTES[1]) == encode(SOUND, suffix, NOTES[1])
    assert encode(SOUND, suffix, NOTES[0]) != encode(SOUND, suffix, NOTES[1])


def test_what_others_wrote_is_none_of_ours() -> None:
    good = NOTES[0].comment()
    assert parse_comment(good) == NOTES[0]
    assert parse_comment(good[:-1] + ',"later":1}') == NOTES[0]  # a field that we do not know yet
    for bad in (
        "",
        "a song",
        "AI-generated speech",
        "AI-generated speech {",
        "AI-generated speech []",
        "AI-generated speech " + "[" * 100_000,
        good.replace('"model":"nano"', '"model":7'),
        good.replace('"seed":null', '"seed":"7"'),
        good.replace('"seed":null', '"seed":true'),
        good.replace('"voice":null', '"voice":[]'),
        good.replace('"settings":{}', '"settings":[]'),
        good.replace('"model":"nano",', ""),
    ):
        assert parse_comment(bad) is None


def test_the_text_itself_is_not_kept() -> None:
    assert hash_text("Hello") != hash_text("hello")
    assert "Hello" not in replace(NOTES[0], text_hash=hash_text("Hello")).comment()
    assert hash_text("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_file_that_is_no_sound_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"<html>")
    (tmp_path / "folder.wav").mkdir()
    for name, words in (
        ("none.wav", "No such file"),
        ("a.wav", "is not a sound file"),
        ("folder.wav", "Is a directory"),
    ):
        with pytest.raises(AudioError, match=words):
            read_provenance(tmp_path / name)


def test_a_damaged_file_is_told_of_or_heard_as_far_as_it_goes(tmp_path: Path) -> None:
    noise = Audio(np.random.default_rng(0).uniform(-0.5, 0.5, 240_000).astype(np.float32), 24_000)
    for suffix in FORMATS:
        data = encode(noise, suffix)
        path = tmp_path / f"a{suffix}"
        path.write_bytes(data[: len(data) // 2])
        with suppress(AudioError), open_sound(path) as source:
            assert sum(len(block.samples) for block in source.blocks()) <= 240_000


def test_stereo_is_heard_as_the_mean(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.array([[0.5, 0.25], [-0.5, 0.0]]), 8000)
    with open_sound(tmp_path / "a.wav") as source:
        assert (source.channels, source.sample_rate, source.duration_s) == (2, 8000, 2 / 8000)
        (block,) = source.blocks()
    np.testing.assert_allclose(block.samples, [0.375, -0.25], atol=1e-4)
    assert isinstance(encode(block, "wav"), bytes)
    assert soundfile.info(io.BytesIO(encode(block, "wav"))).frames == 2
