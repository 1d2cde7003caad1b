"""The model that is served: read when the server starts, let go when nobody asks, and read again.

Nothing here blocks the event loop; a model is read on a thread, for which nobody waits who stops the server.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Literal, NoReturn

from bark_cli.errors import BarkError, BusyError
from bark_cli.pipeline import Bark
from bark_cli.server.problem import SERVER, Problem
from bark_cli.session import Session

State = Literal["loading", "ready", "resting", "failed", "stopped"]


class Speaker:
    """A model, and a session for all who ask.

    Args:
        load: reads the model.
        batch_size: pieces at work at once; None is as many as fit into memory.
        max_waiting: requests beyond those that are refused.
        keep_alive_s: seconds without a request after which the model is let go; None keeps it.
        lazy: read the model when somebody first asks, as if it had been let go.
    """

    def __init__(
        self,
        load: Callable[[], Bark],
        *,
        batch_size: int | None = None,
        max_waiting: int = 64,
        keep_alive_s: float | None = None,
        lazy: bool = False,
    ) -> None:
        self.state: State = "resting" if lazy else "loading"
        self.n_orders = 0  # in all, waiting and at work
        self._load, self._batch_size, self._keep_alive_s = load, batch_size, keep_alive_s
        self._max_waiting = max_waiting
        self._session: Session | None = None
        self._reading: asyncio.Task[None] | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._failure: BarkError | None = None  # why it could not be read

    @property
    def slots(self) -> int:
        """How many pieces may be at work at once; 0 while no model is there."""
        return 0 if self._session is None else self._session.batch_size

    @property
    def n_at_work(self) -> int:
        """Pieces at work."""
        return 0 if self._session is None else self._session.n_at_work

    @property
    def n_waiting(self) -> int:
        """Pieces that wait for a slot."""
        return 0 if self._session is None else self._session.n_waiting

    async def start(self) -> None:
        """Read the model for the first time.

        Raises:
            BarkError: it cannot be read.
        """
        await self._read()

    @asynccontextmanager
    async def order(self) -> AsyncIterator[Session]:
        """A session to speak through; the model stays for as long as somebody is in here.

        Raises:
            Problem: the model is being read for the first time, or cannot be read.
            BusyError: as many wait as may.
        """
        if self.state in ("loading", "failed", "stopped") and self._reading is None:
            self._refuse()
        slots = self.slots or self._batch_size or 1
        if self.n_orders >= slots + self._max_waiting:
            raise BusyError(
                f"{self.n_orders} requests are being served or waiting, which is the limit; try again later"
            )
        self.n_orders += 1
        self._stay()
        try:
            if self._session is None:
                await self._wake()
            session = self._session
            if session is None:
                self._refuse()
            yield session
        finally:
            self.n_orders -= 1
            self._rest_later()

    async def stop(self) -> None:
        """Give up all that is at work, and let the model go."""
        self.state = "stopped"
        self._stay()
        await self._let_go()

    def _refuse(self) -> NoReturn:
        words = {
            "loading": "the model is being loaded; ask again in a moment",
            "failed": f"the model could not be loaded: {self._failure or 'the log says why'}",
        }
        # a model that was let go and cannot be read now may be readable for the next request
        state = "failed" if self.state == "resting" else self.state
        message = words.get(state, "the server is stopping; ask again later")
        raise Problem(503, message, SERVER, code=state, headers={"retry-after": "2"})

    async def _wake(self) -> None:
        """Read the model again, once for all who wait for it."""
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._read())
            self._reading.add_done_callback(self._read_again)
        with suppress(BarkError):
            await asyncio.shield(self._reading)

    def _read_again(self, reading: asyncio.Task[None]) -> None:
        self._reading = None
        if not reading.cancelled():
            reading.exception()  # which is seen: the state says it

    async def _read(self) -> None:
        try:
            session = await _on_thread(self._open)
        except BaseException as error:
            self._failure = error if isinstance(error, BarkError) else None
            if self.state == "loading":
                self.state = "failed"
            raise
        if self.state != "stopped":
            self._session = session
            self.state = "ready"
            self._rest_later()

    def _open(self) -> Session:
        """Read the model, and try how many at once pay before anybody waits for it."""
        bark = self._load()
        return bark.session(self._batch_size or bark.fitting_batch_size())

    def _stay(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _rest_later(self) -> None:
        """Let the model go after a while in which nobody asks."""
        if self._keep_alive_s is None or self.n_orders or self._session is None:
            return
        self._stay()
        loop = asyncio.get_running_loop()
        self._idle = loop.call_later(self._keep_alive_s, lambda: loop.create_task(self._rest()))

    async def _rest(self) -> None:
        if not self.n_orders and self.state == "ready":
            self.state = "resting"
            await self._let_go()

    async def _let_go(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await asyncio.to_thread(session.close, cancel=True)
            del session
            gc.collect()  # weights and their session hold each other


async def _on_thread(open_session: Callable[[], Session]) -> Session:
    """What it returns, or raises; the loop and the process may end while it is at work."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[Session] = loop.create_future()

    def tell(session: Session | None, error: BaseException | None = None) -> None:
        if found.done():  # it was cancelled
            return
        if session is not None:
            found.set_result(session)
        elif error is not None:
            found.set_exception(error)

    def work() -> None:
        try:
            told: tuple[Session | None, BaseException | None] = (open_session(), None)
        except BaseException as error:
            told = (None, error)
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(tell, *told)

    threading.Thread(target=work, name="bark-load", daemon=True).start()
    return await found
