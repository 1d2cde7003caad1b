"""One engine, many callers: each gets its own sound, and what one does shows in nobody else's."""

from __future__ import annotations

import asyncio
import copy
import gc
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bark_cli.backends.threads import NARROW
from bark_cli.backends.wide import OwnThreads
from bark_cli.errors import BarkError, BusyError, CancelledError, OptionError, VoiceError
from bark_cli.loaded_model import LoadedModel
from bark_cli.model.options import SamplingOptions
from bark_cli.narration.narrate import Narration, Piece, narrate
from bark_cli.narration.timeline import Timeline
from bark_cli.pipeline import Bark
from bark_cli.session import Handle, Session
from bark_cli.session.turns import URGENT, admitted, held
from bark_cli.session.work import Work
from bark_cli.speech import Speech, SpeechRequest
from bark_cli.stages.progress import Progress

LONG = SamplingOptions(may_end=False)  # to the tiny model's limit: two pieces of sound
SHORT = SamplingOptions(may_end=False, max_duration_s=0.1)
TEXTS = ["hello", "my name is bark", "i can speak", "the bark", "a hello", "speak my name"]
PATIENCE_S = 120.0  # no test waits so long unless something hangs


@pytest.fixture(scope="module", params=["fp32", "int8"])
def bark(request: pytest.FixtureRequest, tiny_model: Path) -> Bark:
    try:
        return Bark.load(tiny_model, device="cpu", precision=request.param)
    except OptionError as error:
        pytest.skip(str(error))


def ask(n: int, **options: Any) -> SpeechRequest:
    how = {"seed": n, "options": SHORT, **options}
    return SpeechRequest(text=TEXTS[n % len(TEXTS)], **how)


def same(a: Speech, b: Speech) -> bool:
    return np.array_equal(a.audio.samples, b.audio.samples) and np.array_equal(a.tokens.fine, b.tokens.fine)


def samples_of(handle: Handle) -> np.ndarray[Any, Any]:
    return np.concatenate([piece.samples for piece in handle])


def test_survivors_sound_as_alone_whatever_happens_around_them(bark: Bark) -> None:
    """16 callers; a third of the requests are cancelled at some moment, and every tenth raises."""
    alone = {n: bark.say(ask(n).text, seed=n, options=SHORT) for n in range(12)}
    chance = random.Random(4)
    moments = {n: chance.randrange(1, 40) for n in range(0, 96, 3)}  # reports after which it is given up

    def caller(first: int, session: Session) -> list[tuple[int, Handle]]:
        handles = []
        for n in range(first, 96, 16):
            reports: list[Progress] = []

            def watch(progress: Progress, n: int = n, reports: list[Progress] = reports) -> None:
                reports.append(progress)
                if n % 10 == 4 and len(reports) == 5:
                    raise ZeroDivisionError("a listener's fault")
                if len(reports) >= moments.get(n, 1000) and n in holder:
                    holder[n].cancel()

            holder[n] = session.submit(ask(n % 12), on_progress=watch)
            handles.append((n, holder[n]))
        return handles

    holder: dict[int, Handle] = {}
    with bark.session(8) as session, ThreadPoolExecutor(16) as callers:
        found = [pair for group in callers.map(lambda i: caller(i, session), range(16)) for pair in group]
    ended: dict[str, int] = {"spoken": 0, "cancelled": 0, "failed": 0}
    for n, handle in found:
        try:
            assert same(handle.result(PATIENCE_S), alone[n % 12]), n
            ended["spoken"] += 1
        except CancelledError:
            assert n in moments
            ended["cancelled"] += 1
        except ZeroDivisionError:
            assert n % 10 == 4
            ended["failed"] += 1
    assert ended["failed"] >= 5
    assert ended["cancelled"] >= 1  # most of a third: some were done before
    assert ended["spoken"] >= 96 - 32 - 10
    assert session.n_at_work == session.n_waiting == 0


