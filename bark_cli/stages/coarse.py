"""Semantic tokens (T,) and the tokens of a voice -> the first codebooks (n_codebooks, F), in sliding windows.

After suno-ai/bark, bark/generation.py, generate_coarse. "Flat" tokens go frame by frame, codebook by
codebook, with each codebook's ids in a range of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from bark_cli.model.config import CoarseConfig
from bark_cli.model.options import StageSampling
from bark_cli.model.tokens import BarkTokens, Logits, Tokens
from bark_cli.stages.sampling import RandomStream, draw, probabilities
from bark_cli.stages.steps import Ahead, CoarseSteps, Decode, Growing, Prefill, Wait, tokens_of


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
    first = _first(n_before, step, config, semantic_rate_hz)
    window = semantic[first : first + config.max_semantic_tokens]
    padding = np.full(config.max_semantic_tokens - len(window), config.semantic_pad_token)
    recent = flat[max(0, len(flat) - config.max_history_tokens) :]
    return Prefill(
        ids=np.concatenate([window, padding, [config.infer_token], recent]), legal=legal(step, config)
    )


def enough(n_semantic: int, n_before: int, step: int, config: CoarseConfig, semantic_rate_hz: float) -> bool:
    """Whether `n_semantic` new tokens are all that a step reads, however many are still to come.

    A window that opens reads as many as it holds; the steps that follow only need to know that they exist.
    """
    if n_steps(n_semantic, config, semantic_rate_hz) <= step:
        return False
    is_boundary = step % config.sliding_window_tokens == 0
    end = _first(n_before, step, config, semantic_rate_hz) + config.max_semantic_tokens
    return not is_boundary or n_before + n_semantic >= end


def opens(history: History, step: int, config: CoarseConfig, semantic_rate_hz: float) -> bool:
    """Whether a prompt is due at a step: a window is, and it begins otherwise than what is computed already.

    Suno's code computes a prompt for every window. Until the semantic tokens move on or the oldest codes drop
    out, that prompt is the last one with the new codes appended, so the sequence just goes on.
    """
    width = config.sliding_window_tokens
    if step == 0 or step % width:
        return step == 0
    firsts = (_first(len(history.semantic), at, config, semantic_rate_hz) for at in (step - width, step))
    return len(set(firsts)) > 1 or len(history.flat) + step > config.max_history_tokens


def steps(
    semantic: Growing[int],
    voice: BarkTokens | None,
    config: CoarseConfig,
    semantic_rate_hz: float,
    sampling: StageSampling,
    stream: RandomStream,
    made: Growing[int] | None = None,
) -> CoarseSteps:
    """Ask for flat tokens, a prompt opening each window that needs one; return codes (n_codebooks, F).

    Waits while the semantic stage has not made what a step needs. The flat tokens are added to `made` as they
    come.
    """
    history = trim_history(voice, config, semantic_rate_hz)
    n_before = len(history.semantic)
    made = Growing[int]() if made is None else made
    while True:
        step = len(made.items)
        while not semantic.ended and not enough(
            len(semantic.items), n_before, step, config, semantic_rate_hz
        ):
            yield Wait()
        known = n_steps(len(semantic.items), config, semantic_rate_hz)
        if step >= known:
            break
        further = ahead(step, known, config, sampling, stream)
        request: Prefill | Decode
        if opens(history, step, config, semantic_rate_hz):
            context = np.concatenate([history.semantic, np.array(semantic.items, dtype=np.int64)])
            so_far = np.concatenate([history.flat, np.array(made.items, dtype=np.int64)])
            request = replace(
                prompt(context, so_far, n_before, step, config, semantic_rate_hz), ahead=further
            )
        else:
            request = Decode(made.items[-1], further.legal[0], further)
        made.items += tokens_of(
            (yield request),
            partial(next_token, ids=legal(step, config), sampling=sampling, stream=stream),
        )
    made.ended = True
    return unflatten(np.array(made.items, dtype=np.int64), config)


def next_token(logits: Logits, ids: range, sampling: StageSampling, stream: RandomStream) -> int:
    """The id drawn from the logits (len(ids),) of these ids."""
    return ids.start + int(draw(probabilities(logits, sampling), stream))


def ahead(
    step: int, known: int, config: CoarseConfig, sampling: StageSampling, stream: RandomStream
) -> Ahead:
    """The way from `step` to the end of its window, or to the first step that is not `known` to come."""
    window = config.sliding_window_tokens
    return Ahead(
        steps=min(known, (step // window + 1) * window) - step,
        legal=tuple(legal(step + turn, config) for turn in range(config.n_codebooks)),
        sampling=sampling,
        stream=stream,
    )


def _first(n_before: int, step: int, config: CoarseConfig, semantic_rate_hz: float) -> int:
    """The first semantic token, counted from the history's start, that a window opened at `step` reads."""
    ratio = flat_per_semantic(config, semantic_rate_hz)
    return max(0, n_before + round(step / ratio) - math.floor(config.max_history_tokens / ratio))
