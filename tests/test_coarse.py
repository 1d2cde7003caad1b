from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from golden.recipe import narrow_config
from hypothesis import given, settings
from hypothesis import strategies as st

from bark_cli.model.config import BarkConfig, CoarseConfig
from bark_cli.model.options import StageSampling
from bark_cli.model.tokens import BarkTokens, Tokens
from bark_cli.stages import coarse
from bark_cli.stages.sampling import random_stream
from bark_cli.stages.steps import Decode, Growing, Prefill, Wait

SUNO = narrow_config().coarse
SUNO_HZ = narrow_config().semantic.rate_hz
GREEDY = StageSampling(temperature=0.0)


def voice(n_semantic: int, n_frames: int, size: int = 1024) -> BarkTokens:
    fine = np.arange(8 * n_frames).reshape(8, n_frames) % size
    return BarkTokens(semantic=np.arange(n_semantic) % 64, coarse=fine[:2], fine=fine)


def run(
    semantic: Tokens, history: BarkTokens | None, config: CoarseConfig, rate_hz: float
) -> tuple[Tokens, list[Prefill | Decode | Wait]]:
    """Codes where each answer favours the next number in turn, and all that was asked."""
    spoken = Growing(semantic.tolist(), ended=True)
    steps = coarse.steps(spoken, history, config, rate_hz, GREEDY, random_stream(0, "coarse"))
    asked: list[Prefill | Decode | Wait] = [next(steps)]
    while True:
        logits = np.zeros(len(asked[-1].legal), np.float32)
        logits[len(asked) % config.codebook_size] = 1.0
        try:
            asked.append(steps.send(logits))
        except StopIteration as end:
            return end.value, asked


def test_flat_tokens_go_frame_by_frame_with_a_range_for_each_codebook() -> None:
    codes = np.array([[1, 2, 3], [4, 5, 6]])
    flat = coarse.flatten(codes, SUNO)
    assert flat.tolist() == [10_001, 11_028, 10_002, 11_029, 10_003, 11_030]
    assert np.array_equal(coarse.unflatten(flat, SUNO), codes)


def test_codebooks_take_turns() -> None:
    assert coarse.legal(0, SUNO) == range(10_000, 11_024)
    assert coarse.legal(1, SUNO) == range(11_024, 12_048)
    assert coarse.legal(2, SUNO) == range(10_000, 11_024)


@pytest.mark.parametrize(
    ("n_semantic", "frames"), [(1, 1), (2, 3), (3, 4), (250, 375), (333, 500), (768, 1154)]
)
def test_frames_are_whole_and_rounded_down(n_semantic: int, frames: int) -> None:
    assert coarse.n_steps(n_semantic, SUNO, SUNO_HZ) == 2 * frames


@pytest.mark.parametrize(
    ("n_semantic", "n_frames", "kept_semantic", "kept_flat"),
    [
        (731, 1098, 209, 626),  # all a window holds: 209 * 3.006 rounded, less one frame
        (100, 150, 99, 296),  # 300 flat tokens cover only 99 semantic ones
        (101, 153, 100, 299),  # even: 100; 100 * 3.006 = 300.6, so 301 less a frame
        (3, 5, 2, 4),
        (2, 3, 1, 1),
        (1, 2, 0, 0),  # nothing even is left: no history, not all of it
    ],
)
def test_history_is_trimmed_to_the_same_time(
    n_semantic: int, n_frames: int, kept_semantic: int, kept_flat: int
) -> None:
    whole = voice(n_semantic, n_frames)
    history = coarse.trim_history(whole, SUNO, SUNO_HZ)
    assert history.semantic.tolist() == whole.semantic[n_semantic - kept_semantic :].tolist()
    flat = coarse.flatten(whole.coarse, SUNO)[:-2].tolist()
    assert history.flat.tolist() == flat[len(flat) - kept_flat :]


def test_a_prompt_pads_semantic_tokens_and_keeps_the_latest_codes(tiny_config: BarkConfig) -> None:
    config = tiny_config.coarse  # 3 flat tokens to a semantic one; 8 semantic ones of history at most
    semantic, flat = np.arange(30), np.arange(64, 94)
    first = coarse.prompt(semantic, flat[:0], 0, 0, config, 50.0)
    assert first.ids.tolist() == [*range(16), config.infer_token]
    later = coarse.prompt(semantic, flat, 10, 36, config, 50.0)  # now is 10 + 36 / 3 = 22, so from 14 on
    assert later.ids.tolist() == [*range(14, 30), config.infer_token, *range(70, 94)]
    last = coarse.prompt(semantic, flat, 10, 48, config, 50.0)
    assert last.ids.tolist()[:16] == [*range(18, 30), *[config.semantic_pad_token] * 4]
    assert last.legal == range(64, 96)


