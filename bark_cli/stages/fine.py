"""Codes of the first codebooks (n, F) and the tokens of a voice -> all codebooks (n_codebooks, F).

After suno-ai/bark, bark/generation.py, generate_fine: non-causal windows, each filled one codebook at a time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bark_cli.model.config import FineConfig
from bark_cli.model.options import StageSampling
from bark_cli.model.tokens import BarkTokens, Tokens
from bark_cli.stages.sampling import RandomStream, draw, probabilities
from bark_cli.stages.steps import Drawing, DrawnCodes, FineSteps, FineWindow


@dataclass(frozen=True)
class Window:
    """Frames start .. start + window_frames are seen, those from `fill` on are predicted."""

    start: int
    fill: int


def windows(n_frames: int, n_history: int, config: FineConfig) -> list[Window]:
    """The windows over a voice's frames and `n_frames` new ones, in order.

    The last one is pushed back so that it ends with the last frame; what it predicts a second time replaces
    the first prediction, and until then the network sees that one there.
    """
    total = max(n_history + n_frames, config.window_frames)
    count = max(0, math.ceil((n_frames - (config.window_frames - n_history)) / config.hop_frames)) + 1
    return [
        Window(
            start=min(n * config.hop_frames, total - config.window_frames),
            fill=min(n_history + n * config.hop_frames, total - config.hop_frames),
        )
        for n in range(count)
    ]


def canvas(coarse: Tokens, history: Tokens, config: FineConfig) -> Tokens:
    """Codes (n_codebooks, at least a window): history, the given codebooks, and the placeholder elsewhere."""
    n_given, n_frames = coarse.shape
    n_history = history.shape[1]
    total = max(n_history + n_frames, config.window_frames)
    codes = np.full((config.n_codebooks, total), config.codebook_size, dtype=np.int64)
    codes[:, :n_history] = history
    codes[:n_given, n_history : n_history + n_frames] = coarse
    return codes


def filled(codes: Tokens, config: FineConfig) -> Tokens:
    """Codes (any, F) -> (n_codebooks, F), the placeholder where a draft has none."""
    missing = np.full((config.n_codebooks - len(codes), codes.shape[1]), config.codebook_size)
    return np.concatenate([codes.astype(np.int64), missing])


def n_steps(
    n_frames: int, n_given: int, voice: BarkTokens | None, config: FineConfig, n_wanted: int | None = None
) -> int:
    """Requests that `steps` will make: every missing codebook once in each window."""
    n_windows = len(windows(n_frames, _history(voice, config).shape[1], config))
    return n_windows * (_made(n_given, n_wanted, config) - n_given)


def steps(
    coarse: Tokens,
    voice: BarkTokens | None,
    config: FineConfig,
    sampling: StageSampling,
    stream: RandomStream,
    n_wanted: int | None = None,
) -> FineSteps:
    """Ask for one codebook of one window after the other; return all codes (n_codebooks, F).

    With `n_wanted` only that many codebooks, or as many as are given: no codebook depends on a later one.
    """
    n_given, n_frames = coarse.shape
    history = _history(voice, config)
    codes, n_made = canvas(coarse, history, config), _made(n_given, n_wanted, config)
    drawing = Drawing(config.codebook_size, sampling, stream)
    for window in windows(n_frames, history.shape[1], config):
        end = window.start + config.window_frames
        for codebook in range(n_given, n_made):
            answer = yield FineWindow(
                codebook, codes[:, window.start : end], window.fill - window.start, drawing
            )
            if isinstance(answer, DrawnCodes):
                found = answer.codes
            else:
                found = draw(probabilities(answer[:, : config.codebook_size], sampling), stream)
            codes[codebook, window.fill : end] = found
    new: Tokens = codes[:n_made, history.shape[1] : history.shape[1] + n_frames].copy()
    return new


def _made(n_given: int, n_wanted: int | None, config: FineConfig) -> int:
    """How many codebooks there are in the end."""
    return max(n_given, min(n_wanted or config.n_codebooks, config.n_codebooks))


def _history(voice: BarkTokens | None, config: FineConfig) -> Tokens:
    """The last frames of a voice that a window takes, (n_codebooks, at most max_history_frames)."""
    if voice is None:
        return np.empty((config.n_codebooks, 0), np.int64)
    first = max(0, voice.fine.shape[1] - config.max_history_frames)
    return filled(voice.fine[:, first:], config)
