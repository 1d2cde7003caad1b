"""Sound in pieces, into files and pipes of every format: its length, its headers, and its bad days."""

from __future__ import annotations

import errno
import io
import os
import shutil
import signal
import subprocess
import sys
import wave
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from bark_cli.audio import (
    FORMAT_NAMES,
    FORMATS,
    Audio,
    Provenance,
    encode,
    find_format,
    open_sink,
    open_sound,
    pcm16,
    save,
    wav,
)
from bark_cli.errors import AudioError, OptionError, OutputError

RATE = 24_000
NAMES = [name for name in FORMAT_NAMES if name != "raw"]
# Samples that a player without the length hears beside the sound: of an MP3 in a pipe, the delay of 1105 that
# the codec has, and what fills the last frame of 576. All else is exact.
EXTRA = {("mp3", "pipe"): 1105 + 576, ("wav", "pipe"): 2047}
NOTE = Provenance("nano", "nano/ann", 7, "00" * 32, "0.1.0", {"temperature": 0.7})


def tone(seconds: float = 1.0, rate: int = RATE) -> Audio:
    return Audio((0.5 * np.sin(0.1 * np.arange(round(seconds * rate)))).astype(np.float32), rate)


def written(folder: Path, name: str, way: str, pieces: Iterator[Audio]) -> Path:
    """A file that was written as one, or through a pipe."""
    path = folder / f"{way}.{name}"
    with (
        path.open("wb") as pipe,
        open_sink(path if way == "file" else pipe, name, RATE, NOTE, force=True) as sink,
    ):
        for piece in pieces:
            sink.put(piece)
    return path


def decoded(path: Path) -> tuple[int, np.ndarray[Any, Any]]:
    """Its length in samples, and the last second of the sound."""
    count, last = 0, np.zeros(0, np.float32)
    with open_sound(path) as source:
        for block in source.blocks(10):
            count += len(block.samples)
            last = np.concatenate([last, block.samples])[-RATE:]
    return count, last


def mostly_silence(seconds: int) -> Iterator[Audio]:
    """A tone in the first and in the last second: silence costs the codecs little."""
    for second in range(seconds):
        yield tone() if second in (0, seconds - 1) else Audio(np.zeros(RATE, np.float32), RATE)


