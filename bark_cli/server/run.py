"""A socket that listens and what to serve on it -> the server, until somebody stops it."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import struct
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from bark_cli.errors import OptionError, OutputError
from bark_cli.server.app import Serving, make_app, make_metrics

if TYPE_CHECKING:
    from bark_cli.server.local import LocalDoor
    from bark_cli.server.metrics import Metrics
    from bark_cli.server.wyoming.door import WyomingDoor

GRACE_S = 5  # for what is at work when the server is told to stop
_REQUEST_S = 30.0  # in which a connection has to bring a whole request
_IDLE_S = 30  # for which a connection may stay after an answer
_UNREAD_S = 120.0  # for which it may stay where its client takes nothing of the answer
_BACKLOG = 1024


def listen(host: str, port: int, option: str = "--port") -> socket.socket:
    """A socket that listens there; port 0 is any that is free, and `option` sets it.

    Raises:
        OutputError: the port is taken, or not for everybody.
        OptionError: this machine has no such address.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise OptionError(f"--host {host} is not an address of this machine: {error}") from error
    family, kind, _, _, address = found[0]
    listener = socket.socket(family, kind)
    try:
        # a port that was ours a moment ago is free; on Windows the option means something else
        if hasattr(socket, "SO_REUSEPORT"):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        reason = error.strerror or error
        hint = f"another server may have it; give {option} another number"
        raise OutputError(f"cannot listen on {host} port {port}: {reason}; {hint}") from error
    return listener


def serve(
    serving: Serving,
    listener: socket.socket,
    *,
    wyoming: socket.socket | None = None,
    local: LocalDoor | None = None,
    on_ready: Callable[[], None] = lambda: None,
) -> int | None:
    """Serve until SIGINT or SIGTERM, whose number is returned, or until the model cannot be read.

    HTTP is spoken on `listener`, Wyoming on the other, and `local` is for `bark say`.

    Raises:
        BarkError: the model cannot be read.
    """
    return Server(serving, listener, on_ready, wyoming, local).run_to_end()


class Server(uvicorn.Server):
    """uvicorn, with a model to read when it begins and to let go when it ends."""

    def __init__(
        self,
        serving: Serving,
        listener: socket.socket,
        on_ready: Callable[[], None],
        wyoming: socket.socket | None = None,
        local: LocalDoor | None = None,
    ) -> None:
        logging.getLogger("uvicorn").setLevel(logging.CRITICAL + 1)  # each request has its own line
        metrics = make_metrics(serving)
        super().__init__(
            uvicorn.Config(
                make_app(serving, metrics),
                http=_Protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=_IDLE_S,
                timeout_graceful_shutdown=GRACE_S,
            )
        )
        self._serving, self._listener, self._on_ready = serving, listener, on_ready
        self._local = local
        self._wyoming = wyoming and _wyoming_door(serving, metrics, wyoming)
        self._stopped_by: int | None = None
        self._failure: Exception | None = None

    def run_to_end(self) -> int | None:
        """As `serve`."""
        self.run(sockets=[self._listener])
        if self._failure is not None:
            raise self._failure
        return self._stopped_by

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and read the model meanwhile."""
        await super().startup(sockets)
        if self._wyoming:
            await self._wyoming.open()
        if self._local is not None:
            await self._local.open()
        self._reading = asyncio.create_task(self._read_model())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what can be finished soon, give up the rest, and let the model go."""
        if self._local is not None:  # whose guests say the rest by themselves
            await self._local.close()
        if self._wyoming:
            await asyncio.gather(super().shutdown(sockets), self._wyoming.close(GRACE_S))
        else:
            await super().shutdown(sockets)
        await self._serving.speaker.stop()

    async def _read_model(self) -> None:
        try:
            await self._serving.speaker.start()
        except Exception as error:  # of any kind: a server that will never speak is no server
            self._failure, self.should_exit = error, True
        else:
            self._on_ready()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Stop at SIGINT and SIGTERM, and at a second one at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True
        self._stopped_by = self._stopped_by or number


def _wyoming_door(serving: Serving, metrics: Metrics, listener: socket.socket) -> WyomingDoor:
    from bark_cli.server.wyoming.door import WyomingDoor  # whose package need not be there

    return WyomingDoor(serving, metrics, listener)


class _Protocol(H11Protocol):
    """HTTP/1.1, where a connection cannot stay for long without asking for anything, or taking the answer."""

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for its first request."""
        super().connection_made(transport)
        self.app = self._broken_off_in_sight
        self._asked_at = self._taken_at = self.loop.time()
        self._unread = 0  # bytes of the answer
        self._look_later()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._look.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Begin to wait for its next request."""
        self._asked_at = self.loop.time()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP; once an answer has begun there is no place for that."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.close()

    def _look_later(self) -> None:
        self._look = self.loop.call_later(_REQUEST_S / 2, self._look_at_it)

    def _look_at_it(self) -> None:
        """Close it if it has asked for nothing in all that time, and for good if nothing is taken either."""
        now, unread = self.loop.time(), self.transport.get_write_buffer_size()
        if not self.transport.is_closing() or unread != self._unread:
            self._unread, self._taken_at = unread, now
        elif now - self._taken_at >= _UNREAD_S:
            self.transport.abort()  # it waits for what is unread to be taken, and would for ever
            return
        at_work = self.cycle is not None and not self.cycle.response_complete
        if not at_work and now - self._asked_at >= _REQUEST_S:
            self.transport.close()
        self._look_later()

    async def _broken_off_in_sight(self, scope: Any, receive: Any, send: Any) -> None:
        """The application. HTTP/1.0 ends a body by closing the connection: to break one off, it is reset."""
        await self.config.loaded_app(scope, receive, send)
        if scope["http_version"] == "1.0" and not self.cycle.response_complete:
            with suppress(OSError):  # it has gone away
                connection = self.transport.get_extra_info("socket")
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def allow_many_connections() -> None:
    """As many open files as this user may have: each client is one."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536), hard))
