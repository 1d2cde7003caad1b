"""`bark say` with a model that is not here: asked at a terminal, told elsewhere, offline never asked."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
import soundfile
from local_hub import LocalHub
from small_models import write_layout

from bark_cli.cli import main
from bark_cli.download import download
from bark_cli.store import find_model, model_home

SAY = ["say", "hello", "-m", "small", "--max-duration", "1", "-o"]


@pytest.fixture
def hub(local_hub: LocalHub, tmp_path: Path) -> LocalHub:
    local_hub.add("suno/bark-small", write_layout("safetensors", tmp_path / "files"))
    return local_hub


def at_a_terminal(arguments: list[str], answer: str, environment: dict[str, str]) -> tuple[int, str]:
    """Run `bark` at a terminal and answer once: its exit code, and all that the terminal showed."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "bark_cli", *arguments]
    with subprocess.Popen(
        command, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE, env=os.environ | environment
    ) as process:
        os.close(theirs)
        printed, asked, ends = "", False, time.monotonic() + 120
        while time.monotonic() < ends:
            if select.select([ours], [], [], 0.2)[0]:
                try:
                    printed += os.read(ours, 4096).decode(errors="replace")
                except OSError:  # the other end is closed
                    break
            if "[y/N]" in printed and not asked:
                os.write(ours, answer.encode() + b"\n")
                asked = True
        os.close(ours)
        return process.wait(30), printed


def test_yes_downloads_and_speaks(hub: LocalHub, tmp_path: Path) -> None:
    code, printed = at_a_terminal([*SAY, str(tmp_path / "out.wav")], "y", hub.environment())
    assert code == 0, printed
    assert "Model small is not on this machine (installed: nano): " in printed
    assert "to download from suno/bark-small" in printed
    assert soundfile.info(tmp_path / "out.wav").duration > 0
    assert find_model("small") is not None


def test_a_damaged_model_is_not_said_to_be_missing(hub: LocalHub, tmp_path: Path) -> None:
    manifest = download("small")
    weights = model_home("small") / manifest.build / "model.safetensors"
    weights.unlink()
    code, printed = at_a_terminal([*SAY, str(tmp_path / "out.wav")], "n", hub.environment())
    assert code == 1
    assert "Model small is damaged (model.safetensors is missing): " in printed
    assert "not on this machine" not in printed


@pytest.mark.parametrize("answer", ["n", "", "what?"])
def test_anything_else_downloads_nothing(hub: LocalHub, tmp_path: Path, answer: str) -> None:
    code, printed = at_a_terminal([*SAY, str(tmp_path / "out.wav")], answer, hub.environment())
    assert code == 1
    assert "fetch it with `bark download small`" in printed
    assert find_model("small") is None
    assert not (tmp_path / "out.wav").exists()


def test_offline_asks_nothing_and_nobody(hub: LocalHub, tmp_path: Path) -> None:
    out = str(tmp_path / "out.wav")
    for arguments, more in (
        ([*SAY, out, "--offline"], {}),
        ([*SAY, out], {"HF_HUB_OFFLINE": "1"}),
        ([*SAY, out, "--json"], {}),
        ([*SAY, out, "--quiet"], {}),
    ):
        code, printed = at_a_terminal(arguments, "y", hub.environment() | more)
        assert code == 1
        assert "[y/N]" not in printed
        assert "fetch it with `bark download small`" in printed
    assert hub.requests == []


def test_a_hub_that_is_not_there_leaves_the_command_to_run_later(tmp_path: Path) -> None:
    nowhere = {"HF_ENDPOINT": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1", "HF_HUB_OFFLINE": "0"}
    code, printed = at_a_terminal([*SAY, str(tmp_path / "out.wav")], "y", nowhere)
    assert code == 1
    assert "127.0.0.1:9 cannot be reached" in printed
    assert "fetch it with `bark download small`" in printed


@pytest.mark.parametrize("stage", ["--semantic-model", "--coarse-model", "--fine-model"])
def test_without_a_terminal_it_is_one_line(
    hub: LocalHub, tmp_path: Path, capsys: pytest.CaptureFixture[str], stage: str
) -> None:
    assert main(["say", "hello", stage, "small", "-o", str(tmp_path / "out.wav")]) == 1
    said = capsys.readouterr().err
    assert said.startswith("bark: model small is not on this machine (installed: ")
    assert said.endswith("; fetch it with `bark download small`\n")
    assert said.count("\n") == 1
    assert hub.requests == []
