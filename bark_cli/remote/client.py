"""A server's model as if it were loaded here: requests -> handles, whose sound comes over a local socket.

The server is never the reason why nothing is said: when it fails, in the middle of a sentence too, a Bark of
our own says the same again, and what was heard of it already is left out.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from bark_cli.audio import Audio
from bark_cli.errors import CancelledError
from bark_cli.known_model import KnownModel, SpeaksWith
from bark_cli.remote import wire
from bark_cli.remote.wire import Message, WireError, receive
from bark_cli.session.handle import AHEAD_S, Handle
from bark_cli.speech import SpeechRequest
from bark_cli.stages.progress import Listener, Progress


class OwnBark(Protocol):
    """A Bark of our own."""

    def submit(
        self, request: SpeechRequest, *, number: int = 0, on_progress: Listener | None = None
    ) -> Handle:
        """Ask for speech."""
        ...


@dataclass(eq=False)
class _Asked:
    """A request that is on its way."""

    handle: Handle
    number: int
    on_progress: Listener | None
    n_heard: int = 0  # samples
    alone: Handle | None = None  # the same of our own Bark's, once the server is lost
    is_cancelled: bool = False


class RemoteBark(SpeaksWith):
    """A server's Bark, for one `bark say`; close it, or let the process end.

    Args:
        model: as it is known here.
        connection: to the server, which has agreed.
        welcome: what it said.
        load: loads a Bark of our own.
        tell: told in words when the server is lost.
    """

    def __init__(
        self,
        model: KnownModel,
        connection: socket.socket,
        welcome: Message,
        load: Callable[[], OwnBark],
        tell: Callable[[str], None],
    ) -> None:
        self.model, self._load, self._tell = model, load, tell
        self.batch_size = max(1, int(welcome.facts["batch_size"]))
        self.device, self.precision = str(welcome.facts["device"]), str(welcome.facts["precision"])
        self.process = int(welcome.facts["process"])
        self._connection = connection
        self._sending, self._change, self._loading = threading.Lock(), threading.Lock(), threading.Lock()
        self._asked: dict[int, _Asked] = {}
        self._number = 0
        self._is_lost = self._is_closed = False
        self._own: OwnBark | None = None
        threading.Thread(target=self._listen, name="bark-remote", daemon=True).start()

    def widen(self, batch_size: int) -> None:
        """The server is as wide as it was started."""

    def submit(
        self,
        request: SpeechRequest,
        *,
        number: int = 0,
        ahead_s: float = AHEAD_S,
        on_progress: Listener | None = None,
    ) -> Handle:
        """Ask for speech, as `Bark.submit`."""
        asked = _Asked(Handle(request, self, ahead_s), number, on_progress)
        with self._change:
            is_lost = self._is_lost
            if not is_lost:
                self._number += 1
                key = self._number
                self._asked[key] = asked
        if is_lost:
            return self._alone().submit(request, number=number, on_progress=on_progress)
        facts, arrays = wire.request_parts(request)
        facts |= {"id": key, "number": number, "progress": on_progress is not None}
        self._send(wire.packed("submit", facts, arrays))
        return asked.handle

    def close(self) -> None:
        """Want no more of it."""
        self._is_closed = True
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    # what handles ask for

    def wake(self) -> None:
        """It sends all that it makes."""

    def cancel(self, handle: Handle) -> None:
        """Give a request up."""
        with self._change:
            key = next((key for key, asked in self._asked.items() if asked.handle is handle), None)
            asked = None if key is None else self._asked[key]
            if asked is None or handle.done:
                return
            asked.is_cancelled = True
            if asked.alone is None:
                del self._asked[key]  # type: ignore[arg-type]  # it was found
        if asked.alone is not None:
            asked.alone.cancel()
            return
        self._send(wire.packed("cancel", {"id": key}))
        handle.finish(CancelledError("the speech was broken off: it was cancelled"))

    # on the thread that listens

    def _listen(self) -> None:
        try:
            while True:
                self._take(receive(self._connection))
        except (OSError, WireError, EOFError) as error:
            self._lose(error)

    def _take(self, message: Message) -> None:
        """Do what a frame says.

        Raises:
            WireError: it says nothing that can be done.
        """
        key = message.facts.get("id")
        asked = self._asked.get(key) if isinstance(key, int) else None
        if asked is None:  # that the server is there, or about what is given up
            return
        if message.kind == "progress":
            self._report(key, asked, message)
        elif message.kind == "sound":
            sound = wire.sound_in(message)
            asked.n_heard += len(sound.samples)
            asked.handle.put(sound)
        elif message.kind == "speech":
            speech = wire.speech_in(message)
            if not asked.n_heard:
                asked.handle.put(speech.audio)
            self._finish(key, asked, speech)
        elif message.kind == "error":
            self._finish(key, asked, wire.error_in(message))
        else:
            raise WireError("it says what nobody understands")

    def _report(self, key: Any, asked: _Asked, message: Message) -> None:
        assert asked.on_progress is not None  # it was asked for
        try:
            progress = Progress(**message.facts["progress"])
        except (KeyError, TypeError) as error:
            raise WireError("a report cannot be read") from error
        asked.handle.progress = progress
        try:
            asked.on_progress(progress)
        except BaseException as error:  # which ends this request, as it does in a session
            self._send(wire.packed("cancel", {"id": key}))
            self._finish(key, asked, error)

    def _finish(self, key: Any, asked: _Asked, result: Any) -> None:
        with self._change:
            self._asked.pop(key, None)
        asked.handle.finish(result)

    # without it

    def _send(self, frame: bytes) -> None:
        try:
            with self._sending:
                self._connection.sendall(frame)
        except OSError as error:
            self._lose(error)

    def _lose(self, error: BaseException) -> None:
        """Say all that it still owes us with a Bark of our own."""
        with self._change:
            if self._is_lost or self._is_closed:
                return
            self._is_lost = True
            owed = list(self._asked.items())
        self._connection.close()
        self._tell(f"the server is lost ({error or type(error).__name__}); going on without it")
        for key, asked in owed:
            threading.Thread(target=self._say_alone, args=(key, asked), daemon=True).start()

    def _alone(self) -> OwnBark:
        with self._loading:
            if self._own is None:
                self._own = self._load()
            return self._own

    def _say_alone(self, key: int, asked: _Asked) -> None:
        try:
            own = self._alone()
            with self._change:
                if not asked.is_cancelled:
                    asked.alone = own.submit(
                        asked.handle.request, number=asked.number, on_progress=asked.on_progress
                    )
            if asked.alone is None:
                return
            skip = asked.n_heard
            for piece in iter(asked.alone.next_piece, None):
                rest = piece.samples[skip:]
                skip -= len(piece.samples) - len(rest)
                if len(rest):
                    asked.handle.put(Audio(rest, piece.sample_rate))
            self._finish(key, asked, asked.alone.result())
        except BaseException as error:
            self._finish(key, asked, error)
