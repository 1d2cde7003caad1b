"""Where the GPTs begin to learn from: position codes, and attention heads that look at the same place.

Nothing here leaves Bark's architecture. Learnt position embeddings start as sinusoids over a shared axis
(place in the text, or time in the window), and the query and key rows of some heads start as rotations of
that code, so that they attend d positions ahead of their own place from the first step. Training is free to
change all of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from bark_cli.model.networks import Attention

CYCLE = 16  # the fast code repeats after so many positions
SLOW = (32.0, 48.0, 64.0, 96.0, 128.0, 192.0, 256.0, 512.0)  # periods of the slow code
WIDTH = CYCLE + 2 * len(SLOW)  # dimensions of the two codes together
AMPLITUDE = 0.15


def cyclic_code(positions: Tensor) -> Tensor:
    """(N,) -> (N, CYCLE): distinct modulo CYCLE and nearly orthogonal."""
    return _waves(positions, [CYCLE / k for k in range(1, CYCLE // 2 + 1)])


def slow_code(positions: Tensor) -> Tensor:
    """(N,) -> (N, 2 * len(SLOW)): tells apart what the cyclic code repeats."""
    return _waves(positions, SLOW)


def _waves(positions: Tensor, periods: Sequence[float]) -> Tensor:
    angles = positions[:, None].float() * (2 * math.pi / torch.tensor(periods))
    return AMPLITUDE * torch.stack([angles.cos(), angles.sin()], dim=-1).flatten(1)


def rotation(offset: float) -> Tensor:
    """(WIDTH, WIDTH): turns the code of position p into that of p + offset."""
    periods = [CYCLE / k for k in range(1, CYCLE // 2 + 1)] + list(SLOW)
    matrix = torch.zeros(WIDTH, WIDTH)
    for i, period in enumerate(periods):
        c, s = math.cos(2 * math.pi * offset / period), math.sin(2 * math.pi * offset / period)
        matrix[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = torch.tensor([[c, -s], [s, c]])
    return matrix


@torch.no_grad()
def soft_start(module: nn.Module, layers: int) -> None:
    """GPT-2's start: small everywhere, projections into the residual stream scaled by depth."""
    for name, parameter in module.named_parameters():
        if parameter.ndim == 2:
            into_stream = name.endswith("c_proj.weight")
            nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * layers) if into_stream else 0.03)


@torch.no_grad()
def aim_heads(attention: Attention, offsets: Sequence[float], gain: float, segment: float = 0.0) -> None:
    """Make head i attend `offsets[i]` positions after its own place.

    Dimension WIDTH of the position code holds the segment's sign.
    `segment` > 0 makes the heads prefer keys of the opposite segment, < 0 those of their own.
    """
    dim = attention.c_attn.in_features
    size = dim // attention.n_head
    weight = attention.c_attn.weight  # (3 dim, dim)
    for head, offset in enumerate(offsets):
        at = head * size
        query, key = weight[at : at + size], weight[dim + at : dim + at + size]
        query[:WIDTH, :WIDTH] += gain * rotation(offset)
        key[:WIDTH, :WIDTH] += gain * torch.eye(WIDTH)
        query[WIDTH, WIDTH] += -gain * segment
        key[WIDTH, WIDTH] += gain * abs(segment)
    nn.init.normal_(weight[2 * dim :], std=0.05)
    nn.init.normal_(attention.c_proj.weight, std=0.03)


@contextmanager
def plain_attention(device: torch.device) -> Iterator[None]:
    """Write attention out on a CPU: the fused kernel's backward pass takes twice as long there."""
    if device.type != "cpu":
        yield
        return
    mask = torch.full((1024, 1024), -math.inf).triu(1)

    def attend(q: Tensor, k: Tensor, v: Tensor, is_causal: bool = False) -> Tensor:
        scores = q @ (k * q.shape[-1] ** -0.5).transpose(-1, -2)
        if is_causal:
            scores = scores + mask[: q.shape[2], : k.shape[2]].to(scores.dtype)
        return scores.softmax(-1, dtype=torch.float32).to(v.dtype) @ v

    fused = nn.functional.scaled_dot_product_attention
    nn.functional.scaled_dot_product_attention = attend  # type: ignore[assignment]
    try:
        yield
    finally:
        nn.functional.scaled_dot_product_attention = fused
