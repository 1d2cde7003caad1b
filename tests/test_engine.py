"""Engine and utterances: driven by a backend made up on the spot, then by the tiny networks."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from conftest import tiny_codec_tensors, tiny_networks, tiny_voice
from hypothesis import given, settings
from hypothesis import strategies as st

from bark_cli.backends import AudioStream, Backend, CausalStage
from bark_cli.backends.eager import EagerBackend
from bark_cli.checkpoint import Networks
from bark_cli.engine import Engine, Outcome, Share
from bark_cli.errors import BarkError, CancelledError, GenerationError, OptionError
from bark_cli.model.codec import Codec
from bark_cli.model.config import BarkConfig
from bark_cli.model.options import SamplingOptions, StageSampling
from bark_cli.model.tokens import BarkTokens, Logits, Samples, Tokens
from bark_cli.stages.progress import Listener, Progress
from bark_cli.stages.steps import Decode, FineWindow, Prefill
from bark_cli.stages.utterance import Spoken, Utterance, costs, speak

GREEDY = StageSampling(temperature=0.0)
ALL_GREEDY = SamplingOptions(semantic=GREEDY, coarse=GREEDY, fine=GREEDY)
TEXT = np.array([80, 90, 100])
STAGES = ["semantic", "coarse", "fine", "codec"]


class Counting:
    """A backend that favours the n-th legal id after n tokens; speech ends after as many as the text says."""

    side_by_side = 1

    def __init__(self, config: BarkConfig) -> None:
        self.config = config
        self.calls: list[tuple[str, int]] = []  # (what, how many at once)
        self.open: list[dict[str, Any]] = []

    def prefill(self, stage: CausalStage, request: Prefill) -> tuple[Any, Logits]:
        self.calls.append((f"prefill {stage}", 1))
        context = {"stage": stage, "seen": 0, "length": int(request.ids[0])}
        self.open.append(context)
        return context, self._answer(context, request.legal)

    def decode(self, stage: CausalStage, requests: Sequence[tuple[Any, Decode]]) -> list[Logits]:
        self.calls.append((f"decode {stage}", len(requests)))
        answers = []
        for context, request in requests:
            assert context["stage"] == stage
            assert any(context is other for other in self.open)
            context["seen"] += 1
            answers.append(self._answer(context, request.legal))
        return answers

    def release(self, context: Any) -> None:
        before = len(self.open)
        self.open = [other for other in self.open if other is not context]
        assert len(self.open) == before - 1

    def fine_logits(self, requests: Sequence[FineWindow]) -> list[Logits]:
        self.calls.append(("fine", len(requests)))
        size = self.config.fine.codebook_size
        return [
            np.eye(size, dtype=np.float32)[[request.codebook] * (request.codes.shape[1] - request.first)]
            for request in requests
        ]

    def decode_audio(self, codes: Tokens) -> Samples:
        self.calls.append(("codec", 1))
        return np.zeros(codes.shape[1] * self.config.codec.hop, np.float32)

    def audio_stream(self) -> AudioStream:
        raise AssertionError("nothing here is streamed")

    def fit_threads(self, n_sequences: int, n_callers: int = 1) -> None:
        pass

    def count(self, what: str) -> int:
        return sum(name == what for name, _ in self.calls)

    def _answer(self, context: dict[str, Any], legal: range) -> Logits:
        logits = np.zeros(len(legal), np.float32)
        favourite = context["seen"] % (len(legal) - 1)
        if context["stage"] == "semantic" and context["seen"] == context["length"]:
            favourite = len(legal) - 1
        logits[favourite] = 20.0
        return logits


def utterance(length: int = 10, index: int = 0, **options: Any) -> Utterance:
    """One that the Counting backend ends after `length` semantic tokens."""
    text_ids = np.array([length, 90, 100])
    return Utterance(
        **{"text_ids": text_ids, "voice": None, "seed": 1, "options": ALL_GREEDY, "index": index, **options}
    )


def run(
    backend: Backend,
    config: BarkConfig,
    utterances: Sequence[Utterance],
    batch_size: int = 1,
    listener: Listener | None = None,
) -> list[Outcome[Spoken]]:
    """The outcomes in the order in which they came."""
    jobs = (speak(utterance, config, listener) for utterance in utterances)
    return list(Engine[Spoken](backend, batch_size).run(jobs))


def spoken(outcome: Outcome[Spoken]) -> Spoken:
    assert isinstance(outcome.result, Spoken), outcome.result
    return outcome.result


def same(a: BarkTokens, b: BarkTokens) -> bool:
    return all(np.array_equal(getattr(a, stage), getattr(b, stage)) for stage in STAGES[:3])


# one utterance


def test_tokens_pass_from_stage_to_stage(tiny_config: BarkConfig) -> None:
    backend = Counting(tiny_config)
    [outcome] = run(backend, tiny_config, [utterance()])
    said = spoken(outcome)
    tokens = said.tokens
    assert tokens.semantic.tolist() == list(range(10))
    assert tokens.coarse.shape == (2, 15)
    # windows of 12 that the first sequence goes on with, up to 24 tokens of history
    assert tokens.coarse.T.reshape(-1).tolist() == list(range(30))
    assert np.array_equal(tokens.fine[:2], tokens.coarse)
    assert tokens.fine[2:].tolist() == [[codebook] * 15 for codebook in range(2, 8)]
    assert len(said.samples) == 15 * tiny_config.codec.hop
    reports = costs(tokens, outcome.seconds)
    assert {name: stage.tokens for name, stage in reports.items()} == {
        "semantic": 10,
        "coarse": 30,
        "fine": 90,
        "codec": 15,
    }
    assert all(stage.seconds > 0 for stage in reports.values())


def test_a_voice_is_continued_and_not_repeated(tiny_config: BarkConfig) -> None:
    voice = tiny_voice(tiny_config)
    [outcome] = run(Counting(tiny_config), tiny_config, [utterance(voice=voice)])
    assert spoken(outcome).tokens.semantic.tolist() == list(range(10))
    assert spoken(outcome).tokens.fine.shape == (8, 15)


def test_no_speech_at_all_says_to_try_another_seed(tiny_config: BarkConfig) -> None:
    [outcome] = run(Counting(tiny_config), tiny_config, [utterance(length=0)])
    assert isinstance(outcome.result, GenerationError)
    assert "nothing with seed 1; try another --seed" in str(outcome.result)


@pytest.mark.parametrize("batch_size", [1, 2])
def test_progress_counts_every_stage_from_nothing_to_all(tiny_config: BarkConfig, batch_size: int) -> None:
    told: list[Progress] = []
    utterances = [utterance(index=7), utterance(index=8)]
    run(Counting(tiny_config), tiny_config, utterances, batch_size, told.append)
    for index in (7, 8):
        seen = [progress for progress in told if progress.utterance == index]
        assert list(dict.fromkeys(progress.stage for progress in seen)) == STAGES
        for stage, total in {"semantic": 10, "coarse": 30, "fine": 6, "codec": 1}.items():
            of_stage = [progress for progress in seen if progress.stage == stage]
            assert of_stage[0].done == 0
            assert of_stage[-1].done == of_stage[-1].total == total
            done = [progress.done for progress in of_stage]
            assert done == sorted(done)
            assert len(set(done)) == total + 1
            assert of_stage[-1].audio_s == pytest.approx(0.2)  # 10 tokens at 50 Hz, 15 frames at 75 Hz


@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize("stage", STAGES)
def test_an_interrupt_passes_through_every_stage_and_gives_everything_back(
    tiny_config: BarkConfig, stage: str, batch_size: int
) -> None:
    """Ctrl-C raises between steps of a stage, whichever it is, and nothing swallows it."""

    def interrupt(progress: Progress) -> None:
        if progress.stage == stage and progress.done:
            raise KeyboardInterrupt

    backend = Counting(tiny_config)
    with pytest.raises(KeyboardInterrupt):
        run(backend, tiny_config, [utterance(n) for n in (10, 11, 12)], batch_size, interrupt)
    assert backend.open == []


# many utterances


@pytest.mark.parametrize("count", [2, 5])
def test_equal_utterances_share_every_step(tiny_config: BarkConfig, count: int) -> None:
    alone, together = Counting(tiny_config), Counting(tiny_config)
    run(alone, tiny_config, [utterance()])
    outcomes = run(together, tiny_config, [utterance(index=n) for n in range(count)], batch_size=count)
    assert len(outcomes) == count
    for what in ("decode semantic", "decode coarse", "fine"):
        assert together.count(what) == alone.count(what) > 0
        assert {many for name, many in together.calls if name == what} == {count}


class BeginningSeveral(Counting):
    """A backend to which three prompts at once are quickest."""

    prompts_at_once = 3

    def prefill_all(self, stage: CausalStage, requests: Sequence[Prefill]) -> list[tuple[Any, Logits]]:
        self.calls.append((f"prefills {stage}", len(requests)))
        if any(request.ids[0] == 13 for request in requests):
            raise MemoryError("thirteen is too much")
        return [self.prefill(stage, request) for request in requests]


def test_prompts_of_a_stage_are_begun_together_where_the_backend_can(tiny_config: BarkConfig) -> None:
    one_by_one, together = Counting(tiny_config), BeginningSeveral(tiny_config)
    utterances = [utterance(length) for length in (10, 4, 10, 20, 10)]
    expected = run(one_by_one, tiny_config, utterances, batch_size=5)
    found = run(together, tiny_config, utterances, batch_size=5)
    for one, other in zip(expected, found, strict=True):
        assert one.index == other.index
        assert same(spoken(one).tokens, spoken(other).tokens)
    begun = [many for name, many in together.calls if name == "prefills semantic"]
    assert begun == [3, 2]
    assert max(many for name, many in together.calls if name == "prefills coarse") == 3
    assert together.open == []


def test_a_prompt_that_fails_among_others_ends_alone(tiny_config: BarkConfig) -> None:
    backend = BeginningSeveral(tiny_config)
    engine = Engine[Spoken](backend, 3)
    slots = [engine.begin(speak(utterance(length), tiny_config)) for length in (10, 13, 11)]
    while engine.slots:
        engine.step()
    assert [type(slot.result) for slot in slots] == [Spoken, MemoryError, Spoken]
    assert backend.open == []


def test_a_slot_is_filled_again_while_the_others_run(tiny_config: BarkConfig) -> None:
    """Two slots: the short ones pass through the second while the long one keeps the first."""
    backend = Counting(tiny_config)
    lengths = [36, 3, 3, 3, 3]
    outcomes = run(backend, tiny_config, [utterance(n) for n in lengths], batch_size=2)
    assert [outcome.index for outcome in outcomes] == [1, 2, 3, 4, 0]
    said = {outcome.index: len(spoken(outcome).tokens.semantic) for outcome in outcomes}
    assert said == dict(enumerate(lengths))
    assert max(many for _, many in backend.calls) == 2
    one_by_one = Counting(tiny_config)
    run(one_by_one, tiny_config, [utterance(n) for n in lengths])
    for what in ("decode semantic", "decode coarse"):
        shared = sum(many == 2 for name, many in backend.calls if name == what)
        assert shared
        assert backend.count(what) == one_by_one.count(what) - shared


def test_jobs_are_taken_one_by_one_as_there_is_room(tiny_config: BarkConfig) -> None:
    taken: list[int] = []

    def arriving() -> Iterator[Any]:
        for length in (5, 5, 5):
            taken.append(length)
            yield speak(utterance(length), tiny_config)

    outcomes = Engine[Spoken](Counting(tiny_config), 2).run(arriving())
    assert taken == []
    next(outcomes)
    assert len(taken) == 2
    assert len(list(outcomes)) == 2
    assert len(taken) == 3


def test_an_error_ends_one_and_leaves_the_others(tiny_config: BarkConfig) -> None:
    backend = Counting(tiny_config)
    outcomes = run(backend, tiny_config, [utterance(n) for n in (10, 0, 12)], batch_size=3)
    kinds = {outcome.index: type(outcome.result) for outcome in outcomes}
    assert kinds == {0: Spoken, 1: GenerationError, 2: Spoken}
    assert backend.open == []


def test_what_was_shared_is_paid_by_each_in_equal_parts(tiny_config: BarkConfig) -> None:
    outcomes = run(Counting(tiny_config), tiny_config, [utterance() for _ in range(4)], batch_size=4)
    for stage in ("fine",):  # its steps are shared by all four, from the first to the last
        assert len({round(outcome.seconds[stage], 12) for outcome in outcomes}) == 1
    assert all(set(outcome.seconds) == set(STAGES) for outcome in outcomes)


def test_codes_are_decoded_once_whoever_else_is_still_there(tiny_config: BarkConfig) -> None:
    """The last of two is alone by the time its codes are decoded, or was it before: no piece comes twice."""

    class Slow(Counting):
        def decode_audio(self, codes: Tokens) -> Samples:
            time.sleep(0.05 * codes.shape[1] / 15)
            return super().decode_audio(codes)

    backend = Slow(tiny_config)
    outcomes = run(backend, tiny_config, [utterance(10), utterance(11)], batch_size=2)
    assert len(outcomes) == 2
    assert backend.count("codec") == 2


def answered(engine: Engine[Spoken], share: Share[Spoken]) -> None:
    engine.work(share)
    engine.hand_back(share)


def test_beside_another_thread_each_takes_its_part_of_the_tokens_and_one_of_all_else(
    tiny_config: BarkConfig,
) -> None:
    backend = Counting(tiny_config)
    engine = Engine[Spoken](backend, 5)
    for _ in range(5):
        engine.begin(speak(utterance(), tiny_config))
    for _ in range(5):
        share = engine.take(2)
        assert share is not None
        assert len(share.slots) == 1  # a prompt
        answered(engine, share)
    first, second = engine.take(2), engine.take(2)
    assert first is not None
    assert second is not None
    assert (len(first.slots), len(second.slots)) == (3, 2)
    assert engine.take(2) is None  # all are being answered
    engine.hand_back(second)  # nobody has worked on it
    assert [type(slot.result) for slot in engine.retire()] == [CancelledError] * 2
    answered(engine, first)
    over = 0
    while engine.slots:
        shares = [share for share in (engine.take(2), engine.take(2)) if share is not None]
        assert max(len(share.slots) for share in shares) <= 2
        for share in shares:
            answered(engine, share)
        over += sum(isinstance(slot.result, Spoken) for slot in engine.retire())
    assert over == 3
    assert backend.open == []


def test_who_is_dropped_while_somebody_works_for_it_gives_back_what_it_holds_afterwards(
    tiny_config: BarkConfig,
) -> None:
    backend = Counting(tiny_config)
    engine = Engine[Spoken](backend, 2)
    dropped, other = (engine.begin(speak(utterance(), tiny_config)) for _ in range(2))
    while (share := engine.take()) is not None and len(share.slots) == 1:
        answered(engine, share)
    assert share is not None
    engine.drop(dropped)
    assert engine.slots == [other]
    assert len(backend.open) == 2  # it is in use
    answered(engine, share)
    assert len(backend.open) == 1
    assert dropped.result is None
    while not engine.step():
        pass
    assert isinstance(other.result, Spoken)
    assert backend.open == []


def test_a_batch_of_nothing_is_refused(tiny_config: BarkConfig) -> None:
    with pytest.raises(OptionError, match="batch size 0 must be at least 1"):
        Engine[Spoken](Counting(tiny_config), 0)


# the tiny networks


@pytest.fixture(scope="module")
def eager(tiny_config: BarkConfig) -> EagerBackend:
    semantic, coarse, fine = tiny_networks(tiny_config)
    tensors = {
        name.removeprefix("codec."): tensor for name, tensor in tiny_codec_tensors(tiny_config.codec).items()
    }
    codec = Codec.from_tensors(tiny_config.codec, tensors)
    networks = Networks(semantic=semantic, coarse=coarse, fine=fine, codec=codec)
    return EagerBackend(networks, torch.device("cpu"))


class Watched:
    """A backend that counts the prefills of another, and what is given back."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.opened: list[CausalStage] = []
        self.released = 0

    def prefill(self, stage: CausalStage, request: Prefill) -> tuple[Any, Logits]:
        self.opened.append(stage)
        return self.backend.prefill(stage, request)

    def release(self, context: Any) -> None:
        self.released += 1
        self.backend.release(context)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)


