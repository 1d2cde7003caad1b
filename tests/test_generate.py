"""Tokens that the kernel draws, many steps in a call, against those that the stages draw one by one."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from bark_cli.backends import generate as generation
from bark_cli.backends import kernel
from bark_cli.backends.buffers import Array
from bark_cli.backends.generate import Going
from bark_cli.backends.int8 import Int8FineGPT, Int8GPT, Weights
from bark_cli.model.config import GPTConfig, ReadingConfig
from bark_cli.model.int8 import Int8Matrix
from bark_cli.model.networks import GPT
from bark_cli.model.options import StageSampling
from bark_cli.stages.monotonic import Reader
from bark_cli.stages.sampling import RandomStream, draw, probabilities
from bark_cli.stages.steps import Ahead, Drawing, Drawn, DrawnCodes, FineWindow

pytestmark = pytest.mark.skipif(kernel.compiled() is None, reason="no C compiler was there at installation")
CONFIG = GPTConfig(input_vocab_size=90, output_vocab_size=90, block_size=400, n_layer=1, n_head=2, n_embd=64)
EVERY = (range(3, 80),)
TURNS = (range(10, 40), range(40, 70))


@pytest.fixture(scope="module", params=["int8", "float32"])
def network(request: pytest.FixtureRequest) -> Int8GPT:
    """With a table stored in each of the ways that the kernel reads."""
    generator = np.random.default_rng(4)
    state, scales = {}, {}
    for name, tensor in GPT(CONFIG).named_parameters():
        drawn = generator.standard_normal(tuple(tensor.shape), np.float32) * 0.3 + np.float32("ln" in name)
        is_table = name == "wte.weight"
        if tensor.ndim == 2 and name != "wpe.weight" and not (is_table and request.param != "int8"):
            matrix = Int8Matrix.of(drawn)
            state[name], scales[name] = matrix.values, matrix.scale
        else:
            state[name] = drawn
    return Int8GPT(CONFIG, Weights(state, scales))


def ahead(seed: int, steps: int, legal: tuple[range, ...] = EVERY, **others: float | bool) -> Ahead:
    temperature = float(others.pop("temperature", 0.8))
    return Ahead(
        steps=steps,
        legal=legal,
        sampling=StageSampling(temperature=temperature),
        stream=RandomStream(seed),
        **others,  # type: ignore[arg-type]
    )


def opened(network: Int8GPT, seed: int = 0) -> Array:
    """A cache with ten ids in it."""
    cache = network.new_cache()
    network.prompts([(np.random.default_rng(seed).integers(0, 90, 10), None, cache)])
    return cache


def run(network: Int8GPT, cache: Array, plan: Ahead) -> list[int]:
    """Tokens until the plan's end, however many a call draws."""
    made: list[int] = [5]
    while len(made) <= plan.steps:
        turn = (len(made) - 1) % len(plan.legal)
        legal = plan.legal[turn:] + plan.legal[:turn]
        rest = Ahead(plan.steps + 1 - len(made), legal, plan.sampling, plan.stream)
        made += drawn(network, Going(cache, 9 + len(made), made[-1], rest))
    return made[1:]


def drawn(network: Int8GPT, going: Going) -> list[int]:
    """What one sequence draws in one call."""
    [answer] = network.tokens([going])
    assert isinstance(answer, Drawn)
    tokens: list[int] = answer.tokens.tolist()
    return tokens


FILTERS = [(None, None), (5, None), (None, 0.6), (12, 0.8), (1000, 1.0), (1, 0.001)]


