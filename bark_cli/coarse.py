"""Semantic tokens (T,) and the tokens of a voice -> the first codebooks (n_codebooks, F), in sliding windows.

After suno-ai/bark, bark/generation.py, generate_coarse. "Flat" tokens go frame by frame, codebook by
codebook, with each codebook's ids in a range of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from bark_cli.sampling import draw, probabilities
from bark_cli.steps import CausalSteps, Decode, Prefill
from bark_cli.tokens import BarkTokens, CoarseConfig, StageSampling, Tokens


@dataclass(frozen=True, eq=False)
class History:
    """The part of a voice that every window sees: semantic (S,) and flat coarse tokens (C,)."""

    semantic: Tokens
    flat: Tokens


def flat_per_semantic(config: CoarseConfig, semantic_rate_hz: float) -> float:
    """Flat coarse tokens that cover one semantic token; 3.006 in Suno's models."""
    return config.rate_hz / semantic_rate_hz * config.n_codebooks


def flatten(codes: Tokens, config: CoarseConfig) -> Tokens:
    """Codes (n_codebooks, F) -> flat tokens (n_codebooks * F,)."""
    starts = config.semantic_vocab_size + config.codebook_size * np.arange(config.n_codebooks)
    flat: Tokens = (codes.astype(np.int64) + starts[:, None]).T.reshape(-1)
    return flat


def unflatten(flat: Tokens, config: CoarseConfig) -> Tokens:
    """Flat tokens (n_codebooks * F,) -> codes (n_codebooks, F)."""
    starts = config.semantic_vocab_size + config.codebook_size * np.arange(config.n_codebooks)
    return np.ascontiguousarray(flat.reshape(-1, config.n_codebooks).T - starts[:, None])


def legal(step: int, config: CoarseConfig) -> range:
    """Ids of the codebook whose turn it is at a step."""
    start = config.semantic_vocab_size + step % config.n_codebooks * config.codebook_size
    return range(start, start + config.codebook_size)


def n_steps(n_semantic: int, config: CoarseConfig, semantic_rate_hz: float) -> int:
    """Flat tokens to make for `n_semantic` semantic tokens: whole frames, rounded down."""
    ratio = flat_per_semantic(config, semantic_rate_hz)
    return math.floor(n_semantic * ratio / config.n_codebooks) * config.n_codebooks


def trim_history(voice: BarkTokens | None, config: CoarseConfig, semantic_rate_hz: float) -> History:
    """The end of a voice, as much as a window can hold, both streams covering the same time.

    An even number of semantic tokens unless the window or the codes allow fewer; the last frame of the codes
    is left off, which Suno found to sound better. A voice too short to leave anything counts as none, where
    Suno's slice `[-0:]` would take all of it (but Suno refuses so short a voice for its proportions).
    """
    if voice is None:
        return History(np.empty(0, np.int64), np.empty(0, np.int64))
    ratio = flat_per_semantic(config, semantic_rate_hz)
    flat = flatten(voice.coarse, config)
    n_semantic = min(
        math.floor(config.max_history_tokens / ratio),
        len(voice.semantic) - len(voice.semantic) % 2,
        math.floor(len(flat) / ratio),
    )
    n_flat = round(n_semantic * ratio)
    return History(
        semantic=voice.semantic[len(voice.semantic) - n_semantic :].astype(np.int64),
        flat=flat[len(flat) - n_flat :][: -config.n_codebooks],
    )


def prompt(
    semantic: Tokens, flat: Tokens, n_before: int, step: int, config: CoarseConfig, semantic_rate_hz: float
) -> Prefill:
    """The request that opens a window at `step`: semantic tokens around that time, then the latest codes.

    Args:
        semantic: history and new semantic tokens, (n_before + T,).
        flat: history and new flat tokens so far.
        n_before: semantic tokens that belong to the history.
        step: flat tokens made so far.
        config: the coarse stage's numbers.
        semantic_rate_hz: of the semantic stage.
    """
    ratio = flat_per_semantic(config, semantic_rate_hz)
    now = n_before + round(step / ratio)
    first = max(0, now - math.floor(config.max_history_tokens / ratio))
    window = semantic[first : first + config.max_semantic_tokens]
    padding = np.full(config.max_semantic_tokens - len(window), config.semantic_pad_token)
    recent = flat[max(0, len(flat) - config.max_history_tokens) :]
    return Prefill(
        ids=np.concatenate([window, padding, [config.infer_token], recent]), legal=legal(step, config)
    )


def steps(
    semantic: Tokens,
    voice: BarkTokens | None,
    config: CoarseConfig,
    semantic_rate_hz: float,
    sampling: StageSampling,
    stream: torch.Generator,
) -> CausalSteps:
    """Ask for flat tokens one by one, a prompt opening each window; return codes (n_codebooks, F)."""
    history = trim_history(voice, config, semantic_rate_hz)
    context = np.concatenate([history.semantic, semantic])
    flat = history.flat.tolist()
    for step in range(n_steps(len(semantic), config, semantic_rate_hz)):
        if step % config.sliding_window_tokens == 0:
            so_far = np.array(flat, dtype=np.int64)
            logits = yield prompt(context, so_far, len(history.semantic), step, config, semantic_rate_hz)
        else:
            logits = yield Decode(flat[-1], legal(step, config))
        flat.append(legal(step, config).start + int(draw(probabilities(logits, sampling), stream)))
    return unflatten(np.array(flat[len(history.flat) :], dtype=np.int64), config)
