"""The two networks of Bark: token ids (B, T) -> logits over the vocabulary.

After nanoGPT's model.py and suno-ai/bark's model.py and model_fine.py; parameter names are theirs without the
leading `transformer.`. One `Block` serves both: the causal flag is the only difference.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bark_cli.model.config import GPTConfig


@dataclass
class KVCache:
    """Keys and values of the positions seen so far, in memory taken once.

    Both (layers, B, heads, block, head size).
    """

    keys: Tensor
    values: Tensor
    length: int = 0  # filled positions

    @classmethod
    def empty(cls, config: GPTConfig, batch: int, like: Tensor) -> KVCache:
        """An empty cache on the device and in the type of `like`."""
        head_size = config.n_embd // config.n_head
        shape = (config.n_layer, batch, config.n_head, config.block_size, head_size)
        return cls(keys=like.new_empty(shape), values=like.new_empty(shape))

    def update(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store (B, heads, T, head size) after the filled part; return views of all that is filled then."""
        end = self.length + keys.shape[2]
        self.keys[layer, :, :, self.length : end] = keys
        self.values[layer, :, :, self.length : end] = values
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]


class Table(nn.Embedding):
    """An embedding with nanoGPT's small first weights."""

    def reset_parameters(self) -> None:
        """Draw them, except on the meta device, where torch would import its compiler for it: two seconds."""
        if not self.weight.is_meta:
            nn.init.normal_(self.weight, std=0.02)


class Attention(nn.Module):
    """Multi-head self-attention with fused q/k/v."""

    def __init__(self, config: GPTConfig, layer: int, causal: bool) -> None:
        super().__init__()
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd, bias=config.bias)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)
        self.n_head, self.layer, self.causal = config.n_head, layer, causal

    def forward(self, x: Tensor, cache: KVCache | None = None) -> Tensor:
        """(B, T, D) -> (B, T, D); with a cache, T positions after those it holds."""
        b, t, d = x.shape
        q, k, v = (
            part.view(b, t, self.n_head, d // self.n_head).transpose(1, 2)  # (B, heads, T, head size)
            for part in self.c_attn(x).split(d, dim=2)
        )
        if cache is not None:
            k, v = cache.update(self.layer, k, v)
        # A single query sees everything before it; SDPA's causal mask would align it with the first key.
        y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal and t > 1)
        projected: Tensor = self.c_proj(y.transpose(1, 2).reshape(b, t, d))
        return projected


class MLP(nn.Module):
    """Two linear layers around an exact GELU."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.c_fc = nn.Linear(config.n_embd, 4 * config.n_embd, bias=config.bias)
        self.c_proj = nn.Linear(4 * config.n_embd, config.n_embd, bias=config.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        y: Tensor = self.c_proj(F.gelu(self.c_fc(x)))
        return y


class Block(nn.Module):
    """Pre-norm transformer block, (B, T, D) -> (B, T, D)."""

    def __init__(self, config: GPTConfig, layer: int, causal: bool) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.n_embd, bias=config.norm_bias)
        self.attn = Attention(config, layer, causal)
        self.ln_2 = nn.LayerNorm(config.n_embd, bias=config.norm_bias)
        self.mlp = MLP(config)

    def forward(self, x: Tensor, cache: KVCache | None = None) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        x = x + self.attn(self.ln_1(x), cache)
        y: Tensor = x + self.mlp(self.ln_2(x))
        return y


class GPT(nn.Module):
    """Causal transformer of the semantic and coarse stages."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.wte = Table(config.input_vocab_size, config.n_embd)
        self.wpe = Table(config.block_size, config.n_embd)
        self.h = nn.ModuleList(Block(config, i, causal=True) for i in range(config.n_layer))
        self.ln_f = nn.LayerNorm(config.n_embd, bias=config.norm_bias)
        self.lm_head = nn.Linear(config.n_embd, config.output_vocab_size, bias=False)

    def new_cache(self) -> KVCache:
        """An empty cache for one sequence, in the type of the keys and values."""
        weight: Tensor = self.h[0].attn.c_attn.weight  # type: ignore[union-attr, assignment]
        return KVCache.empty(self.config, batch=1, like=weight)

    def hidden(self, ids: Tensor, merged: Tensor | None = None, cache: KVCache | None = None) -> Tensor:
        """Final hidden states (B, T, D) of ids (B, T).

        The embeddings of `merged` (B, M) are added to those of the first M positions: Bark lays the semantic
        history over the text that way. A cache must be empty, or T must be 1.
        """
        start = cache.length if cache is not None else 0
        x = self.wte(ids)  # (B, T, D)
        if merged is not None:
            x = torch.cat([x[:, : merged.shape[1]] + self.wte(merged), x[:, merged.shape[1] :]], dim=1)
        x = x + self.wpe.weight[start : start + ids.shape[1]]
        for block in self.h:
            x = block(x, cache)
        if cache is not None:
            cache.length += ids.shape[1]
        y: Tensor = self.ln_f(x)
        return y

    def forward(self, ids: Tensor, merged: Tensor | None = None, cache: KVCache | None = None) -> Tensor:
        """Logits (B, V) of the token after the last position."""
        logits: Tensor = self.lm_head(self.hidden(ids, merged, cache)[:, -1])
        return logits


class FineGPT(nn.Module):
    """Non-causal transformer of the fine stage; heads are tied to the embeddings of what they predict."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.config = config
        self.wtes = nn.ModuleList(
            Table(config.input_vocab_size, config.n_embd) for _ in range(config.n_codes_total)
        )
        self.wpe = Table(config.block_size, config.n_embd)
        self.h = nn.ModuleList(Block(config, i, causal=False) for i in range(config.n_layer))
        self.ln_f = nn.LayerNorm(config.n_embd, bias=config.norm_bias)
        self.lm_heads = nn.ModuleList(
            nn.Linear(config.n_embd, config.output_vocab_size, bias=False)
            for _ in range(config.n_codes_given, config.n_codes_total)
        )
        self.tie_heads()

    @property
    def has_tied_heads(self) -> bool:
        """Whether inputs and outputs share one vocabulary, as in every Bark, and so one table."""
        return self.config.input_vocab_size == self.config.output_vocab_size

    def tie_heads(self) -> None:
        """Let each head be the table of the codebook it predicts; again after tables were assigned."""
        if self.has_tied_heads:
            for head, table in zip(self.lm_heads, list(self.wtes)[self.config.n_codes_given :], strict=True):
                head.weight = table.weight

    def forward(self, codebook: int, codes: Tensor, first: int = 0) -> Tensor:
        """Logits (B, T - first, V) of one codebook from codes (B, T, codebooks), from frame `first` on.

        Embeddings of codebooks 0 .. codebook are summed; the one to be predicted holds the placeholder id
        where nothing is known yet.
        """
        x = self.wpe.weight[: codes.shape[1]] + torch.stack(
            [self.wtes[i](codes[:, :, i]) for i in range(codebook + 1)]
        ).sum(dim=0)
        for block in self.h:
            x = block(x)
        logits: Tensor = self.lm_heads[codebook - self.config.n_codes_given](self.ln_f(x))
        return logits[:, first:]
