"""`bark detect`: nano's mark in what nano says, none in what others make, and the answers of the command."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from conftest import tiny_codec_tensors

from bark_cli.audio import Audio, save
from bark_cli.cli import main
from bark_cli.inspection.detect import find_signs, sound_files
from bark_cli.inspection.mark import CODECS, THRESHOLD, Mark, MarkMeter
from bark_cli.model.codec import Codec
from bark_cli.model.config import BarkConfig
from bark_cli.pipeline import Bark
from bark_cli.speech import Speech
from benchmarks.detect import made_up, noise, row, some

ROOT = Path(__file__).parent.parent
TEXT = (
    "The old baker walked slowly to the river, and there he sat down under the tall trees and waited for the "
    "evening boat to come."
)  # seven seconds: the longer a sound, the plainer its mark


@pytest.fixture(scope="module")
def speech() -> Speech:
    """What nano says."""
    return Bark.load("nano").say(TEXT, voice="nano/finn", seed=3)


def marks_in(samples: np.ndarray[Any, Any], rate: int = 24_000, block_s: float = 1.0) -> tuple[Mark, Mark]:
    meter, size = MarkMeter(rate), max(1, round(block_s * rate))
    for start in range(0, len(samples), size):
        meter.put(Audio(samples[start : start + size].astype(np.float32), rate))
    marks = meter.marks()
    assert marks is not None
    assert [mark.codec for mark in marks] == list(CODECS)
    return marks[0], marks[1]


def comb(rate_hz: float, seconds: float = 6.0, rate: int = 24_000, level: float = 0.3) -> Any:
    """Noise, and weaker than it a pattern that repeats itself at `rate_hz`."""
    random = np.random.default_rng(0)
    time = np.arange(round(seconds * rate)) / rate
    lines = np.arange(1, min(12_000, rate / 2) // rate_hz)
    phases = random.uniform(0, 2 * np.pi, len(lines))
    pattern = sum(np.cos(2 * np.pi * n * rate_hz * time + p) for n, p in zip(lines, phases, strict=True))
    return 0.1 * random.standard_normal(len(time)) + level * 0.1 * pattern / np.sqrt(len(lines) / 2)


def resampled(sound: Any, by: float) -> Any:
    """At another rate, by its spectrum."""
    wanted = round(len(sound) * by)
    return (by * np.fft.irfft(np.fft.rfft(sound), wanted)).astype(np.float32)


# the mark


@pytest.mark.parametrize(
    ("suffix", "rate"), [(".wav", 24_000), (".mp3", 24_000), (".opus", 24_000), (".wav", 44_100)]
)
def test_what_nano_says_bears_its_mark_and_not_encodecs(
    speech: Speech, tmp_path: Path, suffix: str, rate: int
) -> None:
    sound = resampled(speech.audio.samples, rate / speech.audio.sample_rate)
    save(Audio(sound, rate), tmp_path / f"a{suffix}")
    signs = find_signs(tmp_path / f"a{suffix}")
    assert signs.marks is not None
    nano, encodec = signs.marks
    assert nano.z > THRESHOLD
    assert nano.is_found
    assert not encodec.is_found
    assert signs.answer == "bears the mark"


def test_a_cut_moves_it_and_does_not_hide_it(speech: Speech) -> None:
    assert marks_in(speech.audio.samples[5_001:])[0].is_found


def test_another_speed_does(speech: Speech) -> None:
    sound = speech.audio.samples
    faster = np.interp(np.arange(0, len(sound) - 1, 1.03), np.arange(len(sound)), sound)
    assert not marks_in(faster)[0].is_found


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_056, 48_000])
@pytest.mark.parametrize(
    ("rate_hz", "found"), [(50.0, (True, False)), (75.0, (False, True)), (80.0, (False, False))]
)
def test_a_pattern_belongs_to_the_frame_rate_that_it_has(
    rate: int, rate_hz: float, found: tuple[bool, bool]
) -> None:
    marks = marks_in(comb(rate_hz, rate=rate), rate)
    assert (marks[0].is_found, marks[1].is_found) == found, marks


def test_encodecs_mark_comes_of_its_shape_whatever_its_weights_are(tiny_config: BarkConfig) -> None:
    config = tiny_config.codec
    tensors = tiny_codec_tensors(config)
    codec = Codec.from_tensors(config, {name.removeprefix("codec."): tensors[name] for name in tensors})
    codes = torch.randint(
        config.codebook_size, (config.n_codebooks, 450), generator=torch.Generator().manual_seed(0)
    )
    sound = codec.decode(codes).numpy()
    nano, encodec = marks_in(0.5 * sound / np.abs(sound).max())
    assert encodec.is_found
    assert not nano.is_found


def sounds_of_others() -> Iterator[tuple[str, Any]]:
    random, time = np.random.default_rng(1), np.arange(24_000 * 6) / 24_000
    yield "white noise", random.standard_normal(len(time))
    yield "brown noise", np.cumsum(random.standard_normal(len(time))) / 100
    yield "a note", sum(np.sin(2 * np.pi * 440 * n * time) / n for n in range(1, 24))
    yield "a sweep", np.sin(2 * np.pi * (100 + 900 * time) * time)
    yield "a click a second", (np.arange(len(time)) % 24_000 == 0).astype(float)
    hum = sum(np.sin(2 * np.pi * 50.02 * n * time) / n**2 for n in range(1, 60))
    yield "mains hum", hum + 0.01 * random.standard_normal(len(time))
    voice = sum(np.sin(2 * np.pi * n * (130 * time + 3 * np.sin(5 * time))) / n for n in range(1, 60))
    yield "a singing voice", voice + 0.01 * random.standard_normal(len(time))
    yield "silence", np.zeros(len(time))


@pytest.mark.parametrize(("name", "sound"), [pytest.param(*it, id=it[0]) for it in sounds_of_others()])
def test_what_others_make_bears_none(name: str, sound: Any) -> None:
    assert not any(mark.is_found for mark in marks_in(0.1 * sound)), name


def test_silence_that_opus_fills_bears_none(tmp_path: Path) -> None:
    """Opus has 50 frames a second, too."""
    time = np.arange(24_000 * 8) / 24_000
    voice = sum(np.sin(2 * np.pi * n * (110 * time + 2 * np.sin(3 * time))) / n for n in range(1, 90))
    save(Audio((0.05 * voice * (time % 2 < 1)).astype(np.float32), 24_000), tmp_path / "a.opus")
    marks = find_signs(tmp_path / "a.opus").marks
    assert marks is not None
    assert marks[0].z < 5, marks


def test_it_does_not_matter_in_which_pieces_it_comes(speech: Speech) -> None:
    sound = np.tile(speech.audio.samples, 3)
    wanted = marks_in(sound)
    for block_s in (0.001, 0.37, 100.0):
        for mark, same in zip(wanted, marks_in(sound, block_s=block_s), strict=True):
            assert same.z == pytest.approx(mark.z, abs=0.01)


def test_a_long_sound_takes_no_more_memory_than_a_short_one() -> None:
    random, meter, held = np.random.default_rng(0), MarkMeter(24_000), []
    for _ in range(90):
        meter.put(Audio(random.standard_normal(24_000).astype(np.float32), 24_000))
        parts = [part for one in meter._combs.values() for part in (*one._frames, one._rest)]
        held.append(sum(part.nbytes for part in parts))
    assert max(held[40:]) <= max(held[:40])
    assert not any(mark.is_found for mark in meter.marks() or ())


# the command


@pytest.fixture
def sounds(speech: Speech, tmp_path: Path) -> Path:
    """One that says so, one that bears the mark, and one without any sign."""
    folder = tmp_path / "sounds"
    (folder / "deeper").mkdir(parents=True)
    speech.save(folder / "tagged.flac")
    save(speech.audio, folder / "deeper" / "stripped.mp3")
    noise = np.random.default_rng(0).standard_normal(48_000) * 0.1
    soundfile.write(folder / "noise.wav", noise, 24_000)
    (folder / "notes.txt").write_text("no sound")
    return folder


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return {Path(one["path"]).name: one for one in json.loads(capsys.readouterr().out)}


def test_a_folder_is_judged_file_by_file(sounds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detect", str(sounds), "--json"]) == 0
    found = told(capsys)
    assert {name: one["answer"] for name, one in found.items()} == {
        "stripped.mp3": "bears the mark",
        "noise.wav": "no sign",
        "tagged.flac": "says so",
    }
    assert found["tagged.flac"]["provenance"]["model"] == "nano"
    assert found["tagged.flac"]["marks"][0]["found"]
    assert found["noise.wav"]["marks"][1]["experimental"]
    assert all(one["threshold"] == THRESHOLD and one["reasons"] for one in found.values())


def test_every_answer_has_its_reasons_and_none_says_too_much(
    sounds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["detect", str(sounds / "noise.wav")]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{sounds / 'noise.wav'}: no sign; that proves nothing"
    assert all(line.startswith("  ") for line in lines[1:])
    assert "threshold 6" in lines[2]
    assert main(["detect", str(sounds / "tagged.flac")]) == 0
    assert "anybody can write such a tag, or strip it" in capsys.readouterr().out
    sources = [
        ROOT / "bark_cli" / name for name in ("cli/detect.py", "inspection/detect.py", "inspection/mark.py")
    ]
    for source in (*sources, ROOT / "docs" / "detect.md"):
        assert "human" not in source.read_text(encoding="utf-8").lower()


@pytest.mark.parametrize("content", [b"", b"no sound at all", b"RIFF\x10\x00\x00\x00WAVEfmt "])
def test_what_cannot_be_read_is_an_error_and_the_rest_is_judged(
    sounds: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    (sounds / "a.wav").write_bytes(content)
    assert main(["detect", str(sounds), str(sounds / "missing.wav"), "--json"]) == 1
    out, err = capsys.readouterr()
    assert len(json.loads(out)) == 3
    assert [line.partition(":")[0] for line in err.splitlines()] == ["bark", "bark"]
    assert "a.wav" in err
    assert "missing.wav" in err


def test_a_sound_that_is_too_short_shows_no_sign(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soundfile.write(tmp_path / "a.wav", np.full(20_000, 0.1), 24_000)
    assert main(["detect", str(tmp_path / "a.wav")]) == 3
    assert "0.8 s is too short to tell" in capsys.readouterr().out


def test_links_are_not_followed_and_an_empty_folder_is_an_error(
    sounds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "a.wav").symlink_to(sounds / "noise.wav")
    (tmp_path / "linked" / "all").symlink_to(sounds, target_is_directory=True)
    assert main(["detect", str(tmp_path / "linked")]) == 1
    assert "holds no sound files" in capsys.readouterr().err
    assert [file.name for file in sound_files(sounds / "noise.wav")] == ["noise.wav"]


@pytest.mark.skipif(os.name != "posix", reason="such names are for POSIX")
def test_a_name_stays_on_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soundfile.write(str(tmp_path / "a.wav"), np.zeros(48_000), 24_000)
    (tmp_path / "a.wav").rename(tmp_path / "a\nb: says so.wav")
    assert main(["detect", str(tmp_path)]) == 3
    assert capsys.readouterr().out.splitlines()[0].endswith("a b: says so.wav: no sign; that proves nothing")


def test_the_table_in_the_docs_can_be_made_again(sounds: Path, tmp_path: Path) -> None:
    assert len(some(sounds, 1)) == 3
    assert some(sounds, 3) == some(sounds, 3)
    found = [find_signs(file).marks or () for file in some(sounds, 1)]
    assert row("here", found).startswith("| here | 3 | ")
    assert "| 2 (66.7%) | 0 (0.0%) |" in row("here", found)
    assert all(marks is not None for marks in made_up(2))
    changed = noise(0.0)(sounds / "tagged.flac", tmp_path)
    assert not any(mark.is_found for mark in find_signs(changed).marks or ())
