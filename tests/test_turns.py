"""Who of many listeners shares a step: nobody hears a gap, and steps hold as many as that allows.

The engine, its session and their stages are real, over a backend that makes nothing and says what it would
have taken: so time is counted, and a busy machine changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bark_cli import engine, store
from bark_cli.checkpoint import read_checkpoint
from bark_cli.loaded_model import LoadedModel
from bark_cli.model.tokens import Samples, Tokens
from bark_cli.session import Handle, Session, session, work
from bark_cli.session.turns import URGENT, sharing
from bark_cli.speech import SpeechRequest
from bark_cli.stages.steps import Decode, Drawn, DrawnCodes, FineWindow, Prefill
from bark_cli.takes.take import ONCE

LENGTHS_S = (3.7, 3.4, 3.5, 3.95)
HOP = 480  # samples of nano's frame


class CountedTime:
    """A backend of nano's shape; each answer takes what nano's took on two cores, times `slowness`."""

    side_by_side = 1

    def __init__(self, slowness: float) -> None:
        self.now, self.slowness = 0.0, slowness
        self.rows: list[int] = []  # of each coarse step

    def take(self, milliseconds: float) -> None:
        self.now += self.slowness * milliseconds / 1000

    def prefill(self, stage: str, request: Prefill) -> tuple[object, np.ndarray[Any, Any]]:
        self.take(4.5)
        return object(), np.zeros(len(request.legal), np.float32)

    def decode(self, stage: str, requests: Sequence[tuple[object, Decode]]) -> list[Drawn]:
        ways = [request.ahead for _, request in requests if request.ahead is not None]
        counts = [min(8, way.steps) for way in ways]
        alone, more = (0.16, 0.075) if stage == "semantic" else (0.115, 0.052)
        for step in range(max(counts)):
            self.take(max(alone, more * sum(step < count for count in counts)))
        if stage == "coarse":
            self.rows.append(len(counts))
        return [
            Drawn(np.array([way.legal[step % len(way.legal)][0] for step in range(count)]))
            for way, count in zip(ways, counts, strict=True)
        ]

    def fine_logits(self, requests: Sequence[FineWindow]) -> list[DrawnCodes]:
        self.take(10.5 * (len(requests) // 2) + 6.0 * (len(requests) % 2))
        return [DrawnCodes(np.zeros(one.codes.shape[1] - one.first, np.int64)) for one in requests]

    def audio_stream(self) -> CountedTime:
        return self

    def push(self, codes: Tokens) -> Samples:
        self.take(0.12 * codes.shape[1])
        return np.zeros(HOP * codes.shape[1], np.float32)

    def finish(self) -> Samples:
        return np.empty(0, np.float32)

    def fit_threads(self, n_sequences: int, n_callers: int = 1) -> None: ...

    def release(self, context: object) -> None: ...


class Ear:
    """Plays what it hears at the speed of speech, from its first piece on."""

    def __init__(self) -> None:
        self.ends: float | None = None
        self.waited_s = 0.0

    def hear(self, seconds: float, now: float) -> None:
        if self.ends is not None:
            self.waited_s += max(0.0, now - self.ends)
        self.ends = max(now, self.ends or 0.0) + seconds


def listen(n_listeners: int, slowness: float, *, sharers: int | None = None) -> tuple[list[float], float]:
    """Seconds for which each of so many had to wait in the middle, and the mean rows of a coarse step."""
    checkpoint = read_checkpoint(store.resolve_model("nano").folder)
    backend: Any = CountedTime(slowness)
    model = LoadedModel(
        "nano", checkpoint.folder, checkpoint.config, checkpoint.tokenizer(), backend, "cpu", "int8"
    )
    ears = dict[Handle, Ear]()
    put = Handle.put

    def hear(handle: Handle, piece: Any) -> None:
        ears[handle].hear(piece.duration_s, backend.now)
        put(handle, piece)

    def ask(crowd: Session, number: int) -> Handle:
        length = LENGTHS_S[number % len(LENGTHS_S)]
        how = replace(model.config.sampling, may_end=False, max_duration_s=length)
        request = SpeechRequest(text="Hello.", seed=number, options=how, streaming="early", attempts=ONCE)
        handle = crowd.submit(request, caller=number + 1, ahead_s=100.0)
        ears[handle] = Ear()
        return handle

    with pytest.MonkeyPatch.context() as patch:
        clock = SimpleNamespace(monotonic=lambda: backend.now, perf_counter=lambda: backend.now)
        for module in (engine, session, work):
            patch.setattr(module, "time", clock)
        patch.setattr(Handle, "put", hear)
        if sharers is not None:
            patch.setattr(session, "sharing", lambda speeds, batch_size: sharers)
        with Session(model, 16) as crowd:
            ask(crowd, 0).result(120)  # which shows how fast it is
            backend.rows.clear()
            with crowd._change:  # all ask before the first is begun
                handles = [ask(crowd, number) for number in range(n_listeners)]
            for handle in handles:
                handle.result(120)
    return [ears[handle].waited_s for handle in handles], float(np.mean(backend.rows))


@pytest.mark.parametrize(("n_listeners", "slowness"), [(16, 1.0), (64, 1.0), (64, 2.0), (16, 4.0), (16, 8.0)])
def test_nobody_of_a_crowd_hears_a_gap_however_slow_the_machine_is(n_listeners: int, slowness: float) -> None:
    waited, _ = listen(n_listeners, slowness)
    assert max(waited) < 0.05


def test_the_faster_the_engine_the_more_share_a_step() -> None:
    _, fast = listen(16, 1.0)
    _, slow = listen(16, 4.0)
    assert fast > 4 > 2 > slow
    waited, _ = listen(16, 4.0, sharers=16)
    assert max(waited) > 0.1, "all at once would do as well: this test shows nothing"


def test_half_as_many_share_as_could_be_spoken_to_all_the_time() -> None:
    assert sharing([], 16) == URGENT
    assert sharing([0.05, 0.0625, 9.0], 16) == 8
    assert sharing([0.01], 16) == 16
    assert sharing([0.3], 16) == 1
    assert sharing([1.0], 16) == URGENT  # even one would hear gaps: then the end counts
    assert sharing([1.0], 2) == sharing([], 2) == 2
