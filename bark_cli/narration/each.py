"""Requests to a Session or a Bark, no more at once than it takes -> each with its Speech, once it is done."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sized
from itertools import count
from queue import SimpleQueue
from typing import Protocol

from bark_cli.audio import Audio
from bark_cli.errors import BarkError
from bark_cli.known_model import KnownModel
from bark_cli.speech import Speech, SpeechRequest
from bark_cli.stages.progress import Listener


class Pending(Protocol):
    """A submitted request: the part of `session.Handle` that is needed here."""

    def next_piece(self, timeout: float | None = None) -> Audio | None:
        """The next sound; None after the last."""
        ...

    def result(self, timeout: float | None = None) -> Speech:
        """The whole speech; waits for it."""
        ...

    def cancel(self) -> None:
        """Cancel it."""
        ...

    def call_when_done(self, call: Callable[[], None]) -> None:
        """Call back once it is over."""
        ...


class Speaks(Protocol):
    """Who takes requests at any time: a Session, or a Bark by way of the one it has."""

    @property
    def model(self) -> KnownModel:
        """Whose voice it is."""
        ...

    @property
    def batch_size(self) -> int:
        """How many are worked on at once."""
        ...

    def submit(
        self, request: SpeechRequest, *, number: int = 0, on_progress: Listener | None = None
    ) -> Pending:
        """Ask for speech."""
        ...

    def widen(self, batch_size: int) -> None:
        """Let more be worked on at once."""
        ...


def speak_each(
    speaker: Speaks,
    requests: Iterable[SpeechRequest | None],
    *,
    batch_size: int | None = None,
    on_progress: Listener | None = None,
) -> Generator[tuple[int, Speech | BarkError], None, None]:
    """Speak several texts, many at a time, and yield each with its index as soon as it is done.

    Requests are taken one by one as there is room. One that cannot be said is yielded as its error, and the
    others go on. None among them says that there is no request until one of those at work is done; it has no
    index.

    Args:
        speaker: who speaks.
        requests: what to say.
        batch_size: how many are worked on at once; None is as many as the speaker takes.
        on_progress: called after every step of each; `Progress.utterance` says whose.

    Raises:
        OptionError: the batch size is less than 1.
    """
    most = len(requests) if isinstance(requests, Sized) else None
    if batch_size is None:
        batch_size = 1 if most == 1 else speaker.batch_size  # which may have to be tried
    batch_size = min(batch_size, most) if most else batch_size
    speaker.widen(batch_size)
    waiting, numbers, at_work = iter(requests), count(), dict[int, Pending]()
    over: SimpleQueue[int] = SimpleQueue()
    try:
        while True:
            while len(at_work) < batch_size and (request := next(waiting, None)) is not None:
                number = next(numbers)
                at_work[number] = speaker.submit(request, number=number, on_progress=on_progress)
                at_work[number].call_when_done(lambda number=number: over.put(number))  # type: ignore[misc]
            if not at_work:
                return
            number = over.get()
            try:
                found: Speech | BarkError = at_work.pop(number).result()
            except BarkError as error:
                found = error
            yield number, found
    finally:
        for pending in at_work.values():
            pending.cancel()