def mixed(config: BarkConfig, seed: int, count: int) -> list[Utterance]:
    """Utterances of all lengths, with and without voices, of different options."""
    dice = random.Random(seed)
    made = []
    for index in range(count):
        options = SamplingOptions(
            min_eos_p=dice.choice([None, 0.2]),
            max_duration_s=dice.choice([None, 0.1, 0.4]),
            may_end=dice.random() < 0.5,
        )
        voice = tiny_voice(config, frames=dice.choice([12, 45]), seed=seed) if dice.random() < 0.5 else None
        text = np.array([dice.randrange(72, 190) for _ in range(dice.randint(1, 20))])
        made.append(
            Utterance(text_ids=text, voice=voice, seed=dice.randrange(5), options=options, index=index)
        )
    return made


def results(outcomes: list[Outcome[Spoken]]) -> dict[int, Any]:
    return {
        outcome.index: str(outcome.result) if isinstance(outcome.result, BarkError) else outcome.result
        for outcome in outcomes
    }


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10_000), batch_size=st.integers(2, 8))
def test_batched_equals_single_whatever_the_mix(
    tiny_config: BarkConfig, eager: EagerBackend, seed: int, batch_size: int
) -> None:
    utterances = mixed(tiny_config, seed, count=6)
    watched = Watched(eager)
    together = results(run(watched, tiny_config, utterances, batch_size))
    assert watched.released == len(watched.opened)
    assert sorted(together) == list(range(6))
    for index, one in enumerate(utterances):
        [alone] = results(run(eager, tiny_config, [one])).values()
        if isinstance(alone, str):
            assert together[index] == alone
        else:
            assert same(together[index].tokens, alone.tokens)
            # torch may add in another order for more at once, and tells by the CPU and its threads whether
            np.testing.assert_allclose(together[index].samples, alone.samples, rtol=1e-4, atol=1e-5)


