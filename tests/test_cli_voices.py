"""`bark voices`: a table for people, JSON for programs."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import tiny_voice, write_voice

from bark_cli.cli import main
from bark_cli.model.config import BarkConfig
from bark_cli.voices.catalogue import list_voices, model_voices


def test_a_table(
    tiny_model: Path,
    tiny_config: BarkConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("BARK_HOME", str(tmp_path))
    monkeypatch.setattr("bark_cli.voices.catalogue._shipped_home", lambda: tmp_path / "none")
    write_voice(tmp_path / "voices" / "my" / "fr_speaker_2.npz", tiny_voice(tiny_config, frames=150))
    (tmp_path / "voices" / "torn.npz").write_bytes(b"PK")
    told = {"torn": {"language": "pl", "description": "man, old,\nhoarse"}}
    (tmp_path / "voices" / "voices.json").write_text(json.dumps(told))
    assert main(["voices", "ls", "-m", str(tiny_model)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.splitlines() == [
        "NAME             SOURCE  LANGUAGE  LENGTH      DESCRIPTION",
        "tiny/ann         model   -         0.6 s       -",
        "my/fr_speaker_2  yours   fr        2.0 s       -",
        "torn             yours   pl        unreadable  man, old, hoarse",
    ]


def test_json(tiny_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("bark_cli.voices.catalogue._shipped_home", lambda: tiny_model / "none")
    assert main(["voices", "ls", "-m", str(tiny_model), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {
            "name": "tiny/ann",
            "source": "model",
            "language": None,
            "description": None,
            "seconds": 0.6,
            "path": str(tiny_model / "voices" / "ann.npz"),
        }
    ]


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file names are text there")
def test_bytes_that_are_no_text_stay_valid_json(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: Any
) -> None:
    monkeypatch.setattr("bark_cli.voices.catalogue._shipped_home", lambda: tmp_path / "none")
    odd = tmp_path / os.fsdecode(b"caf\xe9")
    shutil.copytree(tiny_model, odd)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.FileIO(1, "w", closefd=False), "utf-8"))
    assert main(["voices", "ls", "-m", str(odd), "--json"]) == 0
    (voice,) = json.loads(capfdbinary.readouterr().out.decode("utf-8"))
    assert voice["path"] == str(odd / "voices" / "ann.npz")
    assert main(["voices", "ls", "-m", str(odd)]) == 0
    assert rb"caf\udce9/ann" in capfdbinary.readouterr().out


def test_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("bark_cli.voices.catalogue._shipped_home", lambda: tmp_path / "none")
    assert main(["voices", "ls", "-m", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("bark: no voices here; ")
    assert main(["voices", "ls", "-m", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_an_unknown_model_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["voices", "ls", "-m", "no/such"]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("bark: no/such is not a folder")
    assert captured.err.count("\n") == 1


def test_one_language(
    tiny_model: Path, tiny_config: BarkConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("BARK_HOME", str(tmp_path))
    for name in ("fr_speaker_2", "de_speaker_2", "x"):
        write_voice(tmp_path / "voices" / f"{name}.npz", tiny_voice(tiny_config))
    for asked in ("de", "DE", "de-AT"):
        assert main(["voices", "ls", "-m", str(tiny_model), "--lang", asked]) == 0
        assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["NAME", "de_speaker_2"]
    assert main(["voices", "ls", "-m", str(tiny_model), "--lang", "it"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("bark: no voice here is known to be of language 'it'")


def test_sunos_voices_are_listed_or_offered_to_models_that_can_speak_them(
    tiny_model: Path, tiny_config: BarkConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("BARK_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("bark_cli.voices.catalogue._shipped_home", lambda: tmp_path / "none")
    suno = tmp_path / "suno"  # a folder that says nothing of its vocabulary
    suno.mkdir()
    assert main(["voices", "ls", "-m", str(tiny_model)]) == 0
    assert capsys.readouterr().err == ""
    assert main(["voices", "ls", "-m", str(suno), "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == []
    assert captured.err.count("\n") == 1
    assert "fetch them with `bark download --voices`" in captured.err
    write_voice(tmp_path / "home" / "suno-voices" / "v2" / "en_speaker_6.npz", tiny_voice(tiny_config))
    assert main(["voices", "ls", "-m", str(suno)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.splitlines()[1:] == ["v2/en_speaker_6  suno    en        0.6 s   -"]


def test_the_bundled_voices_are_described() -> None:
    shipped = [info for info in list_voices() if info.name.startswith("nano/")]
    assert len(shipped) == 6
    assert all(info.language == "en" and info.description for info in shipped)


@pytest.mark.parametrize("damaged", ["", "[]", '{"ann": 3}', '{"ann": {"language": 3}}', "[" * 100_000])
def test_descriptions_that_cannot_be_read_say_nothing(tiny_model: Path, tmp_path: Path, damaged: str) -> None:
    model = tmp_path / "tiny"
    shutil.copytree(tiny_model, model)
    (model / "voices" / "voices.json").write_text(damaged)
    [info] = model_voices(model)
    assert (info.language, info.description) == (None, None)