@pytest.mark.parametrize(("top_k", "top_p"), FILTERS)
@pytest.mark.parametrize("legal", [EVERY, TURNS])
def test_what_is_drawn_is_what_the_stages_draw(
    legal: tuple[range, ...], top_k: int | None, top_p: float | None, network: Int8GPT
) -> None:
    """From the same numbers; where two ids arrive together but for the last bit, either may be first."""
    cache, one_by_one = opened(network), opened(network)
    plan, stream = ahead(1, 300, legal), RandomStream(1)
    plan = replace(plan, sampling=replace(plan.sampling, top_k=top_k, top_p=top_p))
    tokens = run(network, cache, plan)
    agreed = 0
    for step, (before, token) in enumerate(zip([5, *tokens], tokens, strict=False)):
        hidden = network.step(np.array([before]), [one_by_one], [10 + step])
        ids = legal[step % len(legal)]
        logits = network.logits(hidden, ids)[0]
        agreed += ids.start + int(draw(probabilities(logits, plan.sampling), stream)) == token
    assert agreed >= 298
    assert top_k == 1 or len(set(tokens)) > 20  # it is no one id that is drawn all the time


@pytest.mark.parametrize("legal", [EVERY, TURNS])
def test_how_many_are_drawn_at_once_changes_nothing(
    legal: tuple[range, ...], network: Int8GPT, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for steps in (1, 3, 16):
        monkeypatch.setattr(generation, "SHORT_STEPS", steps)
        found.append(run(network, opened(network), ahead(2, 50, legal)))
    assert found[0] == found[1] == found[2]


def test_who_else_draws_changes_nothing(network: Int8GPT) -> None:
    """Rows of other lengths, turns and temperatures, some of which are done before the others."""

    def rows() -> list[Going]:
        plans = [
            ahead(i, 1 + i % 9, (TURNS[i % 2], TURNS[1 - i % 2]), temperature=i % 3 / 2) for i in range(20)
        ]
        for i in range(2, 20, 5):
            plans[i] = replace(plans[i], sampling=replace(plans[i].sampling, top_k=4, top_p=0.9))
        return [Going(opened(network, i), 10, 20 + i, plan) for i, plan in enumerate(plans)]

    together = network.tokens(rows())
    for one, expected in zip(rows(), together, strict=True):
        assert isinstance(expected, Drawn)
        assert drawn(network, one) == expected.tokens.tolist()


def test_temperature_nought_takes_the_likeliest(network: Int8GPT) -> None:
    tokens = drawn(network, Going(opened(network), 10, 5, ahead(1, 1, temperature=0.0)))
    logits = network.logits(network.step(np.array([5]), [opened(network)], [10]), EVERY[0])[0]
    assert tokens == [EVERY[0].start + int(logits.argmax())]


def test_an_end_that_is_likely_enough_is_the_last_token(network: Int8GPT) -> None:
    for least, count in ((0.0, 1), (None, 8)):
        plan = Ahead(8, EVERY, StageSampling(temperature=0.5), RandomStream(3), True, least)
        tokens = drawn(network, Going(opened(network), 10, 5, plan))
        assert len(tokens) <= count
        if least is not None:
            assert tokens == [EVERY[0][-1]]


def test_what_is_not_a_number_is_the_answer(network: Int8GPT) -> None:
    cache = opened(network)
    cache[:, :, 0, :20] = 0xFF  # NaN: what steps of the first keys are worth
    sound = Going(opened(network), 10, 5, ahead(1, 4))
    broken, whole = network.tokens([Going(cache, 10, 5, ahead(1, 4)), sound])
    assert not isinstance(broken, Drawn)
    assert np.isnan(broken).all()
    assert isinstance(whole, Drawn)
    assert whole.tokens.tolist() == drawn(network, Going(opened(network), 10, 5, ahead(1, 4)))


def test_arrivals_are_those_of_the_uniform_numbers() -> None:
    """By way of a network whose head is nought: every id is as likely, so the first to arrive is drawn."""
    state = {name: np.zeros(t.shape, np.float32) for name, t in GPT(CONFIG).named_parameters()}
    scales = {n: np.ones(len(t), np.float32) for n, t in state.items() if t.ndim == 2 and n != "wpe.weight"}
    even = Int8GPT(
        CONFIG, Weights({n: t.astype(np.int8) if n in scales else t for n, t in state.items()}, scales)
    )
    plan = ahead(9, 8)
    tokens = drawn(even, Going(even.new_cache(), 0, 5, plan))
    assert tokens == (RandomStream(9).uniform(8, 77).argmin(axis=1) + 3).tolist()


@pytest.mark.parametrize("temperature", [0.0, 0.8])
@pytest.mark.parametrize(("top_k", "top_p"), FILTERS)
def test_codes_that_are_drawn_are_those_that_the_stage_draws(
    temperature: float, top_k: int | None, top_p: float | None, network: Int8GPT
) -> None:
    logits = np.random.default_rng(5).standard_normal((400, 90), np.float32) * 3
    logits[:, 20:30] = logits[:, 10:20]  # ties, of which filters keep what sorting keeps
    sampling = StageSampling(temperature=temperature, top_k=top_k, top_p=top_p)
    expected = draw(probabilities(logits[:, :77], sampling), RandomStream(3))
    found = network._stack.draw(logits.copy(), 77, sampling, RandomStream(3))
    # where two arrive together but for the last bit, either may be first
    assert (found == expected).sum() >= 399
    logits[7, 5] = np.nan
    found = network._stack.draw(logits, 77, sampling, RandomStream(3))
    assert np.flatnonzero(found < 0).tolist() == [7]


def test_a_window_is_answered_with_codes_if_it_says_how_they_are_drawn(network: Int8GPT) -> None:
    fine = Int8FineGPT.__new__(Int8FineGPT)
    fine._stack = network._stack
    made = np.random.default_rng(6).standard_normal((9, 90), np.float32)
    drawing = Drawing(80, StageSampling(temperature=0.0), RandomStream(1))
    window = FineWindow(1, np.zeros((2, 9), np.int64), 0, drawing)
    for sampling in (drawing.sampling, StageSampling(temperature=0.5, top_k=1)):
        answer = fine._drawn(replace(window, drawing=replace(drawing, sampling=sampling)), made.copy())
        assert isinstance(answer, DrawnCodes)
        assert answer.codes.tolist() == made[:, :80].argmax(axis=1).tolist()
    assert np.array_equal(fine._drawn(replace(window, drawing=None), made), made)  # type: ignore[arg-type]
    made[3, 3] = np.nan
    broken = fine._drawn(window, made.copy())
    assert not isinstance(broken, DrawnCodes)
    assert np.isnan(broken).all()


RULES = ReadingConfig(cycle=4, n_placed=60, reach=2)


def reader() -> Reader:
    return Reader(np.arange(2000), RULES, 80)


def test_what_a_reader_allows_is_drawn_and_what_comes_after_a_return_is_drawn_anew(
    network: Int8GPT, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against the stage, which asks the reader before each token; as if nothing had been drawn in vain."""
    monkeypatch.setattr(generation, "SHORT_STEPS", 50)
    plan = replace(ahead(1, 300, (range(80),), temperature=0.3), reader=reader())
    cache, made, calls, places = opened(network), [5], 0, [0]
    while len(made) <= 300:
        rest = replace(plan, steps=301 - len(made))
        new = drawn(network, Going(cache, 9 + len(made), made[-1], rest))
        calls += 1
        for token in new:
            plan.reader.heard([token], is_over=False)  # type: ignore[union-attr]
            places.append(plan.reader.place.at)  # type: ignore[union-attr]
        made += new
    returns = sum(after < before for before, after in pairwise(places))
    assert returns > 0
    assert calls > 300 / 50  # a return has cut one short
    alone, one_by_one, stream, agreed = reader(), opened(network), RandomStream(1), 0
    for step, (before, token) in enumerate(pairwise(made)):
        hidden = network.step(np.array([before]), [one_by_one], [10 + step])
        allowed = alone.allowed(network.logits(hidden, range(80))[0])
        assert np.isfinite(allowed[token])
        agreed += int(draw(probabilities(allowed, plan.sampling), stream)) == token
        alone.heard([token], is_over=False)
    assert agreed >= 298  # where two ids arrive together but for the last bit, either may be first
