"""Continuous batching: jobs (generators of requests) -> their results, answered together as slots get free.

After nano-vllm's engine: the whole machine is `step`.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from bark_cli.backends import AudioStream, Backend, CausalStage
from bark_cli.errors import BarkError, OptionError
from bark_cli.stages.steps import (
    Answer,
    Aside,
    Close,
    Decode,
    FineWindow,
    Job,
    Prefill,
    Request,
    Result,
    Sound,
)

CAUSAL: tuple[CausalStage, ...] = ("semantic", "coarse")
Kind = TypeVar("Kind", Prefill, Decode, FineWindow, Sound, Aside)
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
class _Slot(Generic[Result]):
    """A job at work, and what it asks for now: None when it is over."""

    index: int
    job: Job[Result]
    stage: str = ""
    request: Request | None = None
    result: Any = None  # a Result, or the BarkError that ended it
    open: dict[str, _Sequence] = field(default_factory=dict)
    audio: AudioStream | None = None
    decoding: Future[tuple[Tensor, float]] | None = None  # samples, and the seconds they took
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))


class Engine(Generic[Result]):
    """Up to `batch_size` jobs at once on one backend.

    No job's result depends on which others run beside it, as far as the backend holds to its contract.

    Raises:
        OptionError: the batch size is less than 1.
    """

    def __init__(self, backend: Backend, batch_size: int = 1) -> None:
        if batch_size < 1:
            raise OptionError(f"batch size {batch_size} must be at least 1")
        self.backend, self.batch_size = backend, batch_size
        self._slots: list[_Slot[Result]] = []
        self._n_taken = 0
        # a codec is short of work for many threads: one for each utterance is best
        self._codec = ThreadPoolExecutor(
            max(1, min(batch_size, torch.get_num_threads())), initializer=torch.set_num_threads, initargs=(1,)
        )

    def run(self, jobs: Iterable[Job[Result] | None]) -> Generator[Outcome[Result], None, None]:
        """Work on all jobs, taken as slots get free; each outcome comes as soon as it is there.

        None among them means that there is no job until one of those at work is over. It is not counted.

        Errors that are no BarkError, and Ctrl-C, end all of them.
        """
        with closing(self.steps(jobs)) as steps:
            for outcomes in steps:
                yield from outcomes

    def steps(self, jobs: Iterable[Job[Result] | None]) -> Generator[list[Outcome[Result]], None, None]:
        """As `run`, with what came of each step, mostly nothing, for who has to look in between."""
        waiting = iter(jobs)
        try:
            while self._admit(waiting):
                yield self.step()
        finally:
            self._close()

    def step(self) -> list[Outcome[Result]]:
        """Answer once what the slots ask, and let go of those that are done."""
        self._prefill()
        for stage in CAUSAL:
            self._decode(stage)
        self._fine()
        self._sound()
        self._asides()
        return self._retire()

    def _admit(self, waiting: Iterator[Job[Result] | None]) -> bool:
        """Fill the free slots; says whether there is anything to do."""
        while len(self._slots) < self.batch_size:
            job = next(waiting, None)
            if job is None:  # the end, or nothing for now
                break
            slot = _Slot(self._n_taken, job)
            self._n_taken += 1
            self._slots.append(slot)
            self._send(slot, None)
        return bool(self._slots)

    def _prefill(self) -> None:
        """Open sequences, one after the other, except where the open one lacks nothing but the last token."""
        for slot, request in self._asking(Prefill):
            sequence = slot.open.get(slot.stage)
            if sequence is not None and sequence.is_continued_by(request):
                slot.request = Decode(int(request.ids[-1]), request.legal)
                continue
            self._release(slot, slot.stage)
            self._answer([slot], partial(self._open, slot, request))

    def _open(self, slot: _Slot[Result], request: Prefill) -> list[Tensor]:
        context, logits = self.backend.prefill(_causal(slot.stage), request)
        slot.open[slot.stage] = _Sequence(context, request.ids.tolist(), request.merged is None)
        return [logits]

    def _decode(self, stage: CausalStage) -> None:
        """Append a token to every sequence of a stage, all at once."""
        asking = [(slot, request) for slot, request in self._asking(Decode) if slot.stage == stage]
        self._answer([slot for slot, _ in asking], partial(self._append, stage, asking))

    def _append(self, stage: CausalStage, asking: list[tuple[_Slot[Result], Decode]]) -> Sequence[Answer]:
        sequences = [slot.open[stage] for slot, _ in asking]
        requests = [request for _, request in asking]
        answers = self.backend.decode(
            stage, [(s.context, r) for s, r in zip(sequences, requests, strict=True)]
        )
        for sequence, request, answer in zip(sequences, requests, answers, strict=True):
            drawn = [] if isinstance(answer, Tensor) else answer[:-1].tolist()
            sequence.ids += [request.token, *drawn]
        return answers

    def _fine(self) -> None:
        """Predict a codebook of every window, all at once."""
        asking = self._asking(FineWindow)
        requests = [request for _, request in asking]
        self._answer([slot for slot, _ in asking], lambda: self.backend.fine_logits(requests))

    def _sound(self) -> None:
        """Decode codes beside everything else, and hand over what is done."""
        asking = self._asking(Sound)
        if len(self._slots) == 1 and asking and asking[0][0].decoding is None:
            [(slot, request)] = asking  # there is nothing else: all threads may help
            self._answer([slot], lambda: [self._decode_audio(slot, request)])
            return
        for slot, request in asking:
            if slot.decoding is None:
                slot.decoding = self._codec.submit(_timed, partial(self._decode_audio, slot, request))
        futures = [slot.decoding for slot, _ in asking if slot.decoding is not None]
        if futures and len(asking) == len(self._slots):
            wait(futures, PATIENCE_S, FIRST_COMPLETED)
        for slot, _ in asking:
            if slot.decoding is not None and slot.decoding.done():
                samples, seconds = slot.decoding.result()
                slot.decoding = None
                slot.seconds[slot.stage] += seconds
                self._send(slot, samples)

    def _asides(self) -> None:
        """Do what is asked for beside the model's own work, while all wait; its time is no stage's."""
        for slot, request in self._asking(Aside):
            answer, seconds = _timed(request.work)
            slot.seconds[slot.stage] += seconds
            self._send(slot, answer)

    def _decode_audio(self, slot: _Slot[Result], request: Sound) -> Tensor:
        if request.extent == "whole":
            return self.backend.decode_audio(request.codes)
        if slot.audio is None:
            slot.audio = self.backend.audio_stream()
        samples = slot.audio.push(request.codes)
        return samples if request.extent == "piece" else torch.cat([samples, slot.audio.finish()])

    def _asking(self, kind: type[Kind]) -> list[tuple[_Slot[Result], Kind]]:
        """The slots that ask for something of that kind, and what."""
        return [(slot, slot.request) for slot in self._slots if isinstance(slot.request, kind)]

    def _answer(self, slots: Sequence[_Slot[Result]], answers: Callable[[], Sequence[Answer]]) -> None:
        """Send every slot its answer; the time that takes, drawing tokens included, they share."""
        if not slots:
            return
        began, stages = time.perf_counter(), [slot.stage for slot in slots]
        for slot, answer in zip(slots, answers(), strict=True):
            self._send(slot, answer)
        share = (time.perf_counter() - began) / len(slots)
        for slot, stage in zip(slots, stages, strict=True):
            slot.seconds[stage] += share

    def _send(self, slot: _Slot[Result], answer: Any) -> None:
        """Let a job go on to its next request, or its end."""
        try:
            slot.stage, slot.request = slot.job.send(answer)
            while isinstance(slot.request, Close):
                self._release(slot, slot.stage)
                slot.stage, slot.request = slot.job.send(None)
        except StopIteration as end:
            slot.request, slot.result = None, end.value
        except BarkError as error:
            slot.request, slot.result = None, error

    def _retire(self) -> list[Outcome[Result]]:
        """Let go of the slots whose jobs are over."""
        done = [slot for slot in self._slots if slot.request is None]
        self._slots = [slot for slot in self._slots if slot.request is not None]
        for slot in done:
            self._release(slot, *CAUSAL)
        return [Outcome(slot.index, slot.result, dict(slot.seconds)) for slot in done]

    def _release(self, slot: _Slot[Result], *stages: str) -> None:
        """Give back the sequences of those stages that are open."""
        for stage in stages:
            if stage in slot.open:
                self.backend.release(slot.open.pop(stage).context)

    def _close(self) -> None:
        """Give everything back, whatever is still at work."""
        self._codec.shutdown(wait=False, cancel_futures=True)
        for slot in self._slots:
            self._release(slot, *CAUSAL)
        self._slots = []


def _causal(stage: str) -> CausalStage:
    return "semantic" if stage == "semantic" else "coarse"


def _timed(work: Callable[[], Answered]) -> tuple[Answered, float]:
    began = time.perf_counter()
    return work(), time.perf_counter() - began
