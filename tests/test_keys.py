"""Keys at a real terminal (a pty): what they do, and that the terminal is afterwards as it was before."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

termios = pytest.importorskip("termios", reason="keys are heard only where there is termios")

# A session of its own with the pty as its terminal, as a shell has it; what it runs is the job in front.
SHELL = """
import fcntl, os, signal, subprocess, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
def begin():
    os.setpgrp()
    os.tcsetpgrp(0, os.getpgrp())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
job = subprocess.Popen([sys.executable, "-c", sys.argv[1]], preexec_fn=begin)
while True:
    _, status = os.waitpid(job.pid, os.WUNTRACED)
    os.tcsetpgrp(0, os.getpgrp())
    if not os.WIFSTOPPED(status):
        break
    print("stopped", job.pid, flush=True)
    sys.stdin.readline()
    os.tcsetpgrp(0, job.pid)
    os.killpg(job.pid, signal.SIGCONT)
print("ended", os.waitstatus_to_exitcode(status), flush=True)
"""
JOB = """
import os, sys, threading
from bark_cli.cli.play.keys import keys
done = threading.Event()
def say(word):
    print(word, flush=True)
    done.clear() if word != "quit" else done.set()
try:
    with keys({" ": lambda: say("pause"), "q": lambda: say("quit")}) as heard:
        print("ready", heard, os.getpid(), flush=True)
        while not done.wait(0.05):
            pass
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


class Terminal:
    """A job at a terminal, the terminal's own side of it, and the lines the job prints."""

    def __init__(self, job: str) -> None:
        self.ours, theirs = os.openpty()
        self.before = self.mode()
        self.process = subprocess.Popen(
            [sys.executable, "-c", SHELL, job],
            stdin=theirs,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        os.close(theirs)

    def mode(self) -> list[Any]:
        mode: list[Any] = termios.tcgetattr(self.ours)
        return mode

    def press(self, keys: str) -> None:
        os.write(self.ours, keys.encode())

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def ready(self) -> int:
        """Wait until the job hears keys; returns its process."""
        word, heard, pid = self.line().split()
        assert (word, heard) == ("ready", "True")
        return int(pid)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal(JOB)
    yield made
    os.close(made.ours)
    made.process.kill()
    made.process.communicate()


def test_each_key_acts_at_once_and_is_not_shown(terminal: Terminal) -> None:
    terminal.ready()
    assert not terminal.mode()[3] & (termios.ECHO | termios.ICANON)
    terminal.press(" ")
    assert terminal.line() == "pause"
    terminal.press("xé\x1b[A ")  # none of ours, and one
    assert terminal.line() == "pause"
    terminal.press("q")
    assert [terminal.line(), terminal.line()] == ["quit", "ended 0"]
    assert terminal.mode() == terminal.before


def test_ctrl_c_interrupts_and_leaves_the_terminal_as_it_was(terminal: Terminal) -> None:
    terminal.ready()
    terminal.press("\x03")
    assert [terminal.line(), terminal.line()] == ["interrupted", "ended 0"]
    assert terminal.mode() == terminal.before


def test_sigterm_leaves_the_terminal_as_it_was(terminal: Terminal) -> None:
    os.kill(terminal.ready(), signal.SIGTERM)
    assert terminal.line() == f"ended {-signal.SIGTERM}"
    assert terminal.mode() == terminal.before


def test_ctrl_z_gives_the_terminal_back_until_it_goes_on(terminal: Terminal) -> None:
    terminal.ready()
    for _ in range(2):
        terminal.press("\x1a")
        assert terminal.line().startswith("stopped")
        assert terminal.mode() == terminal.before
        terminal.press("fg\n")
        while terminal.mode() == terminal.before:
            time.sleep(0.01)
        terminal.press(" ")
        assert terminal.line() == "pause"
    terminal.press("q")
    assert [terminal.line(), terminal.line()] == ["quit", "ended 0"]
    assert terminal.mode() == terminal.before


def test_a_pipe_that_brings_text_is_not_read() -> None:
    code = JOB.replace("while not done.wait(0.05):\n            pass", "print(sys.stdin.read())")
    done = subprocess.run(
        [sys.executable, "-c", code], input="q text", capture_output=True, text=True, check=True
    )
    ready, text = done.stdout.splitlines()
    assert ready.startswith("ready False")
    assert text == "q text"


def test_no_standard_input_at_all_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    from bark_cli.cli.play.keys import keys

    monkeypatch.setattr(sys, "stdin", None)
    with keys({}) as heard:
        assert not heard


def test_a_process_in_the_background_leaves_the_terminal_alone() -> None:
    leave = "import os, signal; old = signal.signal(signal.SIGTTOU, signal.SIG_IGN);"
    leave += "os.tcsetpgrp(0, os.getsid(0)); signal.signal(signal.SIGTTOU, old)\n"
    terminal = Terminal(leave + JOB.replace("while not done.wait(0.05)", "while False"))
    try:
        assert terminal.line().startswith("ready False")
        assert terminal.line() == "ended 0"  # who touches the terminal there is stopped
    finally:
        os.close(terminal.ours)
        terminal.process.communicate()
