"""The door for `bark say`: a socket of this user's own; frames of requests -> frames of sound.

Each connection is one command: it counts as one order, and all of it is given up when it goes away.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import socket
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from bark_cli import __version__
from bark_cli.errors import BarkError
from bark_cli.remote import wire
from bark_cli.remote.identity import config_digest, difference
from bark_cli.remote.wire import Message, WireError
from bark_cli.server.problem import Problem
from bark_cli.server.speaker import Speaker
from bark_cli.session import Handle, Session
from bark_cli.stages.progress import Progress
from bark_cli.system.runtime import is_own, socket_path
from bark_cli.takes.usual import Memory

_FIRST_S = 5.0  # in which a connection has to say what it wants
_ALIVE_S = 3.0  # between words that the server is there
_REPORT_S = 0.1  # between reports of a stage
_MOST_UNREAD = 2**16  # bytes beyond which reports are left out
_BACKLOG = 64
_MOST_AT_ONCE = 1024  # requests of one connection


@dataclass(eq=False)
class LocalDoor:
    """The door, on an event loop."""

    listener: socket.socket
    speaker: Speaker
    who: Callable[[], Mapping[str, str]]  # what decides a sound, as it was when the model was read
    told: Mapping[str, Any]  # what --status shows beside the speaker's state
    _server: asyncio.Server | None = None
    _guests: set[asyncio.Task[None]] = field(default_factory=set)

    async def open(self) -> None:
        """Let guests in."""
        self._server = await asyncio.start_unix_server(self._let_in, sock=self.listener)

    async def close(self) -> None:
        """Let nobody in any more, and show everybody out."""
        if self._server is not None:
            self._server.close()
        for guest in self._guests:
            guest.cancel()
        await asyncio.gather(*self._guests, return_exceptions=True)

    async def _let_in(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._guests.add(task)
        try:
            if is_own(writer.get_extra_info("socket")):
                await self._meet(reader, writer)
        except (OSError, WireError, EOFError, TimeoutError, asyncio.TimeoutError, asyncio.CancelledError):
            pass  # who it was does without
        finally:
            self._guests.discard(task)
            writer.close()

    async def _meet(self, reader: StreamReader, writer: StreamWriter) -> None:
        first = await asyncio.wait_for(_read(reader), _FIRST_S)
        if first.kind == "status":
            writer.write(wire.packed("status", self._status()))
            await writer.drain()
            await reader.read(1)  # until it goes
        elif first.kind == "hello":
            try:
                await self._serve(first.facts.get("who"), reader, writer)
            except (Problem, BarkError) as error:
                writer.write(wire.packed("refusal", {"why": str(error)}))
                await writer.drain()

    def _status(self) -> dict[str, Any]:
        speaker = self.speaker
        return {
            **self.told,
            "version": __version__,
            "process": os.getpid(),
            "state": speaker.state,
            "orders": speaker.n_orders,
            "at_work": speaker.n_at_work,
        }

    async def _serve(self, who: object, reader: StreamReader, writer: StreamWriter) -> None:
        """Speak for a client for as long as it stays.

        Raises:
            Problem: it is not served: it would say things otherwise, or there is no model now.
            BusyError: too many are here.
        """
        if self.speaker.state == "resting":
            writer.write(wire.packed("waking"))
        async with self.speaker.order() as session:
            model = session.model
            chosen = {"device": model.device, "precision": model.precision}
            why = "it cannot be told" if not isinstance(who, dict) else difference(who, self.who(), chosen)
            if why is not None:
                raise Problem(409, why)
            welcome = {"batch_size": session.batch_size, "process": os.getpid(), **chosen}
            writer.write(wire.packed("welcome", welcome | {"config": config_digest(model.config)}))
            memory = Memory(model.name, model.config.semantic.pace)  # as a command of its own would have it
            guest = _Guest(session, writer, memory)
            try:
                await guest.stay(reader)
            finally:
                guest.leave()
                await asyncio.to_thread(memory.save)
                atexit.unregister(memory.save)


@contextmanager
def local_door(
    speaker: Speaker, who: Callable[[], Mapping[str, str]], told: Mapping[str, Any]
) -> Iterator[LocalDoor | None]:
    """The door of this user's one server; None where there is no place for one, or another server has it.

    A socket that a killed server left behind is swept: the lock on the place has ended with it.
    """
    path = socket_path(make=True)
    if path is None:
        yield None
        return
    from filelock import FileLock, Timeout

    lock = FileLock(path.with_suffix(".lock"))
    with ExitStack() as held:
        try:
            lock.acquire(timeout=0)
            held.callback(lock.release)
            path.unlink(missing_ok=True)
            listener = held.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            listener.bind(os.fspath(path))
            held.callback(path.unlink, missing_ok=True)
            path.chmod(0o600)
            listener.listen(_BACKLOG)
        except (OSError, Timeout):
            yield None
            return
        yield LocalDoor(listener, speaker, who, told)


class _Guest:
    """One command, and all that it asked for."""

    def __init__(self, session: Session, writer: StreamWriter, memory: Memory) -> None:
        self._session, self._writer, self._memory = session, writer, memory
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._sending = asyncio.Lock()
        self._loop = asyncio.get_running_loop()

    async def stay(self, reader: StreamReader) -> None:
        """Do what it asks for until it goes."""
        alive = asyncio.create_task(self._keep_in_touch())
        try:
            while True:
                message = await _read(reader)
                key = message.facts.get("id")
                if not isinstance(key, int):
                    raise WireError("a request without a number")
                if message.kind == "submit" and len(self._tasks) < _MOST_AT_ONCE and key not in self._tasks:
                    task = asyncio.create_task(self._say(key, message))
                    self._tasks[key] = task
                    task.add_done_callback(lambda _, key=key: self._tasks.pop(key, None))  # type: ignore[misc]
                elif message.kind == "cancel":
                    if (at_work := self._tasks.get(key)) is not None:
                        at_work.cancel()
                else:
                    raise WireError("it asks for what nobody understands")
        finally:
            alive.cancel()

    def leave(self) -> None:
        """Give up all that is at work."""
        for task in list(self._tasks.values()):
            task.cancel()

    async def _keep_in_touch(self) -> None:
        with suppress(OSError):
            while True:
                await asyncio.sleep(_ALIVE_S)
                await self._send(wire.packed("alive"))

    async def _say(self, key: int, message: Message) -> None:
        handle: Handle | None = None
        try:
            request = wire.request_in(message)
            listener = self._reporter(key) if message.facts.get("progress") else None
            handle = self._session.submit(
                request,
                caller=self,
                number=int(message.facts.get("number", 0)),
                on_progress=listener,
                memory=self._memory,
            )
            if request.streaming != "whole":
                async for piece in handle:
                    facts = {"id": key, "rate": piece.sample_rate}
                    await self._send(wire.packed("sound", facts, {"samples": piece.samples}))
            speech = await handle
            facts, arrays = wire.speech_parts(speech)
            await self._send(wire.packed("speech", {**facts, "id": key}, arrays))
        except OSError:
            pass  # the reader sees it, too
        except Exception as error:
            told = {"id": key, "error": type(error).__name__, "words": str(error)}
            with suppress(OSError):
                await self._send(wire.packed("error", told))
        finally:
            if handle is not None:
                handle.cancel()

    def _reporter(self, key: int) -> Callable[[Progress], None]:
        """What the engine tells of its steps; not more than somebody can see."""
        last: dict[str, float] = {}

        def report(progress: Progress) -> None:
            now = time.monotonic()
            if progress.done == progress.total or now - last.get(progress.stage, 0.0) >= _REPORT_S:
                last[progress.stage] = now
                frame = wire.packed("progress", {"id": key, "progress": asdict(progress)})
                with suppress(RuntimeError):  # the loop has ended, and everybody with it
                    self._loop.call_soon_threadsafe(self._tell, frame)

        return report

    def _tell(self, frame: bytes) -> None:
        transport = self._writer.transport
        if not transport.is_closing() and transport.get_write_buffer_size() < _MOST_UNREAD:
            self._writer.write(frame)

    async def _send(self, frame: bytes) -> None:
        async with self._sending:
            self._writer.write(frame)
            await self._writer.drain()


async def _read(reader: StreamReader) -> Message:
    """The next frame.

    Raises:
        EOFError: none comes any more.
        WireError: what comes is no frame.
    """
    n_facts, n_arrays = wire.lengths(await reader.readexactly(wire.HEAD.size))
    return wire.unpacked(await reader.readexactly(n_facts), await reader.readexactly(n_arrays))
