"""Steps of a causal network over memory taken once: a token of each of B sequences -> the next, drawn there.

A step neither waits for its device nor depends on what lies in its memory, so a CUDA graph can hold it.
After gpt-fast's decode_one_token (gpt-fast, generate.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from bark_cli.model.config import GPTConfig
from bark_cli.model.networks import GPT, Attention, Block, KVCache

STEPS = 32  # drawn at most before anybody looks


class Slots:
    """Keys and values of many sequences, (layers, 2, slots, heads, positions, head size).

    Slot 0 is never taken: rows that only fill up a batch write there.
    """

    def __init__(self, config: GPTConfig, like: Tensor) -> None:
        head_size = config.n_embd // config.n_head
        self._shape = (config.n_layer, 2, config.n_head, config.block_size, head_size)
        self._like = like
        # what is not filled is masked but multiplied all the same: it must be a number
        self.tensor = self._zeros(2)
        self._free = [1]

    def take(self) -> int:
        """A free slot; there are twice as many when there was none."""
        if not self._free:
            old = self.tensor
            count = old.shape[2]
            self.tensor = self._zeros(2 * count - 1)
            self.tensor[:, :, :count] = old
            self._free = list(range(count, 2 * count - 1))
        return self._free.pop(0)

    def give(self, slot: int) -> None:
        """Take a slot back."""
        self._free.append(slot)

    def cache(self, slot: int) -> KVCache:
        """A slot as `model.GPT` fills it with a prompt, not copied."""
        one = self.tensor[:, :, slot : slot + 1]
        return KVCache(keys=one[:, 0], values=one[:, 1])

    def _zeros(self, slots: int) -> Tensor:
        layers, pair, *rest = self._shape
        return self._like.new_zeros(layers, pair, slots, *rest)


@dataclass(frozen=True)
class StepShape:
    """What steps must have in common to go together."""

    span: range  # ids that are legal at any of them: rows of the head that are read
    size: int  # ids that are legal at one
    turns: int  # steps after which the legal ids are the same again
    top_k: int | None = None
    top_p: float | None = None


@dataclass(eq=False)
class Rows:
    """What B sequences are about to do and what they have done; written by steps, and by the host between."""

    kind: StepShape
    token: Tensor  # (B,) to append
    slot: Tensor  # (B,)
    position: Tensor  # (B,)
    count: Tensor  # (B,) steps done
    first: Tensor  # (B, turns) where in the span the legal ids begin, by turn
    keys: Tensor  # (B, STEPS) what the draw of each step is made from
    temperature: Tensor  # (B,)
    made: Tensor  # (B, STEPS) ids drawn
    last_p: Tensor  # (B, STEPS) how likely the last legal id was; NaN where the network returned NaN
    logits: Tensor  # (B, size) of the legal ids at the latest step
    offsets: Tensor  # (size,) 0, 1, 2, ...
    numbers: Tensor = field(repr=False)  # (B, n) the first six together

    @classmethod
    def empty(cls, count: int, kind: StepShape, device: torch.device) -> Rows:
        """For `count` sequences, all of them nobody's yet."""
        numbers = torch.zeros(count, 4 + kind.turns + STEPS, dtype=torch.int64, device=device)
        return cls(
            kind=kind,
            token=numbers[:, 0],
            slot=numbers[:, 1],
            position=numbers[:, 2],
            count=numbers[:, 3],
            first=numbers[:, 4:-STEPS],
            keys=numbers[:, -STEPS:],
            temperature=torch.zeros(count, device=device),
            made=torch.zeros(count, STEPS, dtype=torch.int64, device=device),
            last_p=torch.zeros(count, STEPS, device=device),
            logits=torch.zeros(count, kind.size, device=device),
            offsets=torch.arange(kind.size, device=device),
            numbers=numbers,
        )


def append(network: GPT, cache: Tensor, rows: Rows, reach: int) -> None:
    """One step of every row: append its token, and draw the next, which is appended in the step after.

    Args:
        network: the stage's network.
        cache: `Slots.tensor`.
        rows: read, and written for the next step.
        reach: positions that are looked at, more than the largest of the rows.
    """
    hidden = _hidden(network, cache, rows, reach)
    span = rows.kind.span
    head = network.lm_head.weight[span.start : span.stop]
    every = F.linear(hidden.to(head.dtype), head).float()  # (B, len(span))
    turn = (rows.count % rows.kind.turns)[:, None]
    begin = rows.first.gather(1, turn)  # (B, 1)
    rows.logits.copy_(every.gather(1, begin + rows.offsets))
    done = rows.count[:, None]
    index, last_p = _draw(rows.logits, rows.keys.gather(1, done), rows.temperature[:, None], rows.kind)
    token = index + begin + span.start
    rows.made.scatter_(1, done, token)
    rows.last_p.scatter_(1, done, last_p)
    rows.token.copy_(token[:, 0])
    rows.position.add_(1)
    rows.count.add_(1)


