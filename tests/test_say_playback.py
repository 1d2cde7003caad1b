"""`bark say --play` and `bark play` with a real sound server, and keys pressed at a real terminal (a pty)."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from conftest import in_int8
from sound_server import RATE, SoundServer, as_samples, sound_server, where  # noqa: F401  (one is a fixture)

from bark_cli.audio import Audio, save

termios = pytest.importorskip("termios", reason="keys are heard only where there is termios")
import fcntl  # noqa: E402  (where there is termios)

TEXT = (
    "The sea is calm today. A small boat goes out. We wait for the evening. Then the light comes on. "
    "Nobody is on the beach, and the wind has gone."
)
SILENT = RATE // 2  # samples without a sound: noise has no such gap of its own


@pytest.fixture(scope="module")
def tiny_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return in_int8(tiny_model, tmp_path_factory.mktemp("int8") / "tiny")


@pytest.fixture
def chapter(tmp_path: Path) -> Path:
    """A text that the tiny model says in some twenty pieces of half a second or more."""
    path = tmp_path / "chapter.txt"
    path.write_text("Hello bark my name is bark i can speak. " * 10)
    return path


class Job:
    """`bark` at a terminal of its own, its sound going to the server."""

    def __init__(self, server: SoundServer, folder: Path, *arguments: str) -> None:
        self.ours, theirs = os.openpty()
        self.before = termios.tcgetattr(self.ours)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bark_cli", *arguments],
            cwd=folder,
            env=server.environment,
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)

    def press(self, key: str) -> None:
        os.write(self.ours, key.encode())

    def end(self) -> tuple[int, str, str]:
        """Its exit code, what it printed, and what it said; the terminal is as it was before."""
        out, err = self.process.communicate()
        assert termios.tcgetattr(self.ours) == self.before
        return self.process.returncode, out, err


@contextmanager
def started(server: SoundServer, folder: Path, *arguments: str) -> Iterator[Job]:
    job = Job(server, folder, *arguments)
    try:
        yield job
    finally:
        job.process.kill()
        job.process.communicate()
        os.close(job.ours)


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


def is_heard(data: bytearray) -> bool:
    return bool(as_samples(data).any())


def falls_silent(data: bytearray) -> bool:
    samples = as_samples(data)
    return len(samples) > SILENT and not samples[-SILENT:].any()


def parts_heard(data: bytearray) -> list[np.ndarray[Any, Any]]:
    """What was heard, in parts: between them there was a stretch of SILENT or more."""
    samples = as_samples(data)
    loud = np.flatnonzero(samples)
    gaps = np.flatnonzero(np.diff(loud) > SILENT)
    starts, ends = [loud[0], *loud[gaps + 1]], [*loud[gaps], loud[-1]]
    return [samples[start : end + 1] for start, end in zip(starts, ends, strict=True)]


def assert_paused_once(data: bytearray, sound: np.ndarray[Any, Any]) -> None:
    """What was heard is the sound, up to some place, and was interrupted at another without a loss."""
    parts = parts_heard(data)
    assert len(parts) == 2
    end = np.flatnonzero(sound)[0]
    for part in parts:
        start = where(part, sound)
        assert 0 <= start - end < 50  # samples that happen to be nothing, at the edges of the silence
        end = start + len(part)
        assert np.corrcoef(part, sound[start:end])[0, 1] > 0.99


def test_what_is_heard_is_what_the_file_holds_and_begins_before_all_is_made(
    sound_server: SoundServer,  # noqa: F811
    tmp_path: Path,
) -> None:
    (tmp_path / "text.txt").write_text(TEXT)
    sizes: list[int] = []
    with sound_server.recording() as data:
        arguments = [
            "-m",
            "nano",
            "-f",
            "text.txt",
            "--play",
            "-o",
            "out.wav",
            "--exact",
            "--seed",
            "3",
            "--json",
        ]
        process = subprocess.Popen(
            [sys.executable, "-m", "bark_cli", "say", *arguments],
            cwd=tmp_path,
            env=sound_server.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        watch = threading.Thread(target=lambda: sizes.append(_size_when_heard(data, tmp_path)))
        watch.start()
        out, err = process.communicate()
        watch.join()
    assert process.returncode == 0, err
    record = json.loads(out)
    said, rate = soundfile.read(tmp_path / "out.wav")
    assert rate == RATE
    # when the first piece was heard, the last at least was still to be made
    assert len(record["pieces"]) > 2
    assert 0 < sizes[0] < 2 * RATE * record["pieces"][-1]["start"]
    assert record["first_sound_seconds"] > 0
    assert record["underruns"] == 0
    recorded = as_samples(data)
    start = where(said, recorded)
    heard = recorded[start : start + len(said)]
    assert np.corrcoef(heard, said)[0, 1] > 0.99
    assert np.abs(heard - said).max() < 3 / 32_768
    assert not recorded[:start].any()  # and nothing else
    assert not recorded[start + len(said) :].any()


def _size_when_heard(data: bytearray, folder: Path) -> int:
    """Bytes of the file that is being written, at the moment when the first sound is recorded."""
    wait_until(lambda: is_heard(data), 200)
    size = 0
    for part in folder.glob(".bark-*.part"):
        with contextlib.suppress(FileNotFoundError):  # it got its final name while we looked
            size += part.stat().st_size
    return size


def test_space_pauses_and_loses_nothing(
    sound_server: SoundServer,  # noqa: F811
    tmp_path: Path,
    tiny_model: Path,
    chapter: Path,
) -> None:
    how = ["-m", str(tiny_model), "-f", str(chapter), "--pause", "0", "--seed", "3"]
    with (
        sound_server.recording() as data,
        started(sound_server, tmp_path, "say", *how, "--play", "-o", "out.wav", "--exact", "--json") as job,
    ):
        wait_until(lambda: is_heard(data))
        job.press(" ")
        wait_until(lambda: falls_silent(data))
        silent = len(data)
        wait_until(lambda: len(data) > silent + RATE)  # half a second more of nothing
        assert falls_silent(data)
        job.press(" ")
        wait_until(lambda: not falls_silent(data))
        silent = len(data)
        wait_until(lambda: len(data) > silent + 4 * RATE)  # two seconds more of sound
        job.press("q")
        code, out, err = job.end()
    assert code == 0, err
    said, _ = soundfile.read(tmp_path / "out.wav")
    assert json.loads(out)["underruns"] == 0
    assert_paused_once(data, said)


@pytest.mark.parametrize("to_file", [True, False])
def test_q_ends_the_sound_and_not_the_file(
    sound_server: SoundServer,  # noqa: F811
    tmp_path: Path,
    tiny_model: Path,
    chapter: Path,
    to_file: bool,
) -> None:
    how = ["-m", str(tiny_model), "-f", str(chapter), "--seed", "3", "--play", "--json"]
    how += ["-o", "out.wav"] if to_file else []
    with sound_server.recording() as data, started(sound_server, tmp_path, "say", *how) as job:
        wait_until(lambda: is_heard(data))
        job.press("q")
        code, out, err = job.end()
    assert code == 0, err
    record = json.loads(out)
    assert np.count_nonzero(as_samples(data)) < 3 * RATE
    if to_file:
        length = soundfile.info(tmp_path / "out.wav").duration
        assert length == pytest.approx(record["seconds"], abs=0.001)
        assert length > 15
        assert len(record["pieces"]) > 15
    else:
        assert record["path"] is None
        assert len(record["pieces"]) < 15  # the rest was not made


@pytest.mark.parametrize("to_file", [True, False])
def test_ctrl_c_while_it_plays(
    sound_server: SoundServer,  # noqa: F811
    tmp_path: Path,
    tiny_model: Path,
    chapter: Path,
    to_file: bool,
) -> None:
    how = ["-m", str(tiny_model), "-f", str(chapter), "--seed", "3", "--play"]
    how += ["-o", "out.wav"] if to_file else []
    with sound_server.recording() as data, started(sound_server, tmp_path, "say", *how) as job:
        wait_until(lambda: is_heard(data))
        job.press("\x03")
        code, out, err = job.end()
    assert (code, out) == (130, "")
    assert "Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == ["chapter.txt"]
    assert np.count_nonzero(as_samples(data)) < 3 * RATE


def test_bark_play_through_the_whole_command(
    sound_server: SoundServer,  # noqa: F811
    tmp_path: Path,
) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 8 * RATE).astype(np.float32)
    save(Audio(noise, RATE), tmp_path / "a.wav")
    with sound_server.recording() as data, started(sound_server, tmp_path, "play", "a.wav") as job:
        wait_until(lambda: is_heard(data))
        job.press(" ")
        wait_until(lambda: falls_silent(data))
        job.press(" ")
        wait_until(lambda: not falls_silent(data))
        job.press("q")
        code, out, err = job.end()
    assert (code, out) == (0, "")
    lines = err.splitlines()
    assert lines[0] == "bark: Space pauses, q stops"
    assert lines[1].startswith("bark: a.wav: ")
    assert lines[1].endswith(" s played")
    assert_paused_once(data, noise)
    assert sum(map(len, parts_heard(data))) < 7 * RATE
