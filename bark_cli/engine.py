"""Continuous batching: each step collects what all jobs ask for and has the backend answer it together.

Jobs are generators of requests; after nano-vllm's engine the whole machine is `step`.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from bark_cli.backends import AudioStream, Backend, CausalStage
from bark_cli.backends.threads import lent_threads
from bark_cli.errors import BarkError, OptionError
from bark_cli.model.tokens import Logits, Samples
from bark_cli.stages.steps import (
    Answer,
    Aside,
    Close,
    Decode,
    Drawn,
    FineWindow,
    Job,
    Prefill,
    Request,
    Result,
    Sound,
)

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

CAUSAL: tuple[CausalStage, ...] = ("semantic", "coarse")
Asked = TypeVar("Asked", Prefill, Decode, FineWindow, Sound, Aside)
Answered = TypeVar("Answered")
PATIENCE_S = 0.1  # between looks for Ctrl-C, where nothing is left to do but to wait for the codec


@dataclass(frozen=True, eq=False)
class Outcome(Generic[Result]):
    """What became of a job: its result, or the error that ended it alone."""

    index: int  # of the job among those given
    result: Result | BarkError
    seconds: dict[str, float]  # that it took, by stage; its equal part of what it shared


@dataclass(eq=False)
class _Sequence:
    """A causal sequence that is open in the backend."""

    context: Any
    ids: list[int]  # that its cache holds
    is_plain: bool  # no other embeddings were added to theirs

    def is_continued_by(self, request: Prefill) -> bool:
        """Whether the prompt is what is held already and one token more: so it is where a window goes on."""
        return (
            self.is_plain
            and request.merged is None
            and len(request.ids) == len(self.ids) + 1
            and request.ids[:-1].tolist() == self.ids
        )


@dataclass(eq=False)
class Slot(Generic[Result]):
    """A job at work, and what it asks for now: None when it is over."""

    job: Job[Result]
    held: bool = False  # it is not answered for now: its owner says so, and the others go on
    stage: str = ""
    request: Request | None = None
    result: Result | BaseException | None = None  # what became of it: an exception is what ended it
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    _open: dict[str, _Sequence] = field(default_factory=dict)
    _audio: AudioStream | None = None
    _decoding: Future[tuple[Samples, float]] | None = None  # samples, and the seconds they took


class Engine(Generic[Result]):
    """Jobs at work together on one backend; begin one at any time, and step until it is over.

    No job's result depends on which others run beside it, as far as the backend holds to its contract. An
    exception of any kind ends the job that raised it, and no other.

    Raises:
        OptionError: the batch size is less than 1.
    """

    def __init__(self, backend: Backend, batch_size: int = 1) -> None:
        check_batch_size(batch_size)
        self.backend, self.batch_size = backend, batch_size
        self.slots: list[Slot[Result]] = []
        self._codec: ThreadPoolExecutor | None = None
        # a codec is short of work for many threads: one for each utterance is best
        self._codec_threads = max(1, min(batch_size, lent_threads()))

    def run(self, jobs: Iterable[Job[Result] | None]) -> Generator[Outcome[Result], None, None]:
        """Work on all jobs, `batch_size` at once, taken as there is room; outcomes come as they are there.

        None among the jobs means that there is none until one of those at work is over. It is not counted.
        Errors that are no BarkError, and Ctrl-C, end all of them.
        """
        waiting, numbers, places = iter(jobs), count(), dict[Slot[Result], int]()
        try:
            while True:
                while len(self.slots) < self.batch_size and (job := next(waiting, None)) is not None:
                    places[self.begin(job)] = next(numbers)
                if not self.slots:
                    break
                for slot in self.step():
                    yield _outcome(slot, places.pop(slot))
        finally:
            self.close()

    def begin(self, job: Job[Result]) -> Slot[Result]:
        """Take a job up; its first request is answered in the next step."""
        slot = Slot(job)
        self.slots.append(slot)
        self._send(slot, None)
        return slot

    def step(self) -> list[Slot[Result]]:
        """Answer once what the slots ask, and let go of those that are over: these are returned."""
        self._prefill()
        for stage in CAUSAL:
            self._decode(stage)
        self._fine()
        self._sound()
        self._asides()
        return self._retire()

    def drop(self, slot: Slot[Result]) -> None:
        """End a job that is at work; what it holds is free, and nobody else notices."""
        self.slots.remove(slot)
        slot.request = None
        self._release(slot, *CAUSAL)
        slot.job.close()

    def close(self) -> None:
        """End whatever is still at work, and give everything back; the engine can begin anew."""
        if self._codec is not None:
            self._codec.shutdown(wait=False, cancel_futures=True)
            self._codec = None
        for slot in list(self.slots):
            self.drop(slot)

    def _prefill(self) -> None:
        """Open sequences, one after the other, except where the open one lacks nothing but the last token."""
        for slot, request in self._asking(Prefill):
            sequence = slot._open.get(slot.stage)
            if sequence is not None and sequence.is_continued_by(request):
                slot.request = Decode(int(request.ids[-1]), request.legal, request.ahead)
                continue
            self._release(slot, slot.stage)
            self._answer([(slot, request)], self._opened)

    def _opened(self, asking: Sequence[tuple[Slot[Result], Prefill]]) -> list[Logits]:
        [(slot, request)] = asking
        context, logits = self.backend.prefill(_causal(slot.stage), request)
        slot._open[slot.stage] = _Sequence(context, request.ids.tolist(), request.merged is None)
        return [logits]

    def _decode(self, stage: CausalStage) -> None:
        """Append a token to every sequence of a stage, all at once."""
        asking = [(slot, request) for slot, request in self._asking(Decode) if slot.stage == stage]
        self._answer(asking, self._appended)

    def _appended(self, asking: Sequence[tuple[Slot[Result], Decode]]) -> Sequence[Answer]:
        stage = _causal(asking[0][0].stage)
        sequences = [slot._open[stage] for slot, _ in asking]
        requests = [request for _, request in asking]
        answers = self.backend.decode(
            stage, [(s.context, r) for s, r in zip(sequences, requests, strict=True)]
        )
        for sequence, request, answer in zip(sequences, requests, answers, strict=True):
            drawn = answer.tokens[:-1].tolist() if isinstance(answer, Drawn) else []
            sequence.ids += [request.token, *drawn]
        return answers

    def _fine(self) -> None:
        """Predict a codebook of every window, all at once."""
        self._answer(
            self._asking(FineWindow),
            lambda asking: self.backend.fine_logits([request for _, request in asking]),
        )

    def _sound(self) -> None:
        """Decode codes beside everything else, and hand over what is done."""
        asking = self._asking(Sound)
        if len(self.slots) == 1 and asking and asking[0][0]._decoding is None:
            # there is nothing else: all threads may help
            self._answer(asking, lambda asking: [self._decode_audio(*one) for one in asking])
            return
        if not asking:
            return
        from concurrent.futures import FIRST_COMPLETED, wait

        for slot, request in asking:
            if slot._decoding is None:
                try:
                    slot._decoding = self._pool().submit(_timed, partial(self._decode_audio, slot, request))
                except RuntimeError as error:  # the program is at its end, and no thread begins anything
                    self._fail(slot, error)
        futures = [slot._decoding for slot, _ in asking if slot._decoding is not None]
        if futures and len(asking) == sum(not slot.held for slot in self.slots):
            wait(futures, PATIENCE_S, FIRST_COMPLETED)
        for slot, _ in asking:
            if slot._decoding is not None and slot._decoding.done():
                self._hand_over(slot, slot._decoding)

    def _hand_over(self, slot: Slot[Result], decoding: Future[tuple[Samples, float]]) -> None:
        slot._decoding = None
        if (error := decoding.exception()) is not None:
            self._fail(slot, error)
            return
        samples, seconds = decoding.result()
        slot.seconds[slot.stage] += seconds
        self._send(slot, samples)

    def _pool(self) -> ThreadPoolExecutor:
        """Threads for the codec, each of which computes by itself."""
        if self._codec is None:
            from concurrent.futures import ThreadPoolExecutor

            self._codec = ThreadPoolExecutor(self._codec_threads, "bark-codec", self.backend.work_alone)
        return self._codec

    def _asides(self) -> None:
        """Do what is asked for beside the model's own work, while all wait; its time is not a stage's."""
        for asking in self._asking(Aside):
            self._answer([asking], lambda asking: [request.work() for _, request in asking])

    def _decode_audio(self, slot: Slot[Result], request: Sound) -> Samples:
        if request.extent == "whole":
            return self.backend.decode_audio(request.codes)
        if slot._audio is None:
            slot._audio = self.backend.audio_stream()
        samples = slot._audio.push(request.codes)
        return samples if request.extent == "piece" else np.concatenate([samples, slot._audio.finish()])

    def _asking(self, kind: type[Asked]) -> list[tuple[Slot[Result], Asked]]:
        """The slots that ask for something of that kind, and what."""
        return [
            (slot, slot.request) for slot in self.slots if isinstance(slot.request, kind) and not slot.held
        ]

    def _answer(
        self,
        asking: Sequence[tuple[Slot[Result], Asked]],
        answers: Callable[[Sequence[tuple[Slot[Result], Asked]]], Sequence[Any]],
    ) -> None:
        """Send every slot its answer; the time that takes, drawing tokens included, they share.

        Where several cannot be answered together, each is tried alone: who is at fault ends alone.
        """
        if not asking:
            return
        began, stages = time.perf_counter(), [slot.stage for slot, _ in asking]
        try:
            found = answers(asking)
        except Exception as error:
            if len(asking) == 1:
                self._fail(asking[0][0], error)
            else:
                for one in asking:
                    self._answer([one], answers)
            return
        for (slot, _), answer in zip(asking, found, strict=True):
            self._send(slot, answer)
        share = (time.perf_counter() - began) / len(asking)
        for (slot, _), stage in zip(asking, stages, strict=True):
            slot.seconds[stage] += share

    def _send(self, slot: Slot[Result], answer: Any) -> None:
        """Let a job go on to its next request, or its end."""
        try:
            slot.stage, slot.request = slot.job.send(answer)
            while isinstance(slot.request, Close):
                self._release(slot, slot.stage)
                slot.stage, slot.request = slot.job.send(None)
        except StopIteration as end:
            slot.request, slot.result = None, end.value
        except BaseException as error:
            slot.request, slot.result = None, error

    def _fail(self, slot: Slot[Result], error: BaseException) -> None:
        """End a job by an error of the backend's."""
        slot.job.close()
        slot.request, slot.result = None, error

    def _retire(self) -> list[Slot[Result]]:
        """Let go of the slots whose jobs are over."""
        done = [slot for slot in self.slots if slot.request is None]
        self.slots = [slot for slot in self.slots if slot.request is not None]
        for slot in done:
            self._release(slot, *CAUSAL)
        return done

    def _release(self, slot: Slot[Result], *stages: str) -> None:
        """Give back the sequences of those stages that are open."""
        for stage in stages:
            if stage in slot._open:
                self.backend.release(slot._open.pop(stage).context)


def check_batch_size(batch_size: int) -> None:
    """Refuse a batch size below 1.

    Raises:
        OptionError: it is less than 1.
    """
    if batch_size < 1:
        raise OptionError(f"batch size {batch_size} must be at least 1")


def _outcome(slot: Slot[Result], index: int) -> Outcome[Result]:
    if isinstance(slot.result, BaseException) and not isinstance(slot.result, BarkError):
        raise slot.result
    result: Any = slot.result
    return Outcome(index, result, dict(slot.seconds))


def _causal(stage: str) -> CausalStage:
    return "semantic" if stage == "semantic" else "coarse"


def _timed(work: Callable[[], Answered]) -> tuple[Answered, float]:
    began = time.perf_counter()
    return work(), time.perf_counter() - began
