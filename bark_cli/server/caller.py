"""One client's requests to a session: all that it asks for, and all given up at once when it goes away."""

from __future__ import annotations

import threading

from bark_cli.errors import CancelledError
from bark_cli.loaded_model import LoadedModel
from bark_cli.session import Handle, Session
from bark_cli.speech import SpeechRequest
from bark_cli.stages.progress import Listener


class Caller:
    """A session as one client sees it; it can be narrated through."""

    def __init__(self, session: Session) -> None:
        self.model: LoadedModel = session.model
        self._session, self._lock = session, threading.Lock()
        self._asked: set[Handle] = set()
        self._is_gone = False

    @property
    def batch_size(self) -> int:
        """How many pieces are worked on at once."""
        return self._session.batch_size

    def widen(self, batch_size: int) -> None:
        """The session is as wide as it was opened, whatever a client asks for."""

    def submit(
        self, request: SpeechRequest, *, number: int = 0, on_progress: Listener | None = None
    ) -> Handle:
        """Ask for speech.

        Raises:
            CancelledError: the client has gone away.
            OptionError: the session is closed.
        """
        with self._lock:
            if self._is_gone:
                raise CancelledError("the client went away")
            handle = self._session.submit(request, caller=self, number=number, on_progress=on_progress)
            self._asked.add(handle)
        handle.call_when_done(lambda: self._asked.discard(handle))
        return handle

    def cancel(self) -> None:
        """Give up all that was asked for; it ends at the engine's next step."""
        with self._lock:
            self._is_gone = True
            asked = list(self._asked)
        for handle in asked:
            handle.cancel()
