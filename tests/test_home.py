"""Odd places to be started in: without a home, as a user nobody knows, in a folder that is gone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bark_cli.cli import main
from bark_cli.settings import resolve, user_file
from bark_cli.store import bark_home
from bark_cli.system.home import expanded, home


def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """As os.path.expanduser answers where HOME is not set and the user is in no list."""
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os.path, "expanduser", lambda path: os.fspath(path))


def test_without_a_home_all_that_needs_none_works(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nobody(monkeypatch)
    assert not user_file().exists()
    assert not bark_home().exists()
    assert resolve().settings.voice is None
    for command in (["voices", "ls"], ["cache", "ls"], ["config", "show"], ["say", "Hello.", "--dry-run"]):
        assert main(command) == 0, command
    capsys.readouterr()
    assert main(["config", "set", "seed", "7"]) == 1
    assert "cannot make" in capsys.readouterr().err


def test_with_bark_home_it_is_as_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody(monkeypatch)
    monkeypatch.setenv("BARK_HOME", str(tmp_path))
    assert bark_home() == tmp_path


def test_a_home_is_put_in_and_that_of_nobody_stays() -> None:
    assert expanded("~/x") == home() / "x"
    assert expanded("~nobody-of-that-name/x") == Path("~nobody-of-that-name/x")


def test_a_folder_that_is_gone_is_a_line(tmp_path: Path) -> None:
    code = "import os, sys; os.rmdir(os.getcwd()); from bark_cli.cli import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "bark: the folder that this was started in is gone; go to another one with cd\n"


def test_a_voice_is_set_only_where_there_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "set", "voice", "nano/bob"]) == 2
    assert "no voice 'nano/bob'" in capsys.readouterr().err
    assert not user_file().exists()
    for voice in ("nano/ben", "none", "v2/en_speaker_6"):
        assert main(["config", "set", "voice", voice]) == 0
    capsys.readouterr()
    assert main(["config", "unset", "voice"]) == 0
    assert "voice is taken out of" in capsys.readouterr().err
    assert main(["config", "unset", "voice"]) == 0
    assert "voice was not set in" in capsys.readouterr().err
