"""A lock is held by one process at a time, and ends with it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bark_cli.errors import ModelError, OptionError
from bark_cli.store import bark_home, is_locked, locked
from bark_cli.store.lock import lock_file

HOLD = """
import sys
from bark_cli.store import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def held_elsewhere(name: str) -> Iterator[subprocess.Popen[str]]:
    """Another process holds the lock; a line on its stdin ends it."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


class WaitedError(Exception):
    pass


def give_up() -> None:
    raise WaitedError


def test_a_lock_is_held_and_freed() -> None:
    assert not is_locked("small")
    assert not bark_home().exists()  # to ask makes nothing
    waits: list[int] = []
    with locked("small", lambda: waits.append(1)):
        assert is_locked("small")
        assert not is_locked("large")
        with locked("large", lambda: waits.append(1)):
            pass
    assert not is_locked("small")
    assert waits == []


def test_an_error_frees_it() -> None:
    with pytest.raises(WaitedError), locked("small"):
        give_up()
    assert not is_locked("small")


def test_another_process_is_waited_for_and_told_of_once() -> None:
    waits: list[int] = []
    with held_elsewhere("suno/bark-small") as process:
        assert is_locked("suno/bark-small")

        def end() -> None:
            waits.append(1)
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()

        with locked("suno/bark-small", end):
            assert process.wait(60) == 0
    assert waits == [1]


def test_who_does_not_want_to_wait_need_not() -> None:
    with held_elsewhere("small"), pytest.raises(WaitedError), locked("small", give_up):
        raise AssertionError("held by two")


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_a_killed_holder_frees_it() -> None:
    with held_elsewhere("small") as process:
        process.kill()
        process.wait(60)
        with locked("small", give_up):
            assert is_locked("small")


def test_a_name_cannot_lead_out() -> None:
    for ask in (locked, is_locked):
        with pytest.raises(OptionError), ask("../small"):  # type: ignore[operator]
            pass


def test_a_cache_that_cannot_be_written_is_told_in_a_line() -> None:
    bark_home().parent.mkdir(parents=True)
    bark_home().touch()  # not even root can make a folder in a file
    with pytest.raises(ModelError, match=r"cannot be written: .*; set BARK_HOME to a folder") as caught:
        locked("small").__enter__()
    assert "\n" not in str(caught.value)
    assert not is_locked("small")


def test_the_file_stays_in_its_folder() -> None:
    assert lock_file("suno/bark-small") == bark_home() / "locks" / "suno--bark-small.lock"
