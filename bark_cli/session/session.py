"""The engine on threads of its own: requests from any thread -> their handles, filled step by step.

One thread has the engine at a time, and only the backend computes without its lock. Requests are kept under
another lock, so that no caller waits for a step, or for another caller's listener.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Generator, Hashable
from dataclasses import replace

from bark_cli.engine import Engine, Share, Slot, check_batch_size
from bark_cli.errors import BusyError, CancelledError, OptionError
from bark_cli.loaded_model import LoadedModel
from bark_cli.narration.narrate import Narration, PieceResult, narrate_soon
from bark_cli.session.handle import AHEAD_S, Handle
from bark_cli.session.turns import URGENT, admitted, held, seconds_left, sharing
from bark_cli.session.work import Work
from bark_cli.speech import Speech, SpeechRequest
from bark_cli.stages.progress import Listener
from bark_cli.stages.utterance import costs
from bark_cli.takes.usual import Memory

_RECENT = 16  # speeches that say how fast the engine is


class Session:
    """An engine for many callers; `Bark.session()` makes one. Close it, or use it in a `with` block.

    Args:
        model: who speaks.
        batch_size: utterances at work at once; None is as many as save time and fit, up to 64.
        max_waiting: requests that may wait for room; None is any number.

    Raises:
        OptionError: the batch size is less than 1.
    """

    def __init__(
        self, model: LoadedModel, batch_size: int | None = None, *, max_waiting: int | None = None
    ) -> None:
        self.model, self.max_waiting = model, max_waiting
        check_batch_size(1 if batch_size is None else batch_size)
        self._batch_size, self._least = batch_size, 1
        self._engine_lock = threading.Lock()  # taken before that of `_change`, where both are
        self._change = threading.Condition()  # of the five below
        self._n_changes = 0
        self._waiting: list[Work] = []
        self._cancelled: set[Handle] = set()
        self._threads: list[threading.Thread] = []
        self._closing = False
        self._at_work: dict[Slot[Speech], Work] = {}
        self._engine = Engine[Speech](model.backend)
        self._n_steps = 0
        self._speeds: deque[float] = deque(maxlen=_RECENT)  # seconds of work for a second of speech

    def submit(
        self,
        request: SpeechRequest,
        *,
        caller: Hashable = None,
        timeout: float | None = None,
        ahead_s: float = AHEAD_S,
        number: int = 0,
        on_progress: Listener | None = None,
        memory: Memory | None = None,
    ) -> Handle:
        """Ask for speech; it is begun as soon as there is room, and joins the others at the next step.

        Args:
            request: what to say.
            caller: who asks, to be fair among callers; None is this thread.
            timeout: seconds after which it is given up.
            ahead_s: seconds of streamed sound that may wait for the reader before the job is held; with 0 it
                goes on only while somebody waits for its next piece.
            number: of the utterance among those asked for together, for `on_progress`.
            on_progress: called on the engine's thread after every step; what it raises ends this request.
            memory: how the voices spoke, to judge takes by; None is what the model knows.

        Raises:
            BusyError: `max_waiting` others wait already.
            OptionError: the session is closed, or what is asked for is no SpeechRequest.
        """
        if not isinstance(request, SpeechRequest):  # found on the engine's thread it would end all others'
            kind = type(request).__name__
            raise OptionError(f"a text is asked for as SpeechRequest(text=…), not as {kind}")
        handle = Handle(request, self, ahead_s)
        end = None if timeout is None else time.monotonic() + timeout
        with self._change:
            if self._closing:
                raise OptionError("the session is closed; make another with Bark.session()")
            if self.max_waiting is not None and len(self._waiting) >= self.max_waiting:
                n = len(self._waiting)
                raise BusyError(f"{n} requests are waiting, which is the limit; try again later")
            who = caller or threading.get_ident()
            self._waiting.append(Work(handle, who, number, on_progress, end, memory))
            if len(self._threads) < min(self.model.backend.side_by_side, self.n_waiting + self.n_at_work):
                self._begin_thread()
            self._tell()
        return handle

    def narrate(
        self,
        narration: Narration,
        *,
        exact: bool = False,
        batch_size: int | None = None,
        on_progress: Listener | None = None,
    ) -> Generator[PieceResult, None, None]:
        """Speak a text of any length so that its first sound comes soon, and all of it in order.

        Raises:
            BarkError: of the first piece that cannot be said.
        """
        return narrate_soon(self, narration, exact=exact, batch_size=batch_size, on_progress=on_progress)

    @property
    def batch_size(self) -> int:
        """How many are at work at once; where nobody said it, the model tries it, which takes a moment."""
        if self._batch_size is None:
            self._batch_size = self.model.fitting_batch_size()
        return max(self._batch_size, self._least)

    @property
    def n_waiting(self) -> int:
        """Requests that wait for room."""
        return len(self._waiting)

    @property
    def n_at_work(self) -> int:
        """Requests that the engine works on."""
        return len(self._at_work)

    def widen(self, batch_size: int) -> None:
        """Let at least `batch_size` be at work at once.

        Raises:
            OptionError: it is less than 1.
        """
        check_batch_size(batch_size)
        with self._change:
            self._least = max(self._least, batch_size)
            self._tell()

    def close(self, *, cancel: bool = False, wait: bool = True) -> None:
        """Take no more requests, and end: once those that are here are spoken, or with `cancel` at once."""
        with self._change:
            self._closing = True
            if cancel:
                self._cancelled.update(work.handle for work in self._works())
            self._tell()
            threads = list(self._threads)
        if wait and threading.current_thread() not in threads:  # they wait for each other's lock
            for thread in threads:
                thread.join()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        self.close(cancel=error is not None, wait=error is None)

    # what handles ask for, on any thread

    def wake(self) -> None:
        """Look again: a handle may have made room for more of its sound."""
        with self._change:
            self._tell()

    def cancel(self, handle: Handle) -> None:
        """Give a request up; it ends at the next step."""
        with self._change:
            if not handle.done:
                self._cancelled.add(handle)
                self._tell()

    def _tell(self) -> None:
        """Let the engine's threads look again."""
        self._n_changes += 1
        self._change.notify_all()

    def _begin_thread(self) -> None:
        """One more; where the system has none left, those that are there do without it."""
        thread = threading.Thread(target=self._run, name="bark-engine", daemon=True)
        self._threads.append(thread)
        try:
            thread.start()
        except RuntimeError:
            self._threads.remove(thread)
            if not self._threads:
                self._waiting.pop()
                raise

    # on the engine's threads

    def _run(self) -> None:
        try:
            while self._step():
                pass
        finally:
            with self._engine_lock, self._change:
                self._closing = True
                left = self._works()
                self._waiting, self._at_work = [], {}
                self._engine.close()
                self._tell()
            for work in left:
                work.handle.finish(CancelledError("the session ended before this was spoken"))

    def _step(self) -> bool:
        """Wait for something to do and do a share of it; False when all is over.

        While it waits it keeps no request alive: one that nobody else holds can go.
        """
        if self._batch_size is None and len(self._works()) > self._least:
            self._batch_size = self.model.fitting_batch_size()
        if (share := self._next()) is None:
            return False
        try:
            with self.model.turn:
                self._engine.work(share)
        finally:
            with self._engine_lock:
                self._hand_back(share)
            self.wake()
        return True

    def _next(self) -> Share[Speech] | None:
        """Wait until there is something to answer; None when all is over."""
        while True:
            seen = self._n_changes
            with self._engine_lock:
                self._give_up_some()
                self._begin_some()
                self._end_some()
                if (share := self._share()) is not None:
                    return share
            with self._change:
                if self._closing and not self._works():
                    return None
                if self._n_changes == seen:
                    self._change.wait(seconds_left(self._works(), time.monotonic()))

    def _share(self) -> Share[Speech] | None:
        """What this thread is to answer."""
        left_out = held(self._at_work.values(), self._n_steps, time.monotonic(), self._most_listeners())
        for slot, work in self._at_work.items():
            slot.held = work in left_out
        n_active = len(self._at_work) - len(left_out)
        self.model.backend.fit_threads(n_active, min(n_active, len(self._threads)))
        share = self._engine.take(len(self._threads))
        self._n_steps += share is not None
        return share

    def _hand_back(self, share: Share[Speech]) -> None:
        """Let its jobs go on, and those who hear them."""
        self._engine.hand_back(share)
        for slot in share.slots:
            if slot in self._at_work:  # one that was given up is not
                self._at_work[slot].hand_over()
        self._end_some()

    def _begin_some(self) -> None:
        """Begin those who wait, as there is room."""
        with self._change:
            most = max(self._batch_size or 1, self._least)
            begun = admitted(self._waiting, self._at_work.values(), most)
        for work in begun:
            slot = self._engine.begin(work.job(self.model))
            with self._change:  # at every moment it is in one of the two, so that `close` finds it
                self._waiting.remove(work)
                self._at_work[slot] = work

    def _give_up_some(self) -> None:
        """Give up those that were cancelled or are out of time, whether they were begun or not."""
        now = time.monotonic()
        with self._change:
            given_up = [work for work in self._works() if work.handle in self._cancelled or work.is_late(now)]
            self._cancelled.clear()
            self._waiting = [work for work in self._waiting if work not in given_up]
        for slot in [slot for slot, work in self._at_work.items() if work in given_up]:
            del self._at_work[slot]
            self._engine.drop(slot)
        for work in given_up:
            work.give_up(now)

    def _end_some(self) -> None:
        """Say what became of the jobs that are over."""
        for slot in self._engine.retire():
            work, result = self._at_work.pop(slot), slot.result
            assert result is not None  # it is over
            if isinstance(result, Speech):
                result = replace(result, stages=costs(result.tokens, slot.seconds))
                self._speeds.append(result.real_time_factor)
            work.finish(result)

    def _most_listeners(self) -> int:
        """How many listeners share a step: a GPU's is as long for many; a CPU's only grows with them."""
        if self.model.device.startswith(("cuda", "mps")):
            return self.batch_size
        # no trial for the best batch size here: a single speaker has no use for it
        return sharing(self._speeds, max(URGENT, self._batch_size or 1))

    def _works(self) -> list[Work]:
        return [*self._waiting, *self._at_work.values()]
