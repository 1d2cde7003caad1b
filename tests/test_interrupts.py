"""What is said when a process is asked to end, however its end comes about."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from bark_cli.system.interrupts import parting_words, say_parting_words

WORKS = """
import sys, time
import bark_cli.cli.app
from bark_cli.cli import main
from bark_cli.system.interrupts import parting_words

def app(arguments, prog_name):
    with parting_words(lambda: print("2 of 9 pieces are kept", flush=True)):
        print("begun", flush=True)
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            {then}

bark_cli.cli.app.app = app
sys.exit(main())
"""
ENDS = {
    "at once": "raise",
    "lost, as in a callback": "time.sleep(60)",
    "slow to clean up": "time.sleep(3); raise",
}


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_parting_words_are_said_once_however_the_interrupt_ends_it(
    end: str, number: signal.Signals, code: int
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WORKS.format(then=ENDS[end])],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a CI runner may ignore it
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(number)
        said, _ = process.communicate(timeout=60)
    assert (process.returncode, said) == (code, "2 of 9 pieces are kept\n")


def test_what_ended_well_has_no_parting_words(capsys: pytest.CaptureFixture[str]) -> None:
    with parting_words(lambda: print("never")):
        pass
    with pytest.raises(ValueError, match="x"), parting_words(lambda: print("never")):
        raise ValueError("x")
    say_parting_words()
    assert capsys.readouterr().out == ""
