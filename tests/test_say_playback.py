"""`bark say --play` and `bark play` with a real sound server, and keys pressed at a real terminal (a pty)."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import in_int8
from sound_server import (
    RATE,
    ROUNDING,
    SoundServer,
    as_samples,
    is_heard_in_order,
    parts,
    sound_server,  # noqa: F401  (a fixture)
    tried_again_where_busy,
)

from bark_cli.audio import Audio, save

termios = pytest.importorskip("termios", reason="keys are heard only where there is termios")
import fcntl  # noqa: E402  (where there is termios)

PIPE = 2**17  # bytes that a pipe holds before a writer has to wait
HALF_S = 7.0  # of the chapter's sound: more is heard where a key does nothing
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


def wait_until(condition: Callable[[], object], seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


def is_heard(data: bytearray) -> bool:
    return bool(as_samples(data).any())


def falls_silent(data: bytearray) -> bool:
    samples = as_samples(data)
    return len(samples) > SILENT and not samples[-SILENT:].any()


def made_s(folder: Path) -> float:
    """Seconds of sound in the file that is being written."""
    size = 0
    for part in folder.glob(".bark-*.part"):
        with contextlib.suppress(FileNotFoundError):  # it got its final name while we looked
            size += part.stat().st_size
    return size / 2 / RATE


def heard_s(data: bytearray) -> float:
    return float(np.count_nonzero(as_samples(data))) / RATE


@tried_again_where_busy
def test_what_is_heard_is_what_the_file_holds_and_begins_before_all_is_made(
    sound_server: SoundServer,  # noqa: F811
    tmp_path: Path,
    tiny_model: Path,
    chapter: Path,
) -> None:
    """Standard output takes 2.7 s of the chapter; more is written only once the first sound was heard."""
    how = ["-m", str(tiny_model), "-f", str(chapter), "--seed", "3", "--play", "-o", "-", "--raw", "--exact"]
    with sound_server.recording() as data:
        process = subprocess.Popen(
            [sys.executable, "-m", "bark_cli", "say", *how],
            cwd=tmp_path,
            env=sound_server.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pipesize=PIPE,
        )
        try:
            wait_until(lambda: is_heard(data))
        except AssertionError:
            process.kill()
            raise
        finally:
            out, err = process.communicate()
    assert process.returncode == 0, err
    assert len(out) > 2 * PIPE
    said = np.frombuffer(out, "<i2") / 32_768
    heard = is_heard_in_order(as_samples(data), said)
    assert not np.abs(said[heard:]).max(initial=0) > ROUNDING


@tried_again_where_busy
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
        wait_until(lambda: falls_silent(data) and made_s(tmp_path) > heard_s(data) + 4)
        silent = len(data)
        wait_until(lambda: len(data) > silent + RATE)  # half a second more of nothing, though there is sound
        assert falls_silent(data)
        job.press(" ")
        wait_until(lambda: not falls_silent(data))
        silent = len(data)
        wait_until(lambda: len(data) > silent + 4 * RATE)  # two seconds more of sound
        job.press("q")
        code, _, err = job.end()
    assert code == 0, err
    said, _ = soundfile.read(tmp_path / "out.wav")
    assert len(parts(as_samples(data), SILENT)) > 1
    assert is_heard_in_order(as_samples(data), said) < len(said)


@pytest.mark.parametrize("to_file", [True, False])
def test_q_ends_the_sound_and_not_the_file(
    sound_server: SoundServer,  # noqa: F811
    tmp_path: Path,
    tiny_model: Path,
    chapter: Path,
    to_file: bool,
) -> None:
    how = ["-m", str(tiny_model), "-f", str(chapter), "--seed", "3", "--play", "--json"]
    if to_file:
        how += ["-o", "out.wav"]
    else:  # no more of it is made than two minutes ahead of what is heard
        chapter.write_text(chapter.read_text() * 20)
    with sound_server.recording() as data, started(sound_server, tmp_path, "say", *how) as job:
        wait_until(lambda: is_heard(data))
        job.press("q")
        code, out, err = job.end()
    assert code == 0, err
    record = json.loads(out)
    assert heard_s(data) < HALF_S
    if to_file:
        length = soundfile.info(tmp_path / "out.wav").duration
        assert length == pytest.approx(record["seconds"], abs=0.001)
        assert length > 2 * HALF_S
        assert len(record["pieces"]) > 15
    else:
        assert record["path"] is None
        assert len(record["pieces"]) < 20 * 15 / 2  # the rest was not made


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
    assert heard_s(data) < HALF_S


@tried_again_where_busy
def test_bark_play_through_the_whole_command(
    sound_server: SoundServer,  # noqa: F811
    tmp_path: Path,
) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 60 * RATE).astype(np.float32)
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
    lines = [line for line in err.splitlines() if line.startswith("bark: ")]  # ALSA's library has its own
    assert lines[0] == "bark: Space pauses, q stops"
    assert lines[1].startswith("bark: a.wav: ")
    assert " s played" in lines[1]
    assert len(parts(as_samples(data), SILENT)) > 1
    assert is_heard_in_order(as_samples(data), noise) < 30 * RATE
