"""What a caller holds of a request: its sound as it comes, and the whole Speech; for threads and asyncio."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Protocol

from bark_cli.audio import Audio
from bark_cli.errors import CancelledError
from bark_cli.speech import Speech, SpeechRequest
from bark_cli.stages.progress import Progress

if TYPE_CHECKING:
    import asyncio

AHEAD_S = 30.0  # seconds of sound that may wait for a reader before its job is held
_PATIENCE_S = 0.5  # between looks for Ctrl-C, where a wait cannot be interrupted


class Owner(Protocol):
    """Who works on it."""

    def wake(self) -> None:
        """Something changed that may let a job go on."""
        ...

    def cancel(self, handle: Handle) -> None:
        """Give a request up."""
        ...


class Handle(Iterator[Audio]):
    """A request that was submitted: iterate over its sound as it comes, or ask for all of it.

    Every method may be called from any thread; `async for` and `await handle` do the same in asyncio.
    """

    def __init__(self, request: SpeechRequest, session: Owner, ahead_s: float) -> None:
        self.request = request
        self.progress: Progress | None = None  # the latest report of any of its stages
        self.owner: object = None  # kept alive as long as this is
        self._session, self._ahead_s = session, ahead_s
        self._change = threading.Condition()
        self._pieces: deque[Audio] = deque()
        self._wanted = False  # somebody waits for the next piece
        self._wants_all = False
        self._result: Speech | BaseException | None = None
        self._calls: list[Callable[[], None]] = []  # to make once, at the next change

    @property
    def done(self) -> bool:
        """Whether nothing more comes: it was spoken, failed or was cancelled."""
        return self._result is not None

    def cancel(self) -> None:
        """Give it up; it ends at the next step. What is done stays done."""
        self._session.cancel(self)

    def result(self, timeout: float | None = None) -> Speech:
        """All of it, once it is there.

        Raises:
            TimeoutError: it is not there after `timeout` seconds; it goes on all the same.
            CancelledError: it was cancelled.
            BarkError: it cannot be said, for a reason of `Bark.say`'s.
        """
        self._wants_all = True
        self._session.wake()
        self._wait_until(lambda: self.done, timeout)
        return self._value()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is over; whether it is."""
        with suppress(TimeoutError):
            self._wait_until(lambda: self.done, timeout)
        return self.done

    def next_piece(self, timeout: float | None = None) -> Audio | None:
        """Its next piece of sound, None after the last.

        Raises:
            TimeoutError: none came in `timeout` seconds.
            BarkError: as `result`, once all pieces that were made are taken.
        """
        if not self._pieces:
            self._want()
            self._wait_until(lambda: bool(self._pieces) or self.done, timeout)
        return self._take()

    def __next__(self) -> Audio:
        piece = self.next_piece()
        if piece is None:
            raise StopIteration
        return piece

    def __aiter__(self) -> Handle:
        return self

    async def __anext__(self) -> Audio:
        if not self._pieces:
            self._want()
            await self._until(lambda: bool(self._pieces) or self.done)
        piece = self._take()
        if piece is None:
            raise StopAsyncIteration
        return piece

    def __await__(self) -> Generator[None, None, Speech]:
        return self._awaited().__await__()

    async def _awaited(self) -> Speech:
        self._wants_all = True
        self._session.wake()
        await self._until(lambda: self.done)
        return self._value()

    def call_when_done(self, call: Callable[[], None]) -> None:
        """Make a call once it is over, from the engine's thread; at once where it is over already."""
        with self._change:
            if not self.done:
                self._calls.append(lambda: call() if self.done else self.call_when_done(call))
                return
        call()

    # what the session says

    def put(self, piece: Audio) -> None:
        """The next piece."""
        with self._change:
            self._pieces.append(piece)
            self._wanted = False
        self._tell()

    def finish(self, result: Speech | BaseException) -> None:
        """It is over: what became of it, or the exception that ended it."""
        with self._change:
            self._result = result
        self._tell()

    @property
    def is_full(self) -> bool:
        """Whether enough sound waits for its reader."""
        if self._wants_all or self.request.streaming == "whole":
            return False
        if self._ahead_s == 0.0:
            return not self._wanted
        with self._change:
            return sum(piece.duration_s for piece in self._pieces) > self._ahead_s

    # waiting

    def _want(self) -> None:
        self._wanted = True
        self._session.wake()

    def _take(self) -> Audio | None:
        with self._change:
            if self._pieces:
                piece = self._pieces.popleft()
            else:
                self._value()
                return None
        self._session.wake()  # there is room for more
        return piece

    def _value(self) -> Speech:
        if isinstance(self._result, Speech):
            return self._result
        assert self._result is not None
        raise self._result

    def _tell(self) -> None:
        with self._change:
            calls, self._calls = self._calls, []
            self._change.notify_all()
        for call in calls:
            call()

    def _wait_until(self, there: Callable[[], bool], timeout: float | None) -> None:
        end = None if timeout is None else time.monotonic() + timeout
        with self._change:
            while not there():
                left = _PATIENCE_S if end is None else min(_PATIENCE_S, end - time.monotonic())
                if left <= 0:
                    raise TimeoutError("the speech is not ready yet")
                self._change.wait(left)

    async def _until(self, there: Callable[[], bool]) -> None:
        import asyncio  # which a command that only waits has no use for

        loop = asyncio.get_running_loop()
        while True:
            changed = asyncio.Event()
            with self._change:
                if there():
                    return
                self._calls.append(partial(_set_soon, loop, changed))
            await changed.wait()


def _set_soon(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(event.set)


class SpeechStream(Iterator[Audio]):
    """Speech while it is made: iterate over its pieces of sound.

    Each is made when it is asked for; `Bark.stream` says what may be raised then.
    """

    def __init__(self, begin: Callable[[], Handle]) -> None:
        self._begin = begin
        self._handle: Handle | None = None
        self._closed = False

    def __next__(self) -> Audio:
        if self._closed:
            raise StopIteration
        return next(self._asked())

    @property
    def speech(self) -> Speech:
        """All of it, from the first sample on; what is not made yet is made now.

        Raises:
            GenerationError: the stream was closed before.
        """
        return self._asked().result()

    def close(self) -> None:
        """Break off; no more pieces come."""
        self._closed = True
        if self._handle is not None:
            self._handle.cancel()
            self._handle.wait()

    def _asked(self) -> Handle:
        if self._handle is None:
            if self._closed:
                raise CancelledError("the speech was cancelled; stream it again")
            self._handle = self._begin()
        return self._handle
