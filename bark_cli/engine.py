"""Continuous batching: each step takes what some jobs ask for alike, and has the backend answer it together.

Jobs are generators of requests; after nano-vllm's engine the whole machine is `step`.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Generic, cast

import numpy as np

from bark_cli.backends import AudioStream, Backend, BeginsSeveral, CausalStage
from bark_cli.errors import BarkError, CancelledError, OptionError
from bark_cli.model.tokens import Logits, Samples
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
# what is asked for, and by which stage; prompts go first, so that what they open steps with the others
PROMPT = (Prefill, None)
KINDS = ((Decode, "semantic"), (Decode, "coarse"), (FineWindow, None), (Sound, None), (Aside, None))


@dataclass(frozen=True, eq=False)
class Outcome(Generic[Result]):
    """What became of a job: its result, or the error that ended it alone."""

    index: int  # of the job among those given
    result: Result | BarkError
    seconds: dict[str, float]  # that it took, by stage; its equal part of what it shared


@dataclass(eq=False)
class Slot(Generic[Result]):
    """A job at work, and what it asks for now: None when it is over."""

    job: Job[Result]
    held: bool = False  # its owner wants it left out for now; the others go on
    taken: bool = False  # somebody is answering it
    dropped: bool = False  # it is released once the thread that answers it is done
    stage: str = ""
    request: Request | None = None
    result: Result | BaseException | None = None  # what became of it: an exception is what ended it
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    _open: dict[str, Any] = field(default_factory=dict)  # the sequence of each stage, as the backend gave it
    _audio: AudioStream | None = None


@dataclass(eq=False)
class Share(Generic[Result]):
    """What one thread answers together: slots that ask for the same kind of thing."""

    slots: list[Slot[Result]]
    answers: list[Any]  # to each; an exception is what ends it
    seconds: float = 0.0  # that they took


class Engine(Generic[Result]):
    """Jobs at work together on one backend; begin one at any time, and step until it is over.

    No job's result depends on which others run beside it, as far as the backend holds to its contract. An
    exception of any kind ends the job that raised it, and no other.

    Where a backend is quickest with several threads side by side, each of them takes a share of what is
    asked, works on it and hands it back. All but `work` is for one thread at a time.

    Raises:
        OptionError: the batch size is less than 1.
    """

    def __init__(self, backend: Backend, batch_size: int = 1) -> None:
        check_batch_size(batch_size)
        self.backend, self.batch_size = backend, batch_size
        self._several: BeginsSeveral | None = backend if isinstance(backend, BeginsSeveral) else None
        self.slots: list[Slot[Result]] = []
        self._turn = 0  # of KINDS, whose is next
        self._n_shares = 0  # that are being worked on

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
        """Take a job up; its first request is answered in a later step."""
        slot = Slot(job)
        self.slots.append(slot)
        self._send(slot, None)
        return slot

    def step(self) -> list[Slot[Result]]:
        """Answer what some slots ask alike, and let go of those that are over: these are returned."""
        share = self.take()
        if share is not None:
            try:
                self.work(share)
            finally:
                self.hand_back(share)
        return self.retire()

    def take(self, n_threads: int = 1) -> Share[Result] | None:
        """What the calling thread, one of `n_threads`, is to answer next; None where nothing is asked for.

        Tokens are drawn together: for all who want one, beside other threads for its part of the sequences.
        So are fine windows by one thread, and prompts where the backend begins several at once; all else goes
        one by one.
        """
        active = [slot for slot in self.slots if not slot.held]
        asking = [slot for slot in active if not slot.taken]
        for kind in (PROMPT, *KINDS[self._turn :], *KINDS[: self._turn]):
            if slots := [slot for slot in asking if _is_of(slot, kind)]:
                break
        else:
            return None
        if kind is not PROMPT:
            self._turn = (KINDS.index(kind) + 1) % len(KINDS)
        if kind[0] is Decode:
            slots = slots[: -(-len(active) // n_threads)]
        elif kind is PROMPT:
            at_once = 1 if self._several is None else self._several.prompts_at_once
            slots = [slot for slot in slots if slot.stage == slots[0].stage][:at_once]
        elif kind[0] is not FineWindow or n_threads > 1:
            slots = slots[:1]
        for slot in slots:
            slot.taken = True
        self._n_shares += 1
        return Share(slots, [CancelledError("the speech was broken off")] * len(slots))

    def work(self, share: Share[Result]) -> None:
        """Find the answers of a share; any number of threads may, each its own.

        Where several cannot be answered together, each is tried alone: the one at fault ends alone.
        """
        began = time.perf_counter()
        share.answers = self._answers(share.slots)
        if len(share.slots) > 1 and isinstance(share.answers[0], Exception):
            share.answers = [answer for slot in share.slots for answer in self._answers([slot])]
        share.seconds = time.perf_counter() - began

    def hand_back(self, share: Share[Result]) -> None:
        """Send every slot of a share its answer; the time that takes, drawing tokens included, they share."""
        began, stages = time.perf_counter(), [slot.stage for slot in share.slots]
        for slot, answer in zip(share.slots, share.answers, strict=True):
            slot.taken = False
            if slot.dropped:
                self._release(slot, *CAUSAL)
            elif isinstance(answer, Exception):
                slot.job.close()
                slot.request, slot.result = None, answer
            else:
                self._send(slot, answer)
        share.seconds += time.perf_counter() - began
        for slot, stage in zip(share.slots, stages, strict=True):
            slot.seconds[stage] += share.seconds / len(share.slots) / self._n_shares
        self._n_shares -= 1

    def retire(self) -> list[Slot[Result]]:
        """Let go of the slots whose jobs are over."""
        done = [slot for slot in self.slots if slot.request is None]
        self.slots = [slot for slot in self.slots if slot.request is not None]
        for slot in done:
            self._release(slot, *CAUSAL)
        return done

    def drop(self, slot: Slot[Result]) -> None:
        """End a job that is at work; what it holds is free as soon as nobody works on it."""
        self.slots.remove(slot)
        slot.request, slot.dropped = None, True
        if not slot.taken:
            self._release(slot, *CAUSAL)
        slot.job.close()

    def close(self) -> None:
        """End whatever is still at work, and give everything back; the engine can begin anew."""
        for slot in list(self.slots):
            self.drop(slot)

    def _answers(self, slots: list[Slot[Result]]) -> list[Any]:
        """The answers to what slots ask alike, or the error to each."""
        slot, requests = slots[0], [slot.request for slot in slots]
        found: Sequence[Any]
        try:
            match slot.request:
                case Prefill():
                    found = self._opened(slots, cast(list[Prefill], requests))
                case Sound():
                    found = [self._decoded(slot, slot.request)]
                case Aside():
                    found = [slot.request.work()]
                case Decode():
                    found = self._appended(slots, cast(list[Decode], requests))
                case _:
                    found = self.backend.fine_logits(cast(list[FineWindow], requests))
        except Exception as error:
            found = [error] * len(slots)
        return list(found)

    def _opened(self, slots: Sequence[Slot[Result]], requests: Sequence[Prefill]) -> list[Logits]:
        """Begin sequences of a stage in place of those that are open."""
        stage = _causal(slots[0].stage)
        for slot in slots:
            self._release(slot, stage)
        if self._several is not None:
            begun = self._several.prefill_all(stage, requests)
        else:
            begun = [self.backend.prefill(stage, request) for request in requests]
        for slot, (context, _) in zip(slots, begun, strict=True):
            slot._open[stage] = context
        return [logits for _, logits in begun]

    def _appended(self, slots: Sequence[Slot[Result]], requests: Sequence[Decode]) -> Sequence[Answer]:
        """Append a token to every sequence of a stage, all at once."""
        stage = _causal(slots[0].stage)
        contexts = [slot._open[stage] for slot in slots]
        return self.backend.decode(stage, list(zip(contexts, requests, strict=True)))

    def _decoded(self, slot: Slot[Result], request: Sound) -> Samples:
        if request.extent == "whole":
            return self.backend.decode_audio(request.codes)
        if slot._audio is None:
            slot._audio = self.backend.audio_stream()
        samples = slot._audio.push(request.codes)
        return samples if request.extent == "piece" else np.concatenate([samples, slot._audio.finish()])

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

    def _release(self, slot: Slot[Result], *stages: str) -> None:
        """Give back the sequences of those stages that are open."""
        for stage in stages:
            if stage in slot._open:
                self.backend.release(slot._open.pop(stage))


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


def _is_of(slot: Slot[Any], kind: tuple[type, str | None]) -> bool:
    """Whether a slot asks for something of a kind."""
    request, stage = kind
    return isinstance(slot.request, request) and stage in (None, slot.stage)
