from __future__ import annotations

import numpy as np
import pytest
from golden.recipe import narrow_config
from hypothesis import given
from hypothesis import strategies as st

from bark_cli.model.config import BarkConfig, FineConfig
from bark_cli.model.options import StageSampling
from bark_cli.model.tokens import BarkTokens, Tokens
from bark_cli.stages import fine
from bark_cli.stages.fine import Window
from bark_cli.stages.sampling import random_stream
from bark_cli.stages.steps import FineWindow

SUNO = narrow_config().fine
GREEDY = StageSampling(temperature=0.0)


def voice(n_frames: int, size: int) -> BarkTokens:
    codes = np.random.default_rng(0).integers(0, size, (8, n_frames))
    return BarkTokens(semantic=np.zeros(n_frames * 2 // 3, np.int64), coarse=codes[:2], fine=codes)


def run(coarse: Tokens, history: BarkTokens | None, config: FineConfig) -> tuple[Tokens, list[FineWindow]]:
    """Codes where the n-th request is answered with n % codebook_size, and copies of all requests."""
    steps = fine.steps(coarse, history, config, GREEDY, random_stream(0, "fine"))
    request, asked = next(steps), []
    while True:
        asked.append(FineWindow(request.codebook, request.codes.copy(), request.first))
        logits = np.zeros((config.window_frames - request.first, config.gpt.output_vocab_size), np.float32)
        logits[:, len(asked) % config.codebook_size] = 1.0
        logits[:, config.codebook_size :] = 9.0  # rows of the head that are no codes
        try:
            request = steps.send(logits)
        except StopIteration as end:
            return end.value, asked


@pytest.mark.parametrize(
    ("n_frames", "n_history", "expected"),
    [
        (1, 0, [Window(0, 0)]),
        (1024, 0, [Window(0, 0)]),
        (
            1025,
            0,
            [Window(0, 0), Window(1, 512)],
        ),  # pushed back to end with the last frame
        (1154, 0, [Window(0, 0), Window(130, 512)]),
        (512, 512, [Window(0, 512)]),
        (513, 512, [Window(0, 512), Window(1, 513)]),
        (982, 512, [Window(0, 512), Window(470, 982)]),
        (1154, 300, [Window(0, 300), Window(430, 812)]),
    ],
)
def test_windows_hop_and_the_last_is_pushed_back(
    n_frames: int, n_history: int, expected: list[Window]
) -> None:
    assert fine.windows(n_frames, n_history, SUNO) == expected


@given(st.integers(1, 3000), st.integers(0, 512))
def test_every_new_frame_is_filled(n_frames: int, n_history: int) -> None:
    reached = n_history
    for window in fine.windows(n_frames, n_history, SUNO):
        assert window.start <= window.fill <= reached
        reached = window.start + SUNO.window_frames
    assert reached >= n_history + n_frames


def test_a_short_clip_is_one_window_padded_with_placeholders(tiny_config: BarkConfig) -> None:
    config = tiny_config.fine
    coarse = np.arange(10).reshape(2, 5)
    codes, asked = run(coarse, None, config)
    assert [request.codebook for request in asked] == [2, 3, 4, 5, 6, 7]
    first = asked[0].codes
    assert first.shape == (8, 64)
    assert np.array_equal(first[:2, :5], coarse)
    assert (first[2:] == config.codebook_size).all()
    assert (first[:, 5:] == config.codebook_size).all()
    assert (asked[1].codes[2] == 1).all()  # what was predicted is seen, padding included
    assert codes[:, 0].tolist() == [0, 5, 1, 2, 3, 4, 5, 6]


def test_history_is_seen_and_never_rewritten(tiny_config: BarkConfig) -> None:
    config = tiny_config.fine
    history = voice(50, config.codebook_size)
    codes, asked = run(np.zeros((2, 100), np.int64), history, config)
    assert codes.shape == (8, 100)
    for request in asked[:6]:
        assert np.array_equal(request.codes[:, :32], history.fine[:, -32:])
    assert len(asked) == fine.n_steps(100, 2, history, config) == 6 * len(fine.windows(100, 32, config))


def test_an_overlapping_window_sees_the_earlier_prediction_and_replaces_it(tiny_config: BarkConfig) -> None:
    config = tiny_config.fine  # window 64, hop 32
    codes, asked = run(np.zeros((2, 70), np.int64), None, config)
    assert fine.windows(70, 0, config) == [Window(0, 0), Window(6, 32)]
    second = asked[6].codes  # frames 6 .. 69, asked for codebook 2
    assert (second[2, :58] == 1).all()  # the first window's answer, up to its end at frame 64
    assert (second[2, 58:] == config.codebook_size).all()
    assert codes[2, :38].tolist() == [1] * 32 + [7] * 6
    assert (codes[2, 38:] == 7).all()


def test_n_steps_counts_all_requests(tiny_config: BarkConfig) -> None:
    for n_frames in (1, 31, 64, 65, 96, 130):
        _, asked = run(np.zeros((2, n_frames), np.int64), None, tiny_config.fine)
        assert len(asked) == fine.n_steps(n_frames, 2, None, tiny_config.fine)
