"""What a configuration calls for: BarkConfig -> name and shape of every tensor, without torch."""

from __future__ import annotations

from collections.abc import Iterator

from bark_cli.model.config import BarkConfig, CodecConfig, GPTConfig
from bark_cli.model.decoder import CODEBOOK_NAME, decoder_layers

Shape = tuple[int, ...]


def expected_shapes(config: BarkConfig) -> dict[str, Shape]:
    """Name and shape of every tensor that `config` calls for."""
    parts = {
        "codec": _codec(config.codec),
        "semantic": _causal(config.semantic.gpt),
        "coarse": _causal(config.coarse.gpt),
        "fine": _fine(config.fine.gpt),
    }
    return {f"{part}.{name}": shape for part, named in parts.items() for name, shape in named}


def _causal(gpt: GPTConfig) -> Iterator[tuple[str, Shape]]:
    """`bark_cli.model.networks.GPT`."""
    yield "wte.weight", (gpt.input_vocab_size, gpt.n_embd)
    yield from _stack(gpt)
    yield "lm_head.weight", (gpt.output_vocab_size, gpt.n_embd)


def _fine(gpt: GPTConfig) -> Iterator[tuple[str, Shape]]:
    """`bark_cli.model.networks.FineGPT`; a head that is tied to a table is no tensor of its own."""
    for i in range(gpt.n_codes_total):
        yield f"wtes.{i}.weight", (gpt.input_vocab_size, gpt.n_embd)
    yield from _stack(gpt)
    if gpt.input_vocab_size != gpt.output_vocab_size:
        for i in range(gpt.n_codes_total - gpt.n_codes_given):
            yield f"lm_heads.{i}.weight", (gpt.output_vocab_size, gpt.n_embd)


def _stack(gpt: GPTConfig) -> Iterator[tuple[str, Shape]]:
    width = gpt.n_embd
    yield "wpe.weight", (gpt.block_size, width)
    for i in range(gpt.n_layer):
        yield from _norm(f"h.{i}.ln_1", gpt)
        yield from _linear(f"h.{i}.attn.c_attn", 3 * width, width, gpt)
        yield from _linear(f"h.{i}.attn.c_proj", width, width, gpt)
        yield from _norm(f"h.{i}.ln_2", gpt)
        yield from _linear(f"h.{i}.mlp.c_fc", 4 * width, width, gpt)
        yield from _linear(f"h.{i}.mlp.c_proj", width, 4 * width, gpt)
    yield from _norm("ln_f", gpt)


def _norm(name: str, gpt: GPTConfig) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", (gpt.n_embd,)
    if gpt.norm_bias:
        yield f"{name}.bias", (gpt.n_embd,)


def _linear(name: str, outputs: int, inputs: int, gpt: GPTConfig) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", (outputs, inputs)
    if gpt.bias:
        yield f"{name}.bias", (outputs,)


def _codec(config: CodecConfig) -> Iterator[tuple[str, Shape]]:
    for layer in decoder_layers(config):
        yield from layer.shapes.items()
    for i in range(config.n_codebooks):
        yield CODEBOOK_NAME.format(i), (config.codebook_size, config.dimension)