def test_a_window_that_goes_on_where_the_last_one_ended_needs_no_prefill(
    tiny_config: BarkConfig, eager: EagerBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """24 semantic tokens: 72 codes in 6 windows of 12, whose history of 24 slides from the fourth on."""
    options = SamplingOptions(may_end=False, max_duration_s=0.47)
    one = Utterance(text_ids=TEXT, voice=None, seed=3, options=options)
    watched, forgetful = Watched(eager), Watched(eager)
    [reused] = run(watched, tiny_config, [one])
    assert len(spoken(reused).tokens.semantic) == 24
    assert watched.opened == ["semantic", "coarse", "coarse", "coarse", "coarse"]
    monkeypatch.setattr("bark_cli.stages.coarse.opens", lambda history, step, *_: step % 12 == 0)
    [opened] = run(forgetful, tiny_config, [one])
    assert forgetful.opened == ["semantic", *["coarse"] * 6]
    assert same(spoken(reused).tokens, spoken(opened).tokens)


def test_speech_that_may_not_end_is_exactly_as_long_as_its_limit(
    tiny_config: BarkConfig, eager: EagerBackend
) -> None:
    for limit, expected in ((None, 40), (0.3, 16)):
        options = SamplingOptions(may_end=False, max_duration_s=limit, min_eos_p=0.0)
        for seed in range(3):
            one = Utterance(text_ids=TEXT, voice=None, seed=seed, options=options)
            [outcome] = run(eager, tiny_config, [one])
            tokens = spoken(outcome).tokens.semantic
            assert len(tokens) == expected
            assert tokens.max() < tiny_config.semantic.vocab_size
