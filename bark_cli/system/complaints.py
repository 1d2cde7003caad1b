"""What libraries in C print beside the errors that they return: a block -> the same block, without it.

The C library's variable `stderr` points elsewhere meanwhile, as the manual of glibc allows ("Standard
Streams"). The descriptor 2 stays what it is, so that no line of ours is lost, whichever thread writes it.
Where the C library is another one, nothing is changed.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

_counting = threading.Lock()
_blocks: set[object] = set()  # that are being run now, by any thread
_usual: int | None = None  # where stderr points outside of them


@contextmanager
def uncomplaining() -> Iterator[None]:
    """Run the block while what is written to C's `stderr`, by any thread, goes nowhere."""
    global _usual
    if (streams := _streams()) is None:
        yield
        return
    (stderr, nowhere), block = streams, object()
    try:  # an interrupt may come at any line from here on
        with _counting:
            if not _blocks:
                _usual, stderr.value = stderr.value, nowhere
            _blocks.add(block)
        yield
    finally:
        with _counting:
            _blocks.discard(block)
            if not _blocks and _usual is not None:
                stderr.value, _usual = _usual, None


@cache
def _streams() -> tuple[ctypes.c_void_p, int] | None:
    """The variable, and a stream that takes all and keeps nothing; None where it may be a constant (musl)."""
    try:
        library = ctypes.CDLL(None)
        _ = library.gnu_get_libc_version
        stderr = ctypes.c_void_p.in_dll(library, "stderr")
    except (OSError, TypeError, AttributeError, ValueError):  # TypeError: Windows
        return None
    library.fopen.restype = ctypes.c_void_p
    nowhere = library.fopen(os.fsencode(os.devnull), b"we")
    return (stderr, nowhere) if nowhere else None
