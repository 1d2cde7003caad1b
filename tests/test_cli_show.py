"""`bark show`: what a file says of itself."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bark_cli.audio import FORMATS, Audio, Provenance, save
from bark_cli.cli.show import show
from bark_cli.errors import AudioError, OptionError

NOTE = Provenance("nano", "nano/ann", 7, "ab" * 32, "0.1.0", {"temperature": 0.7})
SOUND = Audio(np.zeros(36_000, np.float32), 24_000)


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_record_holds_all_there_is(
    tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"a{suffix}"
    save(SOUND, path, metadata=NOTE)
    show(str(path), as_json=True)
    record = json.loads(capsys.readouterr().out)
    assert record["path"] == str(path)
    assert (record["seconds"], record["sample_rate"], record["channels"]) == (1.5, 24_000, 1)
    assert record["ai_generated"] is True
    assert record["provenance"] == {
        "model": "nano",
        "voice": "nano/ann",
        "seed": 7,
        "text_hash": "ab" * 32,
        "version": "0.1.0",
        "settings": {"temperature": 0.7},
    }


def test_people_get_a_line_for_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.wav"
    save(SOUND, path, metadata=NOTE)
    show(str(path))
    lines = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    found = {name: value.strip() for name, value in lines.items()}
    assert found["sound"] == "1.5 s, 24000 Hz, 1 channel"
    assert found["made by"] == "bark 0.1.0, AI-generated speech"
    assert (found["model"], found["voice"], found["seed"]) == ("nano", "nano/ann", "7")
    assert found["temperature"] == "0.7"


def test_a_file_of_others_is_said_to_be_that(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(SOUND, tmp_path / "a.mp3")
    show(str(tmp_path / "a.mp3"))
    assert "made by  unknown; it holds no note from bark" in capsys.readouterr().out
    show(str(tmp_path / "a.mp3"), as_json=True)
    assert json.loads(capsys.readouterr().out)["ai_generated"] is None
    with pytest.raises(AudioError, match="No such file"):
        show(str(tmp_path / "b.mp3"))


def test_what_a_file_says_cannot_draw_on_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(SOUND, tmp_path / "a.wav", metadata=Provenance("\x1b[2J\n", None, None, "", "", {"\x07": "\x1b"}))
    show(str(tmp_path / "a.wav"))
    assert "\x1b" not in capsys.readouterr().out


def test_no_setting_takes_the_place_of_a_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.wav"
    hostile = {"made by": "a human", "made by ": "a human", "text": "none", "model": "a human", "seed": 1}
    hostile |= {"file": "b.wav", "format": "x", "sound": "y\nmade by  a human", "temperature": 0.7}
    save(SOUND, path, metadata=Provenance("nano", "nano/ann", 7, "ab" * 32, "0.1.0", hostile))
    show(str(path))
    rows = [line.partition("  ")[::2] for line in capsys.readouterr().out.splitlines()]
    names = [name.strip() for name, _ in rows]
    expected = [
        "file",
        "format",
        "sound",
        "made by",
        "model",
        "voice",
        "seed",
        "temperature",
        "other",
        "text",
    ]
    assert names == expected
    found = {name.strip(): value.strip() for name, value in rows}
    assert found["made by"] == "bark 0.1.0, AI-generated speech"
    assert (found["model"], found["seed"], found["file"]) == ("nano", "7", str(path))
    assert found["format"].startswith("WAV")
    assert "made by = a human" in found["other"]


@pytest.mark.parametrize("rest", ["[" * 900 + "]" * 900, '{"seed": "x"}', "", "{"])
def test_a_note_that_is_damaged_still_says_that_it_is_a_machines_voice(
    rest: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.wav"
    with soundfile.SoundFile(path, "w", 24_000, 1) as file:
        file.comment = f"AI-generated speech {rest}"
        file.write(SOUND.samples)
    show(str(path))
    assert "made by  AI-generated speech; what else it says is damaged" in capsys.readouterr().out
    show(str(path), as_json=True)
    record = json.loads(capsys.readouterr().out)
    assert (record["ai_generated"], record["provenance"]) == (True, None)


def test_a_voice_is_pointed_to_where_voices_are_shown() -> None:
    with pytest.raises(OptionError, match="`bark voices show` shows what it holds"):
        show("me.npz", as_json=False)