def _hidden(network: GPT, cache: Tensor, rows: Rows, reach: int) -> Tensor:
    """Final hidden states (B, D) of each row's token, whose keys and values go into the cache."""
    x: Tensor = network.wte(rows.token) + network.wpe(rows.position)
    ahead = torch.arange(reach, device=x.device) > rows.position[:, None]  # (B, reach)
    mask = torch.zeros_like(ahead, dtype=cache.dtype).masked_fill(ahead, -torch.inf)
    for layer, module in enumerate(network.h):
        block = cast(Block, module)
        x = x + _attend(block.attn, block.ln_1(x), cache[layer], rows, mask)
        x = x + block.mlp(block.ln_2(x))
    y: Tensor = network.ln_f(x)
    return y


def _attend(attention: Attention, x: Tensor, cache: Tensor, rows: Rows, mask: Tensor) -> Tensor:
    """`Attention.forward` for one position each (B, D) of sequences in slots of (2, slots, heads, ...)."""
    b, d = x.shape
    qkv = attention.c_attn(x).view(b, 3, attention.n_head, -1)  # (B, 3, heads, head size)
    cache[:, rows.slot, :, rows.position] = qkv[:, 1:]
    k, v = cache[:, :, :, : mask.shape[1]].index_select(1, rows.slot)  # (B, heads, reach, head size) each
    y = F.scaled_dot_product_attention(qkv[:, 0, :, None], k, v, attn_mask=mask[:, None, None])
    projected: Tensor = attention.c_proj(y.reshape(b, d))
    return projected


def _draw(logits: Tensor, keys: Tensor, temperature: Tensor, kind: StepShape) -> tuple[Tensor, Tensor]:
    """An index (B, 1) into each row of logits (B, V), and the probability (B, 1) of the last.

    As `sampling.probabilities` and `sampling.draw`, but for the noise, and temperatures (B, 1) of their own.
    """
    greedy = temperature == 0
    scaled = filtered(logits, kind.top_k, kind.top_p) / temperature.masked_fill(greedy, 1.0)
    p = torch.softmax(scaled, dim=-1)
    index = torch.where(greedy, logits, p / exponential(keys, logits.shape[1])).argmax(dim=-1, keepdim=True)
    last_p = p[:, -1:]
    is_last = (index == logits.shape[1] - 1).float()
    return index, torch.where(greedy & ~last_p.isnan(), is_last, last_p)


def filtered(logits: Tensor, top_k: int | None, top_p: float | None) -> Tensor:
    """`sampling.filtered`, where the logits (B, V) lie."""
    if top_p is not None:
        ordered, order = logits.sort(dim=-1, descending=True)
        past = torch.softmax(ordered, dim=-1).cumsum(dim=-1) > top_p
        dropped = torch.cat([torch.zeros_like(past[..., :1]), past[..., :-1]], dim=-1)
        logits = logits.masked_fill(torch.zeros_like(dropped).scatter(-1, order, dropped), -torch.inf)
    if top_k is None:
        return logits
    least = logits.topk(min(top_k, logits.shape[-1]), dim=-1).values[..., -1:]
    return logits.masked_fill(logits < least, -torch.inf)


def exponential(keys: Tensor, size: int) -> Tensor:
    """Exponentially distributed float32 (B, size), each row a function of its key (B, 1) and nothing else.

    A random generator on the device would give a sequence other numbers in other company, and one on the CPU
    cannot make ten thousand numbers in the time of a step. So key and column are hashed: SplitMix64.
    """
    z = keys + (torch.arange(size, device=keys.device) + 1) * -0x61C8864680B583EB  # int64 overflow wraps
    z = (z ^ _shifted(z, 30)) * -0x40A7B892E31B1A47
    z = (z ^ _shifted(z, 27)) * -0x6B2FB644ECCEEE15
    # 23 bits and a half fit into a float32: never 0 nor 1
    return -torch.log((_shifted(z ^ _shifted(z, 31), 41).float() + 0.5) * 2.0**-23)


def _shifted(z: Tensor, bits: int) -> Tensor:
    """Int64 moved to the right as if it had no sign."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)