@pytest.mark.parametrize("way", ["file", "pipe"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seconds", [1, pytest.param(200, marks=pytest.mark.slow)])
def test_every_format_is_as_long_as_what_was_put(tmp_path: Path, name: str, way: str, seconds: int) -> None:
    path = written(tmp_path, name, way, mostly_silence(seconds))
    count, last = decoded(path)
    assert 0 <= count - seconds * RATE <= EXTRA.get((name, way), 0)
    assert np.sqrt(np.mean(last[: RATE // 2] ** 2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.1)
    if way == "file":
        assert soundfile.info(path).frames == seconds * RATE  # what the header says
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["wav", "opus"])
def test_a_long_sound_is_as_long_as_what_was_put_and_takes_no_memory(tmp_path: Path, name: str) -> None:
    code = (
        "import resource, sys; import numpy as np, soundfile; from bark_cli.audio import Audio, open_sink;"
        "second = Audio(np.zeros(24_000, np.float32), 24_000); peak = lambda: "
        "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss"
        " // (1024 if sys.platform == 'linux' else 1024**2)\n"
        "with open_sink(sys.argv[1], sample_rate=24_000) as sink:\n"
        "    for i in range(900):\n"
        "        sink.put(second)\n"
        "        if i == 10: before = peak()\n"
        "print(peak() - before, soundfile.info(sys.argv[1]).frames)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / f"a.{name}")]
    megabytes, frames = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()
    assert int(frames) == 900 * RATE
    assert int(megabytes) < 16  # the samples alone would be 86


@pytest.mark.parametrize("name", NAMES)
def test_pieces_of_any_size_make_the_same_bytes_as_the_whole(tmp_path: Path, name: str) -> None:
    whole = tone(2.3)
    cuts = np.cumsum([1, 5, 1199, 1, 24_000, 3])
    pieces = (Audio(samples, RATE) for samples in np.split(whole.samples, cuts))
    path = written(tmp_path, name, "file", pieces)
    assert path.read_bytes() == encode(whole, name, NOTE)
    assert encode(whole, f".{name}", NOTE) == encode(whole, name.upper(), NOTE)  # and every time the same


def test_lossless_formats_hold_the_very_samples(tmp_path: Path) -> None:
    whole = tone(1.3)
    for way in ("file", "pipe"):
        for name in ("wav", "flac"):
            with open_sound(written(tmp_path, name, way, iter([whole]))) as source:
                heard = np.concatenate([block.samples for block in source.blocks(0.1)])
            silence = heard[len(whole.samples) :]  # up to a whole block of a WAV in a pipe
            np.testing.assert_array_equal(np.round(heard[: len(whole.samples)] * 32_768), pcm16(whole))
            assert len(silence) < (2048 if (name, way) == ("wav", "pipe") else 1)
            assert not silence.any()
        raw = written(tmp_path, "raw", way, iter([whole])).read_bytes()
        assert raw == pcm16(whole).astype("<i2").tobytes()


def test_a_name_overrules_the_suffix(tmp_path: Path) -> None:
    with open_sink(tmp_path / "a.wav", "flac", RATE) as sink:
        sink.put(tone())
        assert sink.duration_s == 1.0
    assert soundfile.info(tmp_path / "a.wav").format == "FLAC"
    save(tone(), tmp_path / "b", format="opus")
    assert soundfile.info(tmp_path / "b").subtype == "OPUS"
    assert find_format(None, ".MP3") == "mp3"
    for path, name, words in (("a.wav", "aac", "aac is not a known"), (None, None, "name the format")):
        with pytest.raises(OptionError, match=rf"{words}.*wav, flac, ogg, opus, mp3, raw"):
            find_format(path, name)


# headers


def test_the_header_of_a_wav_file_is_exact(tmp_path: Path) -> None:
    path = written(tmp_path, "wav", "file", iter([tone(0.5), tone(0.25)]))
    data = path.read_bytes()
    assert int.from_bytes(data[4:8], "little") == len(data) - 8
    at = data.index(b"data")
    assert int.from_bytes(data[at + 4 : at + 8], "little") == len(data) - at - 8 == 18_000 * 2
    with wave.open(str(path)) as file:  # the standard library reads what we wrote
        assert file.getparams()[:4] == (1, 2, RATE, 18_000)


def test_a_wav_longer_than_riff_can_say_is_rf64(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = written(tmp_path, "wav", "file", iter([tone()])).read_bytes()
    monkeypatch.setattr(wav, "LIMIT", 40_000)  # for 4 GiB
    path = written(tmp_path, "wav", "file", iter([tone()]))
    data = path.read_bytes()
    assert data[:4] + data[12:16] == b"RF64ds64"
    assert int.from_bytes(data[20:28], "little") == len(data) - 8
    assert int.from_bytes(data[28:36], "little") == RATE * 2
    assert data[-RATE * 2 :] == short[-RATE * 2 :]
    assert len(data) == len(short)


def test_what_is_in_a_pipe_says_no_length_it_does_not_know(tmp_path: Path) -> None:
    data = written(tmp_path, "wav", "pipe", iter([tone()])).read_bytes()
    at = data.index(b"data")
    sizes = [int.from_bytes(data[n : n + 4], "little") for n in (4, at + 4)]
    assert sizes == [0x7FFFF000 + at, 0x7FFFF000]  # as SoX says it
    data = written(tmp_path, "flac", "pipe", iter([tone()])).read_bytes()
    assert int.from_bytes(data[21:26], "big") % 2**36 == 0  # STREAMINFO: unknown
    with open_sound(tmp_path / "pipe.flac") as source:
        assert source.duration_s is None


def test_a_wav_held_back_for_a_pipe_says_how_long_it_is() -> None:
    stream, late = io.BytesIO(), io.BytesIO()
    with open_sink(stream, "wav", RATE) as soon, open_sink(late, "wav", RATE, is_held=True) as held:
        for sink in (soon, held):
            sink.put(tone(0.3))
            sink.put(tone(0.1))
        assert stream.getvalue()
        assert not late.getvalue()
    data, at = late.getvalue(), late.getvalue().index(b"data")
    assert int.from_bytes(data[4:8], "little") == len(data) - 8
    assert int.from_bytes(data[at + 4 : at + 8], "little") == len(data) - at - 8 == round(0.4 * RATE) * 2
    assert stream.getvalue()[at + 8 :].startswith(data[at + 8 :])


MPV_RAW = ("--ao=pcm", "--ao-pcm-waveheader=no", "--ao-pcm-file=OUT")
ALWAYS_SAID = (
    "ALSA lib",
    "Guessed Channel Layout",
)  # by a machine without sound, and of any file with one channel


@pytest.mark.parametrize("is_held", [False, True])
@pytest.mark.parametrize(
    "reader",
    [
        ["ffmpeg", "-loglevel", "warning", "-i", "-", "-f", "s16le", "OUT"],
        ["sox", "-t", "wav", "-", "-t", "raw", "OUT"],
        ["aplay", "--quiet", "-D", "null", "-"],
        ["mpv", "--no-config", "--msg-level=all=warn", "--no-video", *MPV_RAW, "-"],
    ],
    ids=lambda reader: reader[0],
)
def test_other_programs_read_a_piped_wav_without_complaint(
    reader: list[str], is_held: bool, tmp_path: Path
) -> None:
    if shutil.which(reader[0]) is None:
        pytest.skip(f"{reader[0]} is not installed; tests/apt-packages.txt has it")
    stream, whole = io.BytesIO(), tone(0.7)
    with open_sink(stream, "wav", RATE, is_held=is_held) as sink:
        sink.put(whole)
    out = tmp_path / "out.raw"
    command = [word.replace("OUT", str(out)) for word in reader]
    done = subprocess.run(command, input=stream.getvalue(), capture_output=True, timeout=60)
    assert done.returncode == 0
    lines = done.stderr.decode().splitlines()
    assert not [line for line in lines if not any(words in line for words in ALWAYS_SAID)]
    if "OUT" in " ".join(reader):
        heard = np.frombuffer(out.read_bytes(), "<i2")
        np.testing.assert_array_equal(heard[: len(whole.samples)], pcm16(whole))
        assert len(heard) - len(whole.samples) < 2048


class OneWay(io.RawIOBase):
    """A pipe: it can neither seek nor tell where it is."""

    def __init__(self, room: int = 1 << 30) -> None:
        self.data, self.room = bytearray(), room

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if len(self.data) + len(data) > self.room:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")
        self.data += data
        return len(data)


@pytest.mark.parametrize("name", FORMAT_NAMES)
def test_a_pipe_is_only_written_forward_and_left_open(name: str) -> None:
    pipe = OneWay()
    with open_sink(pipe, name, RATE) as sink:  # type: ignore[arg-type]
        assert not pipe.data  # nothing is said before there is something to say
        for _ in range(5):
            sink.put(tone())
        early = len(pipe.data)
    assert not pipe.closed
    assert early > len(pipe.data) / 2  # it did not wait for the end
    with open_sink(empty := OneWay(), name, RATE):  # type: ignore[arg-type]
        pass
    assert not empty.data


@pytest.mark.parametrize("name", FORMAT_NAMES)
def test_a_reader_that_goes_away_is_told_of(name: str) -> None:
    def piped() -> None:
        with open_sink(OneWay(room=3000), name, RATE) as sink:  # type: ignore[arg-type]
            for _ in range(30):
                sink.put(tone())

    with pytest.raises(BrokenPipeError):
        piped()


# bad days


@pytest.fixture(params=[None, b"old"], ids=["new", "over an old one"])
def target(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """Where a file is to be; afterwards the old one is there still, and nothing beside it."""
    folder = tmp_path / "out"
    folder.mkdir()
    if request.param:
        (folder / "a").write_bytes(request.param)
    yield folder / "a"
    assert [(p.name, p.read_bytes()) for p in folder.iterdir()] == ([("a", b"old")] if request.param else [])


@pytest.mark.parametrize("name", FORMAT_NAMES)
def test_a_full_disk_is_one_line(target: Path, name: str) -> None:
    resource = pytest.importorskip("resource", reason="no file size limits on this system")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    noise = Audio(np.random.default_rng(0).uniform(-0.5, 0.5, RATE).astype(np.float32), RATE)

    def filled() -> None:
        with open_sink(target, name, RATE, force=True) as sink:
            for _ in range(60):
                sink.put(noise)

    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that the limit is an error of write(2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"cannot write .*a: File too large; choose another place"):
            filled()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)


@pytest.mark.parametrize("name", NAMES)
def test_a_disk_that_fills_at_the_very_end_is_told_of(
    target: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("bark_cli.system.files.os.fsync", full)
    with (
        pytest.raises(OutputError, match="No space left on device"),
        open_sink(target, name, RATE, force=True) as sink,
    ):
        sink.put(tone())


@pytest.mark.parametrize("name", FORMAT_NAMES)
@pytest.mark.parametrize("bad", [[0.0, np.nan], [np.inf]])
def test_damaged_sound_leaves_no_file(target: Path, name: str, bad: list[float]) -> None:
    def damaged() -> None:
        with open_sink(target, name, RATE, force=True) as sink:
            sink.put(tone())
            sink.put(Audio(np.array(bad, np.float32), RATE))

    with pytest.raises(AudioError, match="NaN"):
        damaged()


@pytest.mark.parametrize("name", FORMAT_NAMES)
def test_no_sound_at_all_is_no_file(target: Path, name: str) -> None:
    with pytest.raises(AudioError, match="another --seed"), open_sink(target, name, RATE, force=True) as sink:
        sink.put(Audio(np.zeros(0, np.float32), RATE))


def test_ctrl_c_and_what_else_goes_wrong_leave_no_file(target: Path) -> None:
    for error in (KeyboardInterrupt, ValueError):
        with suppress(error), open_sink(target, "flac", RATE, force=True) as sink:
            sink.put(tone())
            raise error


def test_a_rate_that_cannot_be_leaves_no_file(target: Path) -> None:
    with pytest.raises(AudioError, match=r"cannot write \.opus.*use \.wav"):
        open_sink(target, "opus", 12_345, force=True)
    with (
        pytest.raises(AudioError, match="22050 Hz cannot go on one of 24000 Hz"),
        open_sink(target, "wav", RATE, force=True) as sink,
    ):
        sink.put(tone(rate=22_050))


def test_an_old_file_is_not_written_over_unasked(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"old")
    with pytest.raises(OutputError, match="--force"):
        open_sink(tmp_path / "a.wav")
    assert (tmp_path / "a.wav").read_bytes() == b"old"


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
@pytest.mark.parametrize("suffix", FORMATS)
def test_kill_9_leaves_the_old_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"old")
    code = (
        "import sys; import numpy as np; from bark_cli.audio import Audio, open_sink;"
        "noise = Audio(np.random.default_rng(0).uniform(-0.5, 0.5, 24_000).astype(np.float32), 24_000)\n"
        "with open_sink(sys.argv[1], sample_rate=24_000, force=True) as sink:\n"
        "    while True:\n"
        "        sink.put(noise)\n"
        "        print('put', flush=True)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(3):
            assert process.stdout.readline()
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    assert all(p == path or p.name.startswith(".bark-") for p in tmp_path.iterdir())
