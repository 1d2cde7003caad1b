"""The stages are pure: a backend made up on the spot drives them, no network and no device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from conftest import tiny_voice
from torch import Tensor

from bark_cli.backends import Backend, CausalStage
from bark_cli.engine import Progress, Utterance
from bark_cli.errors import GenerationError
from bark_cli.steps import Decode, FineWindow, Prefill
from bark_cli.tokens import BarkConfig, SamplingOptions, StageSampling, Tokens

GREEDY = StageSampling(temperature=0.0)
TEXT = np.array([80, 90, 100])


class Counting:
    """A backend that favours the n-th legal id after n tokens, and ends speech after `length`."""

    def __init__(self, config: BarkConfig, length: int = 10) -> None:
        self.config, self.length = config, length
        self.opened: list[CausalStage] = []

    def prefill(self, stage: CausalStage, request: Prefill) -> tuple[Any, Tensor]:
        self.opened.append(stage)
        context = {"stage": stage, "seen": 0}
        return context, self._answer(context, request.legal)

    def decode(self, stage: CausalStage, requests: Sequence[tuple[Any, Decode]]) -> list[Tensor]:
        answers = []
        for context, request in requests:
            assert context["stage"] == stage
            context["seen"] += 1
            answers.append(self._answer(context, request.legal))
        return answers

    def fine_logits(self, requests: Sequence[FineWindow]) -> list[Tensor]:
        size = self.config.fine.codebook_size
        return [
            torch.nn.functional.one_hot(torch.full((request.codes.shape[1],), request.codebook), size).float()
            for request in requests
        ]

    def decode_audio(self, codes: Tokens) -> Tensor:
        return torch.zeros(codes.shape[1] * self.config.codec.hop)

    def _answer(self, context: dict[str, Any], legal: range) -> Tensor:
        logits = torch.zeros(len(legal))
        favourite = context["seen"] % (len(legal) - 1)
        if context["stage"] == "semantic" and context["seen"] == self.length:
            favourite = len(legal) - 1
        logits[favourite] = 20.0
        return logits


def utterance(config: BarkConfig, backend: Backend, **options: Any) -> Utterance:
    greedy = SamplingOptions(semantic=GREEDY, coarse=GREEDY, fine=GREEDY)
    return Utterance(
        **{"config": config, "backend": backend, "voice": None, "seed": 1, "options": greedy, **options}
    )


def test_tokens_pass_from_stage_to_stage(tiny_config: BarkConfig) -> None:
    backend = Counting(tiny_config)
    spoken = utterance(tiny_config, backend)
    tokens = spoken.tokens(TEXT)
    assert tokens.semantic.tolist() == list(range(10))
    assert tokens.coarse.shape == (2, 15)
    assert tokens.coarse.T.reshape(-1).tolist() == [*range(12), *range(12), *range(6)]  # windows of 12
    assert np.array_equal(tokens.fine[:2], tokens.coarse)
    assert tokens.fine[2:].tolist() == [[codebook] * 15 for codebook in range(2, 8)]
    assert backend.opened == ["semantic", "coarse", "coarse", "coarse"]
    assert len(spoken.sound(tokens.fine).samples) == 15 * tiny_config.codec.hop
    assert {name: stage.tokens for name, stage in spoken.stages.items()} == {
        "semantic": 10,
        "coarse": 30,
        "fine": 90,
        "codec": 15,
    }


def test_a_voice_is_continued_and_not_repeated(tiny_config: BarkConfig) -> None:
    voice = tiny_voice(tiny_config)
    tokens = utterance(tiny_config, Counting(tiny_config), voice=voice).tokens(TEXT)
    assert tokens.semantic.tolist() == list(range(10))
    assert tokens.fine.shape == (8, 15)


def test_no_speech_at_all_says_to_try_another_seed(tiny_config: BarkConfig) -> None:
    with pytest.raises(GenerationError, match="nothing with seed 1; try another --seed"):
        utterance(tiny_config, Counting(tiny_config, length=0)).tokens(TEXT)


def test_progress_counts_every_stage_from_nothing_to_all(tiny_config: BarkConfig) -> None:
    seen: list[Progress] = []
    spoken = utterance(tiny_config, Counting(tiny_config), on_progress=seen.append)
    spoken.sound(spoken.tokens(TEXT).fine)
    assert list(dict.fromkeys(progress.stage for progress in seen)) == ["semantic", "coarse", "fine", "codec"]
    for stage, total in {"semantic": 10, "coarse": 30, "fine": 6, "codec": 1}.items():
        of_stage = [progress for progress in seen if progress.stage == stage]
        assert of_stage[0].done == 0
        assert of_stage[-1].done == of_stage[-1].total == total
        done = [progress.done for progress in of_stage]
        assert done == sorted(done)
        assert len(set(done)) == total + 1
        assert of_stage[-1].audio_s == pytest.approx(0.2)  # 10 tokens at 50 Hz, 15 frames at 75 Hz


@pytest.mark.parametrize("stage", ["semantic", "coarse", "fine", "codec"])
def test_an_interrupt_passes_through_every_stage_at_once(tiny_config: BarkConfig, stage: str) -> None:
    """Ctrl-C raises between steps of a stage, whichever it is, and nothing swallows it."""

    def interrupt(progress: Progress) -> None:
        if progress.stage == stage:
            raise KeyboardInterrupt

    spoken = utterance(tiny_config, Counting(tiny_config), on_progress=interrupt)
    with pytest.raises(KeyboardInterrupt):
        spoken.sound(spoken.tokens(TEXT).fine)
    assert stage not in spoken.stages


def test_two_utterances_interleaved_step_by_step_equal_each_alone(tiny_config: BarkConfig) -> None:
    """What continuous batching will rest on: a stage holds all its state, random numbers included."""
    from bark_cli import semantic
    from bark_cli.sampling import random_stream

    options = SamplingOptions(min_eos_p=None)
    random = torch.Generator().manual_seed(0)
    answers = torch.randn(2, 40, tiny_config.semantic.vocab_size + 1, generator=random)
    answers[:, :, -1] = -30.0

    def begin(seed: int) -> Any:
        return semantic.steps(TEXT, None, tiny_config.semantic, options, random_stream(seed, "semantic"))

    def alone(which: int) -> list[int]:
        steps = begin(which)
        next(steps)
        return [steps.send(answer).token for answer in answers[which, :20]]

    together = [begin(0), begin(1)]
    for steps in together:
        next(steps)
    mixed: list[list[int]] = [[], []]
    for n in range(20):
        for which, steps in enumerate(together):
            mixed[which].append(steps.send(answers[which, n]).token)
    assert mixed == [alone(0), alone(1)]
