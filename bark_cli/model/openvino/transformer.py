"""Bark's transformers as graphs: ids -> logits, what `model.networks` computes.

The causal graph serves prompts and steps alike; keys and values are its state, (B, heads, L, head size) of
each layer. Sequences of unequal length lie side by side in it: each begins at its own `start`, and what lies
before that is masked.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino as ov
from openvino import opset15 as ops

from bark_cli.model.config import GPTConfig
from bark_cli.model.openvino.ops import (
    Node,
    heads,
    integers,
    joined,
    length,
    normalized,
    number,
    parameter,
    result,
    row,
    variable,
)
from bark_cli.model.openvino.weights import GraphWeights


def causal_graph(config: GPTConfig, weights: GraphWeights, name: str) -> ov.Model:
    """The network of the semantic or coarse stage.

    Inputs: ids (B, T), which follow what the state holds; merged (B, M), whose embeddings are added to those
    of the first M ids; start (B,), where in the state each sequence begins; beam_idx (B,), which row of the
    state each row of the batch goes on. Output: logits (B, V) of the token after the last.
    """
    ids, merged = parameter("ids", [-1, -1]), parameter("merged", [-1, -1])
    start, order = parameter("start", [-1]), parameter("beam_idx", [-1], np.int32)
    state = _State(config, batch=length(ids, 0), order=order)
    before, new = length(state.past[0][0], 2), length(ids, 1)
    queries = ops.range(before, ops.add(before, new), integers(1), "i64")  # (T,) places in the state
    mask = _mask(queries, ops.range(integers(0), ops.add(before, new), integers(1), "i64"), start)
    places = ops.subtract(ops.unsqueeze(queries, integers(0)), ops.unsqueeze(start, integers(1)))
    x = ops.add(weights.table("wte.weight", ids), _widened(weights.table("wte.weight", merged), merged, new))
    x = ops.add(x, weights.table("wpe.weight", places))
    for layer in range(config.n_layer):
        x = _block(x, config, weights, layer, state, mask)
    last = ops.gather(x, integers(-1), integers(1))  # (B, D)
    hidden = _norm(last, weights, "ln_f")
    logits = ops.matmul(hidden, weights.matrix("lm_head.weight"), False, True)
    inputs = [ids, merged, start, order]
    return ov.Model([result("logits", logits)], state.kept, inputs, state.variables, name)


def fine_graph(config: GPTConfig, weights: GraphWeights, name: str) -> ov.Model:
    """The network of the fine stage, for every codebook.

    Inputs: codes (B, T, codebooks); codebook (), which one is wanted; first (), from which frame on.
    Output: logits (B, T - first, V).
    """
    codes = parameter("codes", [-1, -1, config.n_codes_total])
    codebook, first = parameter("codebook", []), parameter("first", [])
    zero = integers(0)
    x = weights.table("wpe.weight", ops.range(zero, length(codes, 1), integers(1), "i64"))
    for i in range(config.n_codes_total):
        embedded = weights.table(f"wtes.{i}.weight", ops.gather(codes, integers(i), integers(2)))
        counts = ops.convert(ops.less_equal(integers(i), codebook), "f32")  # later ones are not seen
        x = ops.add(x, ops.multiply(embedded, counts))
    for layer in range(config.n_layer):
        x = _block(x, config, weights, layer)
    x = ops.slice(x, row(first), row(length(x, 1)), integers([1]), integers([1]))
    given = config.n_codes_given
    tied = config.input_vocab_size == config.output_vocab_size
    names = [
        f"wtes.{i}.weight" if tied else f"lm_heads.{i - given}.weight"
        for i in range(given, config.n_codes_total)
    ]
    head = weights.one_of(names, ops.subtract(codebook, integers(given)))
    logits = ops.matmul(_norm(x, weights, "ln_f"), head, False, True)
    return ov.Model([result("logits", logits)], [codes, codebook, first], name)


class _State:
    """Keys and values of every layer, rows of which the batch goes on."""

    def __init__(self, config: GPTConfig, batch: Node, order: Node) -> None:
        n_head, head_size = config.n_head, config.n_embd // config.n_head
        empty = ops.broadcast(number(0), row(batch, n_head, 0, head_size))
        self.past: list[list[Node]] = []
        self.kept: list[Node] = []  # what is written
        self.variables: list[Any] = []
        for layer in range(config.n_layer):
            pair = [variable(f"{what}.{layer}", [-1, n_head, -1, head_size]) for what in ("keys", "values")]
            self.variables += pair
            self.past.append([ops.gather(ops.read_value(empty, one), order, integers(0)) for one in pair])

    def extended(self, layer: int, keys: Node, values: Node) -> tuple[Node, Node]:
        """The past of a layer and what comes now, which are kept."""
        both = [ops.concat([old, new], 2) for old, new in zip(self.past[layer], (keys, values), strict=True)]
        own = self.variables[2 * layer :][:2]
        self.kept += [ops.assign(whole, one) for whole, one in zip(both, own, strict=True)]
        return both[0], both[1]


def _block(
    x: Node,
    config: GPTConfig,
    weights: GraphWeights,
    layer: int,
    state: _State | None = None,
    mask: Node | None = None,
) -> Node:
    """One block of a transformer, (B, T, D) -> (B, T, D)."""
    at, width = f"h.{layer}", config.n_embd
    qkv = ops.split(_linear(_norm(x, weights, f"{at}.ln_1"), weights, f"{at}.attn.c_attn"), integers(2), 3)
    q, k, v = (heads(part, config.n_head, width // config.n_head) for part in qkv.outputs())
    if state is not None:
        k, v = state.extended(layer, k, v)
    attended = joined(ops.scaled_dot_product_attention(q, k, v, mask), width)
    x = ops.add(x, _linear(attended, weights, f"{at}.attn.c_proj"))
    wide = ops.gelu(_linear(_norm(x, weights, f"{at}.ln_2"), weights, f"{at}.mlp.c_fc"), "ERF")
    return ops.add(x, _linear(wide, weights, f"{at}.mlp.c_proj"))


def _linear(x: Node, weights: GraphWeights, name: str) -> Node:
    y, bias = ops.matmul(x, weights.matrix(f"{name}.weight"), False, True), weights.optional(f"{name}.bias")
    return y if bias is None else ops.add(y, bias)


def _norm(x: Node, weights: GraphWeights, name: str) -> Node:
    return normalized(x, weights.plain(f"{name}.weight"), weights.optional(f"{name}.bias"))


def _mask(queries: Node, keys: Node, start: Node) -> Node:
    """What is added to scores (B, 1, T, L): 0 where a position sees another of its sequence, else -inf."""
    before = ops.less_equal(keys, ops.unsqueeze(queries, integers([0, 1, 3])))  # (1, 1, T, L)
    own = ops.greater_equal(
        ops.unsqueeze(keys, integers([0, 1, 2])), ops.unsqueeze(start, integers([1, 2, 3]))
    )
    return ops.select(ops.logical_and(before, own), number(0), number(-np.inf))


def _widened(embedded: Node, ids: Node, size: Node) -> Node:
    """Embeddings (B, M, D) of ids (B, M), with zeros after them, (B, T, D)."""
    after = row(0, ops.subtract(size, length(ids, 1)), 0)
    return ops.pad(embedded, integers([0, 0, 0]), after, "constant", number(0))
