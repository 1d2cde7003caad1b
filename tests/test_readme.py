"""What README.md tells people to type works as it stands, with the bundled model."""

from __future__ import annotations

import io
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
# each `bark say` that writes: those of tables (where Markdown escapes the pipe) and the first command
COMMANDS = sorted(
    {
        *re.findall(r"`(?:fortune \\\| )?(bark say [^`]*-o [^`]*)`", README),
        *re.findall(r"^pip install \. && (bark .*)$", README, re.MULTILINE),
    }
)
PIPING = [command.partition("|")[0].rstrip("\\ ") for command in COMMANDS if " -o - " in command]
WRITING = [command for command in COMMANDS if " -o - " not in command]


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
        input="It is raining.",
    )


def test_the_readme_shows_commands() -> None:
    assert len(WRITING) >= 6
    assert PIPING


@pytest.mark.parametrize("command", WRITING)
def test_command_writes_sound(command: str, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear friend, all is well here.", encoding="utf-8")
    words = shlex.split(command)
    done = run(["-m", "bark_cli", *words[1:]], tmp_path)
    assert done.returncode == 0, done.stderr
    wave, rate = soundfile.read(tmp_path / words[words.index("-o") + 1])
    assert rate in (24_000, 48_000)
    assert 0.5 < len(wave) / rate < 14


@pytest.mark.parametrize("command", PIPING)
def test_command_sends_sound_into_a_pipe(command: str, tmp_path: Path) -> None:
    words = shlex.split(command)
    done = subprocess.run(
        [sys.executable, "-m", "bark_cli", *words[1:]], cwd=tmp_path, capture_output=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    wave, _ = soundfile.read(io.BytesIO(done.stdout))
    assert len(wave) > 12_000


def test_python_example_runs(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.S)
    done = run(["-c", example], tmp_path)
    assert done.returncode == 0, done.stderr
    assert soundfile.info(tmp_path / "hello.wav").samplerate == 24_000
    assert float(done.stdout) > 0.5
