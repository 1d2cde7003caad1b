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
from bark_cli.tokens import BarkConfig


def test_a_table(
    tiny_model: Path,
    tiny_config: BarkConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("BARK_HOME", str(tmp_path))
    monkeypatch.setattr("bark_cli.voices._presets", lambda: tmp_path / "none")
    write_voice(tmp_path / "voices" / "my" / "fr_speaker_2.npz", tiny_voice(tiny_config, frames=150))
    (tmp_path / "voices" / "torn.npz").write_bytes(b"PK")
    assert main(["voices", "ls", "-m", str(tiny_model)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.splitlines() == [
        "NAME             SOURCE  LANGUAGE  LENGTH",
        "tiny/ann         model   -         0.6 s",
        "my/fr_speaker_2  yours   fr        2.0 s",
        "torn             yours   -         unreadable",
    ]


def test_json(tiny_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("bark_cli.voices._presets", lambda: tiny_model / "none")
    assert main(["voices", "ls", "-m", str(tiny_model), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {
            "name": "tiny/ann",
            "source": "model",
            "language": None,
            "seconds": 0.6,
            "path": str(tiny_model / "voices" / "ann.npz"),
        }
    ]


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file names are text there")
def test_bytes_that_are_no_text_stay_valid_json(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: Any
) -> None:
    monkeypatch.setattr("bark_cli.voices._presets", lambda: tmp_path / "none")
    odd = tmp_path / os.fsdecode(b"caf\xe9")
    shutil.copytree(tiny_model, odd)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.FileIO(1, "w", closefd=False), "utf-8"))
    assert main(["voices", "ls", "-m", str(odd), "--json"]) == 0
    (voice,) = json.loads(capfdbinary.readouterr().out.decode("utf-8"))
    assert voice["path"] == str(odd / "voices" / "ann.npz")
    assert main(["voices", "ls", "-m", str(odd)]) == 0
    assert rb"caf\udce9/ann" in capfdbinary.readouterr().out


def test_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("bark_cli.voices._presets", lambda: tmp_path / "none")
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