def test_two_threads_share_a_barks_engine_and_each_gets_its_own_sound(bark: Bark) -> None:
    alone = [bark.say(text, seed=3, options=SHORT) for text in TEXTS]
    before = threading.active_count()
    with ThreadPoolExecutor(6) as callers:
        spoken = list(callers.map(lambda text: bark.say(text, seed=3, options=SHORT), TEXTS * 3))
        assert threading.active_count() - before <= 6 + torch.get_num_threads()  # one engine, and its codec
    for n, speech in enumerate(spoken):
        assert same(speech, alone[n % len(TEXTS)])


@pytest.mark.parametrize("streaming", ["exact", "early"])
def test_a_handle_gives_pieces_as_they_come_and_all_at_last(bark: Bark, streaming: Any) -> None:
    whole = bark.say("hello bark", seed=5, options=LONG)
    with bark.session() as session:
        handle = session.submit(SpeechRequest(text="hello bark", seed=5, options=LONG, streaming=streaming))
        first = handle.next_piece(PATIENCE_S)
        assert first is not None
        assert 0 < len(first.samples) < len(whole.audio.samples)
        rest = samples_of(handle)
        assert handle.next_piece() is None
        speech = handle.result(PATIENCE_S)
    assert handle.done
    assert handle.progress is not None
    np.testing.assert_array_equal(np.concatenate([first.samples, rest]), speech.audio.samples)
    np.testing.assert_array_equal(speech.tokens.coarse, whole.tokens.coarse)
    if streaming == "exact":
        np.testing.assert_allclose(speech.audio.samples, whole.audio.samples, atol=1e-5)


def test_in_asyncio_pieces_and_results_are_awaited_while_the_loop_goes_on(bark: Bark) -> None:
    async def listen(session: Session, n: int) -> tuple[int, Speech]:
        handle = session.submit(ask(n, options=LONG, streaming="early"), caller=n)
        pieces = [piece async for piece in handle]
        return len(pieces), await handle

    async def all_of_them() -> tuple[list[tuple[int, Speech]], int]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        with bark.session() as session:
            clock = asyncio.create_task(tick())
            found = await asyncio.gather(*(listen(session, n) for n in range(4)))
            clock.cancel()
            with pytest.raises(VoiceError):
                await session.submit(ask(1, voice="nobody"))
        return list(found), ticks

    found, ticks = asyncio.run(all_of_them())
    assert ticks > 10
    for n, (count, speech) in enumerate(found):
        assert count == 2
        assert np.array_equal(speech.tokens.coarse, bark.say(ask(n).text, seed=n, options=LONG).tokens.coarse)


def test_a_slow_reader_is_held_and_the_others_are_not(bark: Bark) -> None:
    with bark.session(2) as session:
        slow = session.submit(ask(1, options=LONG, streaming="early"), ahead_s=0.01)
        assert slow.next_piece(PATIENCE_S) is not None  # then nobody reads
        others = [session.submit(ask(n)) for n in range(6)]
        for handle in others:
            handle.result(PATIENCE_S)
        assert not slow.done
        assert slow.next_piece(PATIENCE_S) is not None
        assert slow.result(PATIENCE_S).complete is False  # who asks for all is not held
    assert same(slow.result(), bark.stream(ask(1).text, seed=1, options=LONG).speech)


def test_a_new_listener_hears_something_before_the_bulk_is_done(bark: Bark) -> None:
    """Sixteen are at work; the listener's first piece takes little more than its own steps."""
    steps_of = {"bulk": 0, "listener": 0}

    def count(who: str, progress: Progress) -> None:
        steps_of[who] += 1

    with bark.session(16) as session:
        bulk = [
            session.submit(
                ask(n, options=LONG), caller="bulk", on_progress=lambda progress: count("bulk", progress)
            )
            for n in range(16)
        ]
        handle = session.submit(
            ask(3, options=LONG, streaming="early"),
            caller="me",
            on_progress=lambda progress: count("listener", progress),
        )
        assert handle.next_piece(PATIENCE_S) is not None
        assert not any(one.done for one in bulk)
        for one in bulk:
            one.result(PATIENCE_S)


def work(n: int, streaming: Any = "whole", caller: str = "a", ahead_s: float | None = None) -> Work:
    """Asked for at second n; `ahead_s` is what its listener has left to hear at second 100."""
    one = Work(Handle(ask(n, streaming=streaming), NOBODY, 30.0), caller, n, None, None, asked_at=n)
    if ahead_s is not None:
        one.sounded_at, one.sounded_s = 90.0, 10.0 + ahead_s
    return one


