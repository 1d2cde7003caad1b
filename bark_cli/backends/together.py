"""Steps of several sequences in float32 or bfloat16: ids (n,), caches -> hidden states (n, D), each as alone.

torch's products of rows change in their last bits with the number of rows; those of csrc/floats.c do not, and
read a matrix once for all. What torch still computes here it computes row by row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bark_cli.backends import kernel
from bark_cli.backends.memory import midst
from bark_cli.backends.threads import threads_for
from bark_cli.backends.trial import Step
from bark_cli.model.networks import GPT, Attention, Block, KVCache

_TYPES = (torch.float32, torch.bfloat16)


def can_go_together(network: GPT, device: torch.device) -> bool:
    """Whether there is compiled code for the rows of this network."""
    weight = cast(Block, network.h[0]).attn.c_attn.weight
    return device.type == "cpu" and weight.dtype in _TYPES and kernel.compiled() is not None


def step(network: GPT, ids: Sequence[int], caches: Sequence[KVCache]) -> Tensor:
    """Final hidden states (n, D) of one more id of each sequence, whose keys and values go into its cache."""
    x: Tensor = network.wte(torch.tensor(ids)) + network.wpe.weight[[cache.length for cache in caches]]
    for module in network.h:
        block = cast(Block, module)
        x = x + _attend(block.attn, block.ln_1(x), caches)
        # torch computes what is left over of a vector by another function: so each row is one by itself
        wide = [F.gelu(row) for row in product(block.mlp.c_fc, block.ln_2(x))]
        x = x + product(block.mlp.c_proj, torch.stack(wide))
    for cache in caches:
        cache.length += 1
    y: Tensor = network.ln_f(x)
    return y


def trial(network: GPT, most: int) -> Step:
    """Steps to be tried, of n <= `most` sequences."""
    caches = [network.new_cache() for _ in range(most)]
    place = midst(network.config, most, caches[0].keys.element_size())
    for cache in caches:  # memory that was never written is not there, and is read in no time
        cache.keys[:, :, :, : place + 1].zero_()
        cache.values[:, :, :, : place + 1].zero_()

    @torch.inference_mode()
    def steps(count: int) -> None:
        for cache in caches[:count]:
            cache.length = place
        step(network, [0] * count, caches[:count])

    return steps


def product(layer: nn.Module, x: Tensor) -> Tensor:
    """A linear layer (R, C) of rows (n, C) -> (n, R) in its type."""
    weight, bias = cast(Tensor, layer.weight), cast("Tensor | None", layer.bias)
    return rows_times(weight, x, bias)


def rows_times(weight: Tensor, x: Tensor, bias: Tensor | None = None) -> Tensor:
    """x (n, C) times a float32 or bfloat16 matrix (R, C) -> (n, R) in its type, summed in float32."""
    x = x.to(weight.dtype).float().contiguous()
    weight, bias = weight.contiguous(), None if bias is None else bias.float()
    y = torch.empty(len(x), len(weight))
    code = kernel.compiled()
    assert code is not None  # can_go_together
    code.bark_floats(
        weight.data_ptr(), weight.dtype == torch.bfloat16, None if bias is None else bias.data_ptr(),
        *weight.shape, len(x), x.data_ptr(), y.data_ptr(), threads_for(x.shape[1], len(x)),
    )  # fmt: skip
    return y.to(weight.dtype)


def _attend(attention: Attention, x: Tensor, caches: Sequence[KVCache]) -> Tensor:
    """`Attention.forward` for one position (n, D) of each of n sequences."""
    found = []
    for row, cache in zip(product(attention.c_attn, x), caches, strict=True):
        # a copy begins where a cache line does: MKL adds in another order elsewhere
        q, k, v = row.clone().view(3, 1, attention.n_head, 1, -1)  # (1, heads, 1, head size) each
        k, v = cache.update(attention.layer, k, v)
        found.append(F.scaled_dot_product_attention(q, k, v).flatten())
    return product(attention.c_proj, torch.stack(found))