def test_no_history_is_none_and_not_all_of_it(tiny_config: BarkConfig) -> None:
    config = dataclasses.replace(tiny_config.coarse, max_history_tokens=0)
    asked = coarse.prompt(np.arange(30), np.arange(64, 94), 10, 36, config, 50.0)
    assert asked.ids.tolist() == [*range(22, 30), *[config.semantic_pad_token] * 8, config.infer_token]


def test_windows_that_move_open_with_a_prompt_and_every_step_continues_the_last_token(
    tiny_config: BarkConfig,
) -> None:
    config = tiny_config.coarse
    codes, asked = run(np.arange(11), voice(20, 30, size=32), config, 50.0)
    assert codes.shape == (2, 16)  # 11 * 1.5 = 16.5
    assert [step for step, request in enumerate(asked) if isinstance(request, Prefill)] == [0, 12, 24]
    flat = coarse.flatten(codes, config)
    for step, request in enumerate(asked):
        assert request.legal == range(64 + step % 2 * 32, 96 + step % 2 * 32)
        if isinstance(request, Decode):
            assert request.token == flat[step - 1]
        elif step:
            assert request.ids[-step:].tolist() == flat[:step][-24:].tolist()[-step:]
    assert codes.T.reshape(-1).tolist() == [n % 32 for n in range(1, 33)]


@pytest.mark.parametrize(("voiced", "prompts"), [(False, [0, 36, 48]), (True, [0, 12, 24, 36, 48])])
def test_a_window_that_begins_as_the_last_one_goes_on_without_a_prompt(
    tiny_config: BarkConfig, voiced: bool, prompts: list[int]
) -> None:
    history = voice(20, 30, size=32) if voiced else None
    _, asked = run(np.arange(20), history, tiny_config.coarse, 50.0)
    assert [step for step, request in enumerate(asked) if isinstance(request, Prefill)] == prompts


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.integers(0, 20), st.integers(0, 24))
def test_what_stands_before_every_token_is_what_sunos_windows_hold(
    tiny_config: BarkConfig, n_semantic: int, n_voice: int, max_history: int
) -> None:
    """Suno's code begins every window anew: a prompt, and what has been made since."""
    config = dataclasses.replace(tiny_config.coarse, max_history_tokens=max_history)
    spoken, before = np.arange(n_semantic) % 64, voice(n_voice, 2 * n_voice, size=32) if n_voice else None
    codes, asked = run(spoken, before, config, 50.0)
    history, flat = coarse.trim_history(before, config, 50.0), coarse.flatten(codes, config)
    semantic, sequence = np.concatenate([history.semantic, spoken]), list[int]()
    for step, request in enumerate(asked):
        sequence = request.ids.tolist() if isinstance(request, Prefill) else [*sequence, request.token]
        opened = step - step % config.sliding_window_tokens
        so_far = np.concatenate([history.flat, flat[:opened]])
        window = coarse.prompt(semantic, so_far, len(history.semantic), opened, config, 50.0)
        assert sequence == [*window.ids.tolist(), *flat[opened:step].tolist()]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.booleans(), st.data())
def test_a_stage_that_follows_a_growing_one_asks_the_same(
    tiny_config: BarkConfig, n_semantic: int, spoken_before: bool, data: st.DataObject
) -> None:
    """However late the semantic tokens come, coarse waits for what it reads and never for more."""
    config = tiny_config.coarse
    history = voice(20, 30, size=32) if spoken_before else None
    semantic = np.arange(n_semantic) % 64
    expected, wanted = run(semantic, history, config, 50.0)
    growing, asked, logits = Growing[int](), [], None
    steps = coarse.steps(growing, history, config, 50.0, GREEDY, random_stream(0, "coarse"))
    while True:
        try:
            request = steps.send(logits)
        except StopIteration as end:
            codes = end.value
            break
        if isinstance(request, Wait):
            assert not growing.ended
            come = data.draw(st.integers(1, 20))
            growing.items = semantic[: len(growing.items) + come].tolist()
            growing.ended = len(growing.items) == n_semantic
            logits = None
            continue
        asked.append(request)
        logits = np.zeros(len(request.legal), np.float32)
        logits[len(asked) % config.codebook_size] = 1.0
    assert np.array_equal(codes, expected)
    assert len(asked) == len(wanted)
    for one, other in zip(asked, wanted, strict=True):
        assert type(one) is type(other)
        assert one.legal == other.legal
        if isinstance(one, Prefill):
            assert np.array_equal(one.ids, other.ids)
        else:
            assert one.token == other.token


def test_coarse_begins_before_the_last_semantic_token_is_there(tiny_config: BarkConfig) -> None:
    config = tiny_config.coarse  # a window reads 16 semantic tokens
    growing = Growing(list(range(15)))
    steps = coarse.steps(growing, None, config, 50.0, GREEDY, random_stream(0, "coarse"))
    assert isinstance(next(steps), Wait)
    growing.items.append(15)
    assert isinstance(next(steps), Prefill)
