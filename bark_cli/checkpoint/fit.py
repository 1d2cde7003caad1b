"""Whether a layout can hold a model: configuration and layout -> why not, in words, or None."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Literal

from bark_cli.checkpoint.gguf_keys import config_of, keys_of, names_of_biases
from bark_cli.model.config import BarkConfig, CoarseConfig, CodecConfig, FineConfig, SemanticConfig

LayoutName = Literal["native", "transformers", "suno", "gguf", "openvino"]
LAYOUTS: tuple[LayoutName, ...] = ("native", "transformers", "suno", "gguf", "openvino")


def misfit(config: BarkConfig, layout: LayoutName) -> str | None:
    """The first reason for which another program would not speak as this model does from that layout."""
    if layout == "native":
        return None
    if layout == "openvino":
        return None if config.codec.causal else "its codec is not causal, where the layout's is"
    if layout == "gguf":
        rules = _said_rules(config, gguf_config(config))
    elif layout == "suno":
        rules = [*_shared_rules(config), *_said_rules(config, suno_config(config))]
    else:
        rules = [*_shared_rules(config), *_transformers_rules(config)]
    return next((why for holds, why in rules if not holds), None)


def layouts_for(config: BarkConfig) -> list[LayoutName]:
    """The layouts that can hold it."""
    return [layout for layout in LAYOUTS if misfit(config, layout) is None]


def unsaid(wanted: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    """What of a configuration, as nested values, another one of the same form does not say."""
    found: dict[str, Any] = {}
    for name, value in wanted.items():
        if isinstance(value, dict) and isinstance(said[name], dict):
            if inner := unsaid(value, said[name]):
                found[name] = inner
        elif value != said[name]:
            found[name] = value
    return found


def suno_config(config: BarkConfig) -> BarkConfig:
    """What Suno's files would say of the model: the shape of its networks, and Suno's vocabulary."""
    books = config.fine.gpt.n_codes_total
    return BarkConfig(
        semantic=SemanticConfig(gpt=config.semantic.gpt),
        coarse=CoarseConfig(gpt=config.coarse.gpt),
        fine=FineConfig(gpt=config.fine.gpt, n_codebooks=books),
        codec=CodecConfig(n_codebooks=books),
    )


def gguf_config(config: BarkConfig) -> BarkConfig:
    """What a GGUF file would say of the model."""
    return config_of(keys_of(config), names_of_biases(config))


def _shared_rules(config: BarkConfig) -> Iterator[tuple[bool, str]]:
    """What both programs' networks take for granted."""
    for stage in ("semantic", "coarse"):
        gpt = getattr(config, stage).gpt
        yield (
            gpt.norm_bias == gpt.bias,
            f"{stage} norms have biases and its linear layers have none, or the reverse",
        )
    fine = config.fine.gpt
    yield fine.norm_bias, "its fine norms have no biases, where the layout has them"
    tied = fine.input_vocab_size == fine.output_vocab_size
    yield tied, "its fine heads are their own, where the layout takes a codebook's embedding"


def _transformers_rules(config: BarkConfig) -> Iterator[tuple[bool, str]]:
    semantic, coarse, fine = config.semantic, config.coarse, config.fine
    given, there = fine.gpt.n_codes_given, "where the layout has"
    history, text = semantic.max_history_tokens, semantic.max_text_tokens
    yield history in (0, text), f"its semantic history has {history} tokens, {there} the text's {text}"
    yield coarse.n_codebooks == 2, f"its coarse stage makes {coarse.n_codebooks} codebooks, {there} 2"
    yield given == 1, f"its fine stage is given {given} codebooks, {there} 1"
    history, hop = fine.max_history_frames, fine.hop_frames
    yield history == hop, f"its fine history has {history} frames, {there} a hop's {hop}"


def _said_rules(config: BarkConfig, saying: BarkConfig) -> list[tuple[bool, str]]:
    """What the layout would have the model be, beside what it is."""
    said, wanted = asdict(saying), asdict(config)
    parts = ("semantic", "coarse", "fine", "codec")
    differing = [
        (f"{part} {name}", value, said[part][name])
        for part in parts
        for name, value in unsaid(wanted[part], said[part]).items()
    ]
    more = f" ({len(differing) - 1} more numbers differ)" if len(differing) > 1 else ""
    return [
        (False, f"its {name} is {value}, where the layout has {fixed}{more}")
        for name, value, fixed in differing
    ]
