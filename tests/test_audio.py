"""Sound to files of every format, and to a loudspeaker that may be missing."""

from __future__ import annotations

import io
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bark_cli import audio as sound
from bark_cli.audio import FORMATS, Audio, check_sound_file, encode, open_sink, save
from bark_cli.errors import AudioError, OptionError, OutputError


def tone(seconds: float = 1.0, rate: int = 24_000) -> Audio:
    time = np.arange(int(seconds * rate)) / rate
    return Audio(samples=(0.5 * np.sin(2 * np.pi * 440 * time)).astype(np.float32), sample_rate=rate)


def test_wav_is_mono_16_bit_and_exact(tmp_path: Path) -> None:
    audio = Audio(samples=np.array([0, 0.5, -0.5, 1, -1, 3, -3], np.float32), sample_rate=24_000)
    save(audio, tmp_path / "a.wav")
    with wave.open(str(tmp_path / "a.wav")) as file:  # the standard library reads what we wrote
        assert file.getparams()[:4] == (1, 2, 24_000, 7)
        samples = np.frombuffer(file.readframes(7), "<i2")
    assert samples.tolist() == [0, 16384, -16384, 32767, -32767, 32767, -32767]  # louder than 1 is clipped


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("seconds", [0.1, 2.5])
def test_every_format_comes_back_as_long_and_as_loud(tmp_path: Path, suffix: str, seconds: float) -> None:
    path = tmp_path / f"a{suffix.upper()}"  # the case of a suffix says nothing
    save(tone(seconds), path)
    samples, rate = soundfile.read(path)
    assert rate == 24_000
    assert samples.ndim == 1
    assert abs(len(samples) - seconds * 24_000) <= 1152 * 2  # one frame of the coarsest codec, and its delay
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.1)


def test_ten_minutes_of_vorbis_do_not_crash() -> None:
    # libsndfile 1.2 dies of it in one piece, and would take the suite with it
    code = (
        "import numpy as np; from bark_cli.audio import Audio, encode;"
        "encode(Audio(samples=np.zeros(600 * 24_000, np.float32), sample_rate=24_000), '.ogg')"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0


def test_an_unknown_ending_names_the_known(tmp_path: Path) -> None:
    for name in ("a.aac", "a", ".wav"):
        with pytest.raises(OptionError, match=r"use one of \.wav, \.flac, \.ogg, \.opus, \.mp3"):
            check_sound_file(tmp_path / name)


def test_an_old_file_needs_force(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"old")
    with pytest.raises(OutputError, match="--force"):
        save(tone(), path)
    assert path.read_bytes() == b"old"
    save(tone(), path, force=True)
    assert soundfile.info(path).frames == 24_000


@pytest.mark.parametrize(
    ("samples", "advice"),
    [([], "another --seed"), ([0.0, np.nan], "weights are damaged"), ([np.inf], "weights are damaged")],
)
def test_no_sound_and_no_numbers_are_refused(samples: list[float], advice: str) -> None:
    with pytest.raises(AudioError, match=advice):
        encode(Audio(samples=np.array(samples, np.float32), sample_rate=24_000), ".wav")


def test_a_rate_the_format_cannot_have_is_one_line() -> None:
    with pytest.raises(AudioError, match=r"cannot write \.opus.*use \.wav"):
        encode(tone(rate=12_345), ".opus")


def test_sounddevice_is_not_imported_to_save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    sound.save(tone(0.1), tmp_path / "a.wav")


# sound in pieces


def test_a_wav_in_a_pipe_is_readable_without_its_length(tmp_path: Path) -> None:
    whole = tone(0.3)
    for count in (1, 4):
        path = tmp_path / f"{count}.wav"
        with path.open("wb") as file, open_sink(file, "wav", whole.sample_rate) as pipe:
            for samples in np.array_split(whole.samples, count):
                pipe.put(Audio(samples, whole.sample_rate))
        data, rate = soundfile.read(path, dtype="int16")
        assert rate == 24_000
        np.testing.assert_array_equal(data[: len(whole.samples)], sound.pcm16(whole))
        assert not data[len(whole.samples) :].any()  # up to a whole block
        assert 2 * len(data) % 4096 == 0
    assert path.read_bytes()[36:44] == b"data" + (0x7FFFF000).to_bytes(4, "little")
    assert path.read_bytes()[44:].startswith(sound.pcm16(whole).astype("<i2").tobytes())


def test_damaged_sound_goes_into_no_pipe(tmp_path: Path) -> None:
    bad = Audio(samples=np.array([0, np.nan], np.float32), sample_rate=24_000)
    stream = io.BytesIO()
    with open_sink(stream, "wav") as pipe, pytest.raises(AudioError, match="NaN"):
        pipe.put(bad)
    assert stream.getvalue() == b""
