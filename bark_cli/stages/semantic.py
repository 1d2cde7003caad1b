"""Text ids (N,) and the semantic tokens of a voice -> semantic tokens (T,).

After suno-ai/bark, bark/generation.py, generate_text_semantic.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate, repeat

import numpy as np

from bark_cli.model.config import SemanticConfig
from bark_cli.model.options import SamplingOptions
from bark_cli.model.tokens import Logits, Tokens
from bark_cli.stages.monotonic import Reader
from bark_cli.stages.sampling import RandomStream, draw, probabilities
from bark_cli.stages.steps import Ahead, CausalSteps, Decode, Growing, Prefill, tokens_of


def prompt(text_ids: Tokens, history: Tokens | None, config: SemanticConfig) -> Prefill:
    """The opening request: text and history laid over each other, then the token that says "begin".

    Both are padded on the right, and the padding is not masked: the network has learnt to read it. Of a long
    history only the end is kept; text that does not fit has been refused before (`BarkTokenizer.encode`).
    """
    text = _padded(text_ids, config.max_text_tokens, config.text_pad_token)
    past = np.empty(0, np.int64) if history is None else history
    past = past[max(0, len(past) - config.max_history_tokens) :]
    return Prefill(
        ids=np.append(text, config.infer_token),
        legal=legal(config),
        merged=_padded(past, config.max_history_tokens, config.pad_token),
    )


def legal(config: SemanticConfig) -> range:
    """The semantic tokens and, as the last id, end of speech."""
    return range(config.pad_token + 1)


def longest(config: SemanticConfig, max_duration_s: float | None = None) -> int:
    """How many tokens may be made: the first count whose duration exceeds `max_duration_s`, or all that fit.

    Durations are added up token by token as Suno does, for its rounding decides the count.
    """
    if max_duration_s is None:
        return config.max_new_tokens
    durations = accumulate(repeat(1 / config.rate_hz, config.max_new_tokens))
    return next((n for n, s in enumerate(durations, 1) if s > max_duration_s), config.max_new_tokens)


def steps(
    text_ids: Tokens,
    history: Tokens | None,
    config: SemanticConfig,
    options: SamplingOptions,
    stream: RandomStream,
    made: Growing[int] | None = None,
) -> CausalSteps:
    """Ask for one token after the other until speech ends; return those made, which may be none.

    They are added to `made` as they come.
    """
    limit = longest(config, options.max_duration_s)
    made = Growing[int]() if made is None else made
    # a caller that wants a fixed length also gets what is said a second time
    reader = (
        Reader(text_ids, config.reading, config.pad_token + 1) if config.reading and options.may_end else None
    )

    def choose(logits: Logits) -> int:
        allowed = logits if reader is None else reader.allowed(logits)
        return next_token(allowed, config, options, stream)

    request: Prefill | Decode = prompt(text_ids, history, config)
    drawn = 0
    while not made.ended:
        new = tokens_of((yield request), choose)
        said = [token for token in new if token != config.pad_token]
        drawn += len(said)
        is_over = new[-1] == config.pad_token or drawn == limit
        made.items += said if reader is None else reader.heard(said, is_over)
        made.ended = is_over
        further = replace(ahead(limit - drawn, config, options, stream), reader=reader)
        request = Decode(new[-1], legal(config), further)
    return np.array(made.items, dtype=np.int64)


def ahead(n: int, config: SemanticConfig, options: SamplingOptions, stream: RandomStream) -> Ahead:
    """`next_token` for up to `n` tokens, as data."""
    return Ahead(
        steps=n,
        legal=(legal(config) if options.may_end else range(config.pad_token),),
        sampling=options.semantic,
        stream=stream,
        may_end=options.may_end,
        min_end_p=options.min_eos_p,
    )


def next_token(logits: Logits, config: SemanticConfig, options: SamplingOptions, stream: RandomStream) -> int:
    """The token drawn from logits (vocab_size + 1,); the last of them, the pad token, where speech ends.

    Speech ends when end of speech is drawn, or when it is as likely as `min_eos_p` after filters and
    temperature: a filter that removes it also keeps it from ending the speech early.
    """
    if not options.may_end:
        return int(draw(probabilities(logits[: config.pad_token], options.semantic), stream))
    distribution = probabilities(logits, options.semantic)
    token = int(draw(distribution, stream))
    if options.min_eos_p is not None and float(distribution[config.pad_token]) >= options.min_eos_p:
        return config.pad_token
    return token


def _padded(ids: Tokens, length: int, pad: int) -> Tokens:
    return np.pad(ids.astype(np.int64), (0, length - len(ids)), constant_values=pad)
