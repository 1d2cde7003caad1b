"""Signals at a moment that does no harm: a block -> the same block, which none of them ends half-way."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

# what asks a process to end, and leaves it the time to clean up; SIGHUP and SIGQUIT are not on Windows
ENDINGS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT") if hasattr(signal, name)
)

_parting: list[Callable[[], None]] = []  # what is to be said if the process is asked to end now
_saying = threading.Lock()
_SAYING_S = 2.0  # for somebody else to say it in


@contextmanager
def parting_words(say: Callable[[], None]) -> Iterator[None]:
    """Call `say` once where an interrupt ends the block, however: see `say_parting_words`."""
    _parting.append(say)
    try:
        yield
    except KeyboardInterrupt:
        say_parting_words()
        raise
    finally:
        with suppress(ValueError):
            _parting.remove(say)


def say_parting_words() -> None:
    """Say what is to be said by all blocks of `parting_words` that we are in, and has not been said.

    Who ends the process without going back through them calls it before.
    """
    if not _saying.acquire(timeout=_SAYING_S):
        return
    try:
        while _parting:
            _parting.pop()()
    finally:
        _saying.release()


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let Ctrl-C, and whatever else asks the process to end, wait for the end of the block, which is short.

    An exception that arrives within a callback of libsndfile is lost, and one amid the closing of a file of
    its makes it be freed twice.
    """
    if threading.current_thread() is not threading.main_thread():  # in others there are no interrupts
        yield
        return
    # None: a handler that is not Python's; what is ignored stays so
    before = {number: signal.getsignal(number) for number in ENDINGS}
    before = {number: how for number, how in before.items() if how not in (None, signal.SIG_IGN)}
    came: list[tuple[int, FrameType | None]] = []
    for number in before:
        signal.signal(number, lambda number, frame: came.append((number, frame)))
    try:
        yield
    finally:
        for number, how in before.items():
            signal.signal(number, how)
        if came:
            number, frame = came[0]
            then = before[signal.Signals(number)]
            if callable(then):
                then(number, frame)
            else:
                os.kill(os.getpid(), number)
