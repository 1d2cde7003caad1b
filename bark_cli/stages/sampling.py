"""Logits (..., V) -> one token id each (...), in Suno's order: top-p, top-k, then temperature.

After suno-ai/bark, bark/generation.py, whose filters look at the logits before the temperature is applied.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bark_cli.errors import GenerationError
from bark_cli.model.options import StageSampling

STAGES = ("semantic", "coarse", "fine")


def random_stream(seed: int, stage: str) -> torch.Generator:
    """The random numbers of one stage of one utterance: same seed, same tokens, whatever else runs."""
    return torch.Generator().manual_seed(seed * len(STAGES) + STAGES.index(stage))


def probabilities(logits: Tensor, sampling: StageSampling) -> Tensor:
    """Distribution (..., V) to draw from; temperature 0 puts everything on the likeliest id.

    Raises:
        GenerationError: the network returned something that is not a number.
    """
    if logits.sum().isnan():
        raise GenerationError(
            "the network returned NaN: its weights are damaged; verify or download the model again"
        )
    if sampling.temperature == 0.0:
        return torch.nn.functional.one_hot(logits.argmax(dim=-1), logits.shape[-1]).to(logits.dtype)
    return torch.softmax(filtered(logits, sampling.top_k, sampling.top_p) / sampling.temperature, dim=-1)


def filtered(logits: Tensor, top_k: int | None, top_p: float | None) -> Tensor:
    """Logits (..., V) with -inf for what the filters drop; None switches one off."""
    if top_p is not None:
        logits = _keep_top_p(logits, top_p)
    return logits if top_k is None else _keep_top_k(logits, top_k)


def draw(probabilities: Tensor, stream: torch.Generator) -> Tensor:
    """One id (...) from each distribution (..., V)."""
    # What torch.multinomial does with one sample of each row, to the last bit: who arrives first. Made from
    # uniform numbers the arrivals take half the time of exponential_, which makes one after the other.
    uniform = torch.empty(probabilities.shape, dtype=torch.float64).uniform_(generator=stream)
    arrivals = uniform.neg_().log1p_().neg_().to(probabilities.dtype)
    return torch.div(probabilities, arrivals, out=arrivals).argmax(dim=-1)


def _keep_top_p(logits: Tensor, top_p: float) -> Tensor:
    """Keep the likeliest ids up to and including the one that carries their sum past `top_p`."""
    ordered, order = logits.sort(dim=-1, descending=True)
    past = torch.softmax(ordered, dim=-1).cumsum(dim=-1) > top_p
    dropped = torch.cat([torch.zeros_like(past[..., :1]), past[..., :-1]], dim=-1)
    return logits.masked_fill(torch.zeros_like(dropped).scatter(-1, order, dropped), -torch.inf)


def _keep_top_k(logits: Tensor, top_k: int) -> Tensor:
    """Keep the `top_k` likeliest ids, and any that tie with the last of them."""
    least = logits.topk(min(top_k, logits.shape[-1]), dim=-1).values[..., -1:]
    return logits.masked_fill(logits < least, -torch.inf)
