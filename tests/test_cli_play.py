"""`bark play` and `bark devices`, without a sound server."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_player import FakePortAudio, speaker, tone  # noqa: F401  (a fixture)

from bark_cli.audio import save
from bark_cli.cli import main
from bark_cli.cli.play import keys
from bark_cli.cli.play.command import devices, play, underruns
from bark_cli.errors import AudioError, OptionError


def test_a_file_is_played_to_its_end(
    speaker: FakePortAudio,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    save(tone(12.5), tmp_path / "a.wav")  # longer than is kept in memory
    play(str(tmp_path / "a.wav"), audio_device="headphones")
    assert len(speaker.heard) == 12.5 * 24_000
    np.testing.assert_allclose(speaker.heard, tone(12.5).samples, atol=2 / 32_768)
    assert speaker.options["device"] == 2
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"bark: {tmp_path / 'a.wav'}: 12.5 s played\n")
    play(str(tmp_path / "a.wav"), quiet=True)
    assert capsys.readouterr().err == ""


def test_q_ends_it_at_once_and_space_pauses(
    speaker: FakePortAudio,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pressed: list[Mapping[str, Any]] = []

    @contextmanager
    def no_terminal(actions: Mapping[str, Any]) -> Iterator[bool]:
        pressed.append(actions)
        actions[" "]()
        actions["q"]()
        yield True

    monkeypatch.setattr(keys, "keys", no_terminal)
    save(tone(60), tmp_path / "a.flac")
    play(str(tmp_path / "a.flac"))
    assert set(pressed[0]) == {" ", "q"}
    assert sum(map(len, speaker.played)) < 24_000
    assert capsys.readouterr().err.startswith("bark: Space pauses, q stops\n")


def test_what_cannot_be_played_is_one_line(speaker: FakePortAudio, tmp_path: Path) -> None:  # noqa: F811
    with pytest.raises(AudioError, match="No such file"):
        play(str(tmp_path / "a.wav"))
    save(tone(0.1), tmp_path / "a.wav")
    with pytest.raises(OptionError, match="no output device is called moon"):
        play(str(tmp_path / "a.wav"), audio_device="moon")
    assert not speaker.calls


def test_devices_are_a_table_or_json(speaker: FakePortAudio, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    devices()
    assert capsys.readouterr().out == (
        "*  0  Built-in Speakers (Core, 48000 Hz)\n"
        "   2  USB Headphones (Core, 48000 Hz)\n"
        "   3  Built-in Speakers (Compat, 48000 Hz)\n"
    )
    devices(as_json=True)
    assert [device["index"] for device in json.loads(capsys.readouterr().out)] == [0, 2, 3]


def test_no_devices_are_said_to_be_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", FakePortAudio(()))
    devices()
    captured = capsys.readouterr()
    assert (captured.out, captured.err[:31]) == ("", "bark: no output device found; u")
    devices(as_json=True)
    assert json.loads(capsys.readouterr().out) == []


def test_where_nothing_plays_no_option_is_offered_that_play_has_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", FakePortAudio(()))
    (tmp_path / "a.wav").write_bytes(b"")
    assert main(["play", str(tmp_path / "a.wav")]) == 1
    said = capsys.readouterr().err
    assert "no output device found; take" in said
    assert "-o" not in said.split()


def test_waits_are_told_of_where_there_were_any() -> None:
    assert [underruns(n) for n in (0, 1, 2)] == [
        "",
        ", waited for sound 1 time",
        ", waited for sound 2 times",
    ]
