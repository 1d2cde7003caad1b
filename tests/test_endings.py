"""Whatever ends a command: it cleans up, says so with its exit code, and what a kill leaves is swept."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bark_cli.system import parts
from bark_cli.system.files import write_whole
from bark_cli.system.folders import new_folder
from bark_cli.system.interrupts import uninterrupted

# a command that writes a file until it is ended, and says when it has begun
WRITING = """
import sys, time
from pathlib import Path
from bark_cli.cli import main
import bark_cli.cli as cli
from bark_cli.system.files import new_file

def run(arguments):
    with new_file(Path(sys.argv[1])) as stream:
        stream.write(b"half")
        print("begun", flush=True)
        time.sleep(60)

cli._run = run
sys.exit(main())
"""


ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


@contextmanager
def heeding(*numbers: signal.Signals) -> Iterator[None]:
    """Signals as at a terminal, for a process that begins in here; who runs the tests may ignore some."""
    before = {number: signal.getsignal(number) for number in numbers}
    ignored = [number for number, handler in before.items() if handler is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)


def writing(target: Path, heeds: tuple[signal.Signals, ...] = ENDINGS) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITING, str(target)]
    with heeding(*heeds):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return process


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGQUIT, 131)],
)
def test_a_signal_leaves_nothing_behind(number: signal.Signals, code: int, tmp_path: Path) -> None:
    process = writing(tmp_path / "a.wav")
    assert [path.suffix for path in tmp_path.iterdir()] == [".part"]
    process.send_signal(number)
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == code
    assert list(tmp_path.iterdir()) == []


def test_what_nohup_has_ignored_stays_ignored(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = writing(tmp_path / "a", heeds=(signal.SIGTERM,))
    finally:
        signal.signal(signal.SIGHUP, before)
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143


def test_what_a_kill_leaves_is_swept_by_the_next_and_what_is_being_written_is_not(tmp_path: Path) -> None:
    alive = writing(tmp_path / "b.wav")
    [living] = tmp_path.iterdir()
    killed = writing(tmp_path / "a.wav")
    killed.kill()
    killed.communicate(timeout=60)
    left = {path.name for path in tmp_path.iterdir()} - {living.name}
    assert len(left) == 1  # the kernel had not let go of it, nobody else may
    (tmp_path / ".bark-0123456789ab.part").symlink_to("nowhere")
    (tmp_path / ".bark-mine.part").write_text("mine")
    (tmp_path / ".bark-aaaaaaaaaaaa.part").mkdir()
    write_whole(tmp_path / "c.wav", b"whole")
    there = {path.name for path in tmp_path.iterdir()}
    assert there == {living.name, "c.wav", ".bark-0123456789ab.part", ".bark-mine.part"}
    alive.terminate()
    alive.communicate(timeout=60)
    assert alive.returncode == 143
    assert living.name not in {path.name for path in tmp_path.iterdir()}


def test_a_folder_on_its_way_is_not_swept_by_another_write(tmp_path: Path) -> None:
    with new_folder(tmp_path / "model") as scratch:
        (scratch / "a").write_text("a")
        parts._sweep.cache_clear()
        write_whole(tmp_path / "c.wav", b"whole")
        assert (scratch / "a").is_file()
    assert (tmp_path / "model" / "a").read_text() == "a"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_every_signal_waits_for_the_end_of_a_short_block(number: signal.Signals) -> None:
    came: list[int] = []
    before = signal.signal(number, lambda number, frame: came.append(number))
    try:
        with uninterrupted():
            os.kill(os.getpid(), number)
            assert came == []
        assert came == [number]
    finally:
        signal.signal(number, before)
