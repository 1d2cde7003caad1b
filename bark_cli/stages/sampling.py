"""Logits (..., V) -> one token id each (...), in Suno's order: top-p, top-k, then temperature.

After suno-ai/bark, bark/generation.py, whose filters look at the logits before the temperature is applied.
Random numbers, and what is drawn with them, are those of torch's generator and `torch.multinomial` on a CPU.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bark_cli.errors import GenerationError
from bark_cli.model.options import STAGES, StageSampling
from bark_cli.model.tokens import Logits, Tokens

_HIGH = 2**21 - 1  # of 64 random bits 53 make a number: these of the first word, all of the second


class RandomStream:
    """Random numbers that depend on nothing but a seed: those of `torch.Generator().manual_seed(seed)`.

    `state` is the Mersenne Twister's, (625,): its 624 words, and how many of them are used. Who makes numbers
    elsewhere goes on from it and writes where they end. None: they can be made here alone.
    """

    state: NDArray[np.uint32] | None

    def __init__(self, seed: int) -> None:
        self._twister: Any = np.random.RandomState(seed & 0xFFFFFFFF)
        self.state = self._after()

    def uniform(self, *shape: int) -> NDArray[np.float64]:
        """Numbers of 0 <= u < 1, as `uniform_` makes them in float64."""
        high, low = self.words(math.prod(shape)).T
        numbers: NDArray[np.float64] = (high & _HIGH).astype(np.float64)
        numbers *= 2.0**32
        numbers += low
        numbers *= 2.0**-53
        return numbers.reshape(shape)

    def keys(self, count: int) -> Tokens:
        """Integers (count,) of 0 <= k < 2^62, as `torch.randint(2**62, ...)` makes them."""
        high, low = self.words(count).T
        integers: Tokens = ((high & (2**30 - 1)).astype(np.int64) << 32) | low
        return integers

    def words(self, count: int) -> NDArray[np.uint32]:
        """What the next numbers are made of: 64 random bits each, as their first and last 32, (count, 2)."""
        assert self.state is not None
        self._twister.set_state(("MT19937", self.state[:-1], int(self.state[-1])))
        words: NDArray[np.uint32] = self._twister.randint(0, 2**32, (count, 2), dtype=np.uint32)
        self.state[:] = self._after()
        return words

    def mark(self) -> Any:
        """Where it is, to be gone back to."""
        assert self.state is not None
        return self.state.copy()

    def go_back(self, mark: Any, used: int) -> None:
        """Be where it was, and go on by the numbers that were used after all."""
        self.state = mark
        self.words(used)

    def _after(self) -> NDArray[np.uint32]:
        """The twister's state."""
        _, words, used, *_ = self._twister.get_state()
        return np.append(words, used).astype(np.uint32)


def random_stream(seed: int, stage: str) -> RandomStream:
    """The random numbers of one stage of one utterance: same seed, same tokens, whatever else runs."""
    return RandomStream(seed * len(STAGES) + STAGES.index(stage))


def probabilities(logits: Logits, sampling: StageSampling) -> Logits:
    """Distribution (..., V) to draw from; temperature 0 puts everything on the likeliest id.

    Raises:
        GenerationError: the network returned something that is not a number.
    """
    with np.errstate(invalid="ignore"):
        is_broken = np.isnan(logits.sum())
    if is_broken:
        raise GenerationError(
            "the network returned NaN: its weights are damaged; verify or download the model again"
        )
    if sampling.temperature == 0.0:
        likeliest = logits.argmax(axis=-1)[..., None]
        only: Logits = (np.arange(logits.shape[-1]) == likeliest).astype(np.float32)
        return only
    return _softmax(filtered(logits, sampling.top_k, sampling.top_p) / np.float32(sampling.temperature))


def filtered(logits: Logits, top_k: int | None, top_p: float | None) -> Logits:
    """Logits (..., V) with -inf for what the filters drop; None switches one off."""
    if top_p is not None:
        logits = _keep_top_p(logits, top_p)
    return logits if top_k is None else _keep_top_k(logits, top_k)


def draw(probabilities: Logits, stream: RandomStream) -> Tokens:
    """One id (...) from each distribution (..., V)."""
    # What torch.multinomial does with one sample of each row, to the last bit: who arrives first.
    arrivals = -np.log1p(-stream.uniform(*probabilities.shape)).astype(probabilities.dtype)
    with np.errstate(divide="ignore"):  # who arrives at once is first
        first: Tokens = (probabilities / arrivals).argmax(axis=-1)
    return first


def _softmax(logits: Logits) -> Logits:
    powers: Logits = np.exp(logits - logits.max(axis=-1, keepdims=True))
    powers /= powers.sum(axis=-1, keepdims=True)
    return powers


def _keep_top_p(logits: Logits, top_p: float) -> Logits:
    """Keep the likeliest ids up to and including the one that carries their sum past `top_p`."""
    order = np.argsort(-logits, axis=-1, kind="stable")
    sums = np.cumsum(_softmax(np.take_along_axis(logits, order, -1)), axis=-1, dtype=np.float64)
    past = sums.astype(np.float32) > np.float32(top_p)
    past[..., 1:] = past[..., :-1]
    past[..., 0] = False
    dropped = np.empty_like(past)
    np.put_along_axis(dropped, order, past, -1)
    return np.where(dropped, np.float32(-np.inf), logits)


def _keep_top_k(logits: Logits, top_k: int) -> Logits:
    """Keep the `top_k` likeliest ids, and any that tie with the last of them."""
    last = logits.shape[-1] - min(top_k, logits.shape[-1])
    least = np.partition(logits, last, axis=-1)[..., last : last + 1]
    return np.where(logits < least, np.float32(-np.inf), logits)
