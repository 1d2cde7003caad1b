"""Sound files that lie: no number of a header makes buffers that the file does not fill."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from test_player import FakePortAudio, speaker  # noqa: F401  (a fixture)

from bark_cli.audio import open_sound
from bark_cli.cli import main
from bark_cli.errors import AudioError


def wav(path: Path, rate: int, channels: int = 1, samples: int = 2000) -> Path:
    """A WAV whose header says whatever it likes."""
    body = np.zeros(samples, "<i2").tobytes()
    rates = (rate, rate * 2 * channels & 0xFFFFFFFF, 2 * channels & 0xFFFF, 16)
    form = struct.pack("<HHIIHH", 1, channels, *rates)
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(body)) + body
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks)
    return path


@pytest.mark.parametrize("rate", [0, 1, 2, 3, 7, 50, 3_999, 768_001, 400_000_000, 2**31 - 1, 2**32 - 1])
def test_a_rate_that_no_sound_has_is_a_line(
    rate: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = wav(tmp_path / "a.wav", rate)
    for command in ("inspect", "show", "play"):
        assert main([command, str(path)]) == 1
        said = capsys.readouterr().err
        assert said.startswith("bark: ")
        assert "unexpected" not in said
        assert "--device cpu" not in said
    with pytest.raises(AudioError):
        open_sound(path)


@pytest.mark.parametrize("rate", [4_000, 8_000, 44_100, 768_000])
def test_the_rates_of_sound_are_measured(
    rate: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", str(wav(tmp_path / "a.wav", rate)), "--json"]) == 0
    capsys.readouterr()


def test_many_channels_are_read_in_smaller_blocks(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros((5_000, 1024), np.int16), 768_000)
    with open_sound(path) as source:
        blocks = [len(block.samples) for block in source.blocks()]
    assert sum(blocks) == 5_000
    assert max(blocks) * 1024 <= 2**22


def test_a_name_that_is_not_utf8_is_read_as_it_was_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = wav(tmp_path / os.fsdecode(b"caf\xe9.wav"), 24_000)
    assert main(["show", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sample_rate"] == 24_000
    path.write_text("no sound")
    assert main(["show", str(path)]) == 1
    assert capsys.readouterr().err.endswith(
        "is not a sound file that can be read here: Format not recognised\n"
    )


@pytest.mark.parametrize("sample", [np.nan, np.inf])
@pytest.mark.parametrize("command", ["inspect", "detect", "play"])
def test_samples_that_are_no_numbers_are_the_files_fault(
    command: str,
    sample: float,
    speaker: FakePortAudio,  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.full(2400, sample), 24_000, subtype="FLOAT")
    assert main([command, str(path)]) == 1
    assert capsys.readouterr().err == f"bark: {path} holds samples that are no numbers; it is damaged\n"
