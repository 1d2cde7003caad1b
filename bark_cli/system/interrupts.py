"""Ctrl-C at a moment that does no harm: a block -> the same block, which no interrupt ends half-way."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let Ctrl-C wait for the end of the block, which should be short.

    An exception that arrives within a callback of libsndfile is lost, and one amid the closing of a file of
    its makes it be freed twice.
    """
    before = signal.getsignal(signal.SIGINT)
    # in other threads there are no interrupts; None: a handler that is not Python's
    if threading.current_thread() is not threading.main_thread() or before is None:
        yield
        return
    came: list[FrameType | None] = []
    signal.signal(signal.SIGINT, lambda number, frame: came.append(frame))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came and callable(before):
            before(signal.SIGINT, came[0])
        elif came and before == signal.SIG_DFL:
            os.kill(os.getpid(), signal.SIGINT)
