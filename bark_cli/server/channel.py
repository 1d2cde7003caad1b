"""Bytes from a thread to a task: written as to a file, read as they come, and never many at a time."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from contextlib import suppress

_MOST = 2**17  # bytes that may wait for a reader before the writer does


class ClosedError(Exception):
    """Nobody reads any more, and nothing more is to be written."""


class Channel:
    """What one thread writes and one task reads."""

    def __init__(self, most: int = _MOST) -> None:
        self._loop, self._most = asyncio.get_running_loop(), most
        self._change = threading.Condition()
        self._waiting: deque[bytes] = deque()
        self._fresh = asyncio.Event()
        self._is_over = self._is_closed = False
        self._error: Exception | None = None

    # the thread's end

    def write(self, data: bytes) -> int:
        """Hand on some bytes, once there is room for them.

        Raises:
            ClosedError: nobody wants them any more.
        """
        with self._change:
            self._change.wait_for(lambda: self._is_closed or self._held < self._most)
            if self._is_closed:
                raise ClosedError
            self._waiting.append(data)
        self._tell()
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back."""

    def finish(self, error: Exception | None = None) -> None:
        """No more comes, and why, where that is not because all of it is there."""
        with self._change:
            self._is_over, self._error = True, error
        self._tell()

    # the task's end

    async def read(self) -> bytes | None:
        """The next bytes, None after the last.

        Raises:
            ClosedError: it was closed.
            Exception: what the writer ended with.
        """
        while True:
            self._fresh.clear()
            with self._change:
                if self._is_closed:
                    raise ClosedError
                if self._waiting:
                    data = b"".join(self._waiting)
                    self._waiting.clear()
                    self._change.notify_all()
                    return data
                if self._is_over:
                    if self._error is not None:
                        raise self._error
                    return None
            await self._fresh.wait()

    def close(self) -> None:
        """Want no more; the writer learns it at its next write."""
        with self._change:
            self._is_closed = True
            self._waiting.clear()
            self._change.notify_all()
        self._fresh.set()

    @property
    def _held(self) -> int:
        return sum(map(len, self._waiting))

    def _tell(self) -> None:
        with suppress(RuntimeError):  # the loop has ended, and everybody with it
            self._loop.call_soon_threadsafe(self._fresh.set)
