from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bark_cli.model.config import BarkConfig, SemanticConfig
from bark_cli.model.options import SamplingOptions, StageSampling
from bark_cli.model.tokens import Logits, Tokens
from bark_cli.stages import semantic
from bark_cli.stages.sampling import random_stream
from bark_cli.stages.steps import Decode, Prefill

GREEDY = SamplingOptions(semantic=StageSampling(temperature=0.0), min_eos_p=None)


@pytest.fixture
def config(tiny_config: BarkConfig) -> SemanticConfig:
    return tiny_config.semantic


def likes(token: int, config: SemanticConfig, probability: float = 0.999) -> Logits:
    """Logits (vocab_size + 1,) that give one id this probability and share the rest."""
    rest = (1 - probability) / config.vocab_size
    p = np.full(config.vocab_size + 1, rest, np.float32)
    p[token] = probability
    return np.log(p)


def spoken(
    answers: list[Logits], config: SemanticConfig, options: SamplingOptions
) -> tuple[Tokens, list[int]]:
    """What the stage makes of made-up logits, and the tokens that it asked to append."""
    steps = semantic.steps(np.array([80, 81]), None, config, options, random_stream(0, "semantic"))
    request, appended = next(steps), []
    assert isinstance(request, Prefill)
    for answer in answers:
        try:
            request = steps.send(answer)
        except StopIteration as end:
            return end.value, appended
        assert isinstance(request, Decode)
        assert request.legal == range(config.vocab_size + 1)
        appended.append(request.token)
    raise AssertionError("the stage wants more logits than expected")


def test_the_prompt_lays_padded_history_over_padded_text(config: SemanticConfig) -> None:
    request = semantic.prompt(np.array([80, 81]), np.array([5, 6, 7]), config)
    assert request.merged is not None
    assert request.ids.tolist() == [80, 81] + [config.text_pad_token] * 30 + [config.infer_token]
    assert request.merged.tolist() == [5, 6, 7] + [config.pad_token] * 29


def test_without_a_voice_the_history_is_padding(config: SemanticConfig) -> None:
    request = semantic.prompt(np.array([80]), None, config)
    assert request.merged is not None
    assert request.merged.tolist() == [config.pad_token] * config.max_history_tokens


def test_only_the_end_of_a_long_history_is_kept(config: SemanticConfig) -> None:
    request = semantic.prompt(np.arange(80, 112), np.arange(50), config)
    assert request.merged is not None
    assert request.merged.tolist() == list(range(18, 50))
    assert len(request.ids) == config.max_text_tokens + 1


def test_speech_ends_when_its_end_is_drawn(config: SemanticConfig) -> None:
    answers = [likes(token, config) for token in (3, 9, config.pad_token)]
    tokens, appended = spoken(answers, config, GREEDY)
    assert tokens.tolist() == [3, 9] == appended
    assert tokens.dtype == np.int64


def test_speech_may_end_before_it_began(config: SemanticConfig) -> None:
    tokens, _ = spoken([likes(config.pad_token, config)], config, GREEDY)
    assert tokens.tolist() == []


def test_speech_stops_when_no_more_fits(config: SemanticConfig) -> None:
    config = dataclasses.replace(config, max_new_tokens=3)
    tokens, appended = spoken([likes(7, config)] * 3, config, GREEDY)
    assert tokens.tolist() == [7, 7, 7]
    assert appended == [7, 7]  # the last token needs no answer


def one_end(config: SemanticConfig, options: SamplingOptions, end_p: float) -> int:
    """The token drawn where token 1 has probability 1 - end_p and the end has the rest."""
    logits = np.full(config.vocab_size + 1, -np.inf, np.float32)
    with np.errstate(divide="ignore"):
        logits[1], logits[config.pad_token] = np.log([1 - end_p, end_p])
    return semantic.next_token(logits, config, options, random_stream(3, "semantic"))


def test_speech_ends_as_soon_as_its_end_is_likely_enough(config: SemanticConfig) -> None:
    def ends(end_p: float, min_eos_p: float | None, **sampling: float) -> bool:
        stage = StageSampling(**{"temperature": 1.0, **sampling})  # type: ignore[arg-type]
        token = one_end(config, SamplingOptions(semantic=stage, min_eos_p=min_eos_p), end_p)
        return token == config.pad_token

    assert ends(0.25, 0.25)  # at the threshold, not only above it
    assert not ends(0.25, 0.26)
    assert not ends(0.25, None)
    assert ends(0.0, 0.0)
    assert not ends(0.25, 0.2, temperature=0.5)  # measured after the temperature: 0.1
    assert not ends(0.25, 0.2, top_k=1)  # and after the filters, which may switch it off
    assert not ends(0.25, 0.2, top_p=0.5)
    assert not ends(0.25, 0.2, temperature=0.0)
    assert ends(0.6, 0.2, temperature=0.0)


@pytest.mark.parametrize(
    ("seconds", "tokens"),
    [
        (None, 768),
        (0.001, 1),  # checked after a token is appended, so one is always made
        (0.02, 1),
        (0.021, 2),
        (1.0, 50),
        (10.0, 499),  # 499 / 49.9 is 10.0, but 499 steps of 1 / 49.9 add up to a hair more
        (99.0, 768),
    ],
)
def test_longest_speech_is_the_first_count_past_the_duration(seconds: float | None, tokens: int) -> None:
    from golden.recipe import narrow_config

    config = narrow_config().semantic
    total, expected = 0.0, 768
    for n in range(1, 769):
        total += 1 / 49.9
        if seconds is not None and total > seconds:
            expected = n
            break
    assert semantic.longest(config, seconds) == expected == tokens