class Nobody:
    def wake(self) -> None: ...

    def cancel(self, handle: Handle) -> None: ...


NOBODY = Nobody()


def test_listeners_are_begun_first_and_callers_in_turn() -> None:
    bulk = [work(n, caller="many") for n in range(4)]
    other = work(9, caller="one")
    listener = work(7, "early", caller="many")
    assert admitted([*bulk, other, listener], [], 3) == [listener, other, bulk[0]]
    # a full batch has room for listeners, and for no more of them than that
    listeners = [work(n, "early") for n in range(URGENT + 2)]
    assert admitted([*bulk, *listeners], [work(20), work(21)], 2) == listeners[:URGENT]


def test_while_somebody_waits_for_a_sound_bulk_takes_part_in_some_steps() -> None:
    bulk, listener, heard = work(1), work(2, "early"), work(3, "early", ahead_s=5.0)
    steps = [held([bulk, listener, heard], n, 100.0, 4) for n in range(2 * URGENT)]
    assert steps.count(set()) == 2
    assert steps.count({bulk, heard}) == 2 * URGENT - 2
    assert held([bulk, heard], 1, 100.0, 4) == set()
    nearly_dry = work(4, "early", ahead_s=0.1)
    assert held([bulk, nearly_dry, heard], 1, 100.0, 4) == {bulk, heard}


def test_of_many_listeners_those_go_first_who_would_hear_a_gap_and_then_who_asked_first() -> None:
    dry, low = work(1, "early", ahead_s=-2.0), work(2, "early", ahead_s=0.5)
    early, late, rich = work(3, "early"), work(4, "early"), work(5, "early", ahead_s=5.0)
    crowd = [rich, late, low, early, dry]
    for step in range(2 * URGENT):
        assert held(crowd, step, 100.0, 3) == {late, rich}
        assert held(crowd, step, 100.0, 1) == set(crowd) - {dry}
    assert held([work(6), *crowd], 0, 100.0, 4) == {rich}


def test_more_than_may_wait_are_refused(bark: Bark) -> None:
    with bark.session(1, max_waiting=2) as session:
        first = session.submit(ask(1, options=LONG, streaming="early"), ahead_s=0.01)
        assert first.next_piece(PATIENCE_S) is not None
        waiting = []
        with pytest.raises(BusyError, match=r"2 requests are waiting, which is the limit; try again later"):
            waiting += [session.submit(ask(n, options=LONG)) for n in range(1000)]
        first.cancel()


def test_who_is_out_of_time_or_cancelled_is_told_so(bark: Bark) -> None:
    with bark.session(1) as session:
        late = session.submit(ask(1, options=LONG), timeout=0.0)
        with pytest.raises(CancelledError, match="longer than it was given"):
            late.result(PATIENCE_S)
        given_up = session.submit(ask(1, options=LONG, streaming="early"), ahead_s=0.0)
        given_up.cancel()
        with pytest.raises(CancelledError, match="it was cancelled"):
            next(given_up)
        with pytest.raises(TimeoutError):
            session.submit(ask(1, options=LONG, streaming="early"), ahead_s=0.0).next_piece(0.0)
        done = session.submit(ask(2))
        speech = done.result(PATIENCE_S)
        done.cancel()
        assert done.result() is speech
        session.close(cancel=True)
    with pytest.raises(OptionError, match="session is closed"):
        session.submit(ask(1))


def test_closing_finishes_what_was_asked_for_or_gives_it_up(bark: Bark) -> None:
    session = bark.session(1)
    handles = [session.submit(ask(n)) for n in range(3)]
    session.close()
    assert [handle.done for handle in handles] == [True] * 3
    session = bark.session(1)
    handles = [session.submit(ask(n, options=LONG)) for n in range(30)]
    session.close(cancel=True)
    assert all(handle.done for handle in handles)
    with pytest.raises(CancelledError):
        handles[-1].result()


def test_a_backend_that_fails_for_one_ends_that_one_alone(
    bark: Bark, monkeypatch: pytest.MonkeyPatch
) -> None:

    m = bark.model
    model = LoadedModel(m.name, m.folder, m.config, m.tokenizer, copy.copy(m.backend), m.device, m.precision)
    plain = model.backend.fine_logits
    marked = bark.say(ask(1).text, seed=1, options=SHORT).tokens.coarse

    def fail(requests: Any) -> Any:
        if any(np.array_equal(request.codes[:2, : marked.shape[1]], marked) for request in requests):
            raise RuntimeError("this one is too much")
        return plain(requests)

    monkeypatch.setattr(model.backend, "fine_logits", fail)
    with Session(model, 4) as session:
        handles = [session.submit(ask(n)) for n in range(4)]
        with pytest.raises(RuntimeError, match="too much"):
            handles[1].result(PATIENCE_S)
        for n in (0, 2, 3):
            assert same(handles[n].result(PATIENCE_S), bark.say(ask(n).text, seed=n, options=SHORT))


def test_a_long_text_streams_through_a_session_with_seams_as_in_a_file(bark: Bark) -> None:
    pieces = tuple(Piece(text=text, seed=n, pause_s=0.01) for n, text in enumerate(TEXTS))
    narration = Narration(pieces=pieces, options=SHORT)
    rate = bark.config.codec.sample_rate

    def laid(results: Any) -> np.ndarray[Any, Any]:
        timeline, heard = Timeline(narration, rate), []
        for piece, sound, ends in results:
            heard += timeline.lay(piece, sound, ends=ends)
        return np.concatenate([sound.samples for sound in heard])

    filed = laid((one.piece, one.result.audio, True) for one in narrate(bark, [narration]))
    with bark.session() as session:
        streamed = laid(
            (one.piece, one.sound, one.speech is not None) for one in session.narrate(narration, exact=True)
        )
    np.testing.assert_allclose(streamed, filed, atol=1e-5)


def test_a_bark_that_nobody_holds_ends_its_engine(tiny_model: Path) -> None:
    def engines() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "bark-engine"]

    gc.collect()
    before = set(engines())
    stream = Bark.load(tiny_model, device="cpu", precision="fp32").stream("hello", seed=1, options=LONG)
    gc.collect()
    assert len(list(stream)) == 2  # the stream holds it
    [engine] = set(engines()) - before
    del stream
    gc.collect()
    engine.join(PATIENCE_S)
    assert not engine.is_alive()


def test_an_engines_threads_are_its_own_and_fit_the_work() -> None:
    before, seen = torch.get_num_threads(), []

    def engine() -> None:
        threads = OwnThreads(NARROW // 2)
        for n_sequences in (1, 2, 1):
            threads.use(n_sequences)
            seen.append(torch.get_num_threads())

    torch.set_num_threads(2)
    try:
        for target in (engine, lambda: seen.append(torch.get_num_threads())):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
        assert seen == [1, 2, 1, 2]  # the last is a thread that began after it
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_errors_of_requests_are_told_through_their_handles(bark: Bark) -> None:
    with bark.session() as session:
        for request in (ask(1, voice="nobody"), ask(1, seed=-1), SpeechRequest(text=" ")):
            with pytest.raises(BarkError):
                session.submit(request).result(PATIENCE_S)
        with pytest.raises(OptionError, match="batch size 0"):
            bark.session(0)


def test_what_is_no_request_is_refused_and_the_session_goes_on(bark: Bark) -> None:
    with pytest.raises(OptionError, match=r"as SpeechRequest\(text=…\), not as str"):
        bark.say_all(["hello"])  # type: ignore[list-item]
    with bark.session() as session, pytest.raises(OptionError, match="not as str"):
        session.submit("hello")  # type: ignore[arg-type]
    with pytest.raises(BarkError, match="the text is to be a str, not bytes"):
        bark.say(b"hello")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match=r"options are SamplingOptions\(…\), not dict"):
        bark.say("hello", options={"temperature": 1.0})  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="whole number"):
        bark.say("hello", seed=1.5, options=SHORT)  # type: ignore[arg-type]
    assert bark.say("hello", seed=1, options=SHORT).seed == 1
