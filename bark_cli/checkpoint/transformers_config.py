"""The numbers of a Transformers folder: config.json and generation_config.json -> BarkConfig.

What generation_config.json does not give is Suno's. `do_sample` is not read: Bark always samples, and a
temperature of 0 is how to ask for argmax. What neither can say of a model, a section of our own does.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bark_cli.errors import ModelError, OptionError
from bark_cli.model.config import BarkConfig, CoarseConfig, CodecConfig, FineConfig, GPTConfig, SemanticConfig
from bark_cli.model.options import SamplingOptions, StageSampling

Values = Mapping[str, Any]
OWN = "bark_cli"  # our section of config.json: nested values of BarkConfig that count instead of theirs

# What encodec's SEANet is built with here; anything else would be another codec.
_FIXED_CODEC = {
    "audio_channels": 1,
    "normalize": False,
    "norm_type": "weight_norm",
    "pad_mode": "reflect",
    "kernel_size": 7,
    "residual_kernel_size": 3,
    "dilation_growth_rate": 2,
    "compress": 2,
    "trim_right_ratio": 1.0,
    "use_conv_shortcut": True,
}


def bark_config(folder: Path, values: Values, generation: Values) -> BarkConfig:
    """Our configuration of theirs.

    Raises:
        ModelError: a value has a type that no Bark has.
    """
    try:
        semantic, coarse, fine = (
            _section(generation, name)
            for name in ("semantic_config", "coarse_acoustics_config", "fine_acoustics_config")
        )
        codec = _section(values, "codec_config")
        codebook_size = generation.get("codebook_size", codec.get("codebook_size", 1024))
        semantic_config = _semantic_config(_section(values, "semantic_config"), semantic)
        fine_config = _fine_config(_section(values, "fine_acoustics_config"), fine, codebook_size)
        config = BarkConfig(
            semantic=semantic_config,
            coarse=_coarse_config(
                _section(values, "coarse_acoustics_config"), coarse, semantic_config.vocab_size, codebook_size
            ),
            fine=fine_config,
            codec=_codec_config(codec, fine_config.n_codebooks),
            sampling=_sampling(semantic, coarse, fine),
        )
        own = _section(values, OWN)
        return BarkConfig.from_dict(_merged(config.to_dict(), own)) if own else config
    except (TypeError, ValueError, AttributeError, OptionError) as error:
        raise ModelError(f"{folder} has a configuration that is not Bark's: {error}") from error


def _section(values: Values, name: str) -> Values:
    section = values.get(name) or {}
    if not isinstance(section, dict):
        raise ValueError(f"{name} is {section!r}")
    return section


def _merged(base: Values, own: Values) -> dict[str, Any]:
    """`base` with the values of `own`, however deep they lie, in place of its own."""
    nested = {name: _merged(base[name], value) for name, value in own.items() if _are_dicts(base, own, name)}
    return {**base, **own, **nested}


def _are_dicts(base: Values, own: Values, name: str) -> bool:
    return isinstance(base.get(name), dict) and isinstance(own[name], dict)


def _given(values: Values, names: Mapping[str, str]) -> dict[str, Any]:
    """Our name -> value, of those of their names that are given."""
    return {ours: values[theirs] for ours, theirs in names.items() if values.get(theirs) is not None}


def _gpt(values: Values, *, fine: bool = False) -> GPTConfig:
    bias = values.get("bias", True)
    return GPTConfig(
        n_layer=values.get("num_layers", 12),
        n_head=values.get("num_heads", 12),
        n_embd=values.get("hidden_size", 768),
        input_vocab_size=values.get("input_vocab_size", 10_048),
        output_vocab_size=values.get("output_vocab_size", 10_048),
        block_size=values.get("block_size", 1024),
        bias=bias,
        norm_bias=True if fine else bias,
        n_codes_total=values.get("n_codes_total", 8) if fine else 1,
        n_codes_given=values.get("n_codes_given", 1) if fine else 1,
    )


def _semantic_config(network: Values, generation: Values) -> SemanticConfig:
    names = {
        "vocab_size": "semantic_vocab_size",
        "rate_hz": "semantic_rate_hz",
        "pad_token": "eos_token_id",
        "text_offset": "text_encoding_offset",
        "text_pad_token": "text_pad_token",
        "infer_token": "semantic_infer_token",
        "max_text_tokens": "max_input_semantic_length",
        "max_history_tokens": "max_input_semantic_length",
        "max_new_tokens": "max_new_tokens",
    }
    given = _given(generation, names) | _given(generation, {"pad_token": "semantic_pad_token"})
    return SemanticConfig(gpt=_gpt(network), **given)


def _coarse_config(
    network: Values, generation: Values, semantic_vocab_size: int, codebook_size: int
) -> CoarseConfig:
    names = {
        "n_codebooks": "n_coarse_codebooks",
        "rate_hz": "coarse_rate_hz",
        "semantic_pad_token": "coarse_semantic_pad_token",
        "infer_token": "coarse_infer_token",
        "max_semantic_tokens": "max_coarse_input_length",
        "max_history_tokens": "max_coarse_history",
        "sliding_window_tokens": "sliding_window_len",
    }
    return CoarseConfig(
        gpt=_gpt(network),
        semantic_vocab_size=semantic_vocab_size,
        codebook_size=codebook_size,
        **_given(generation, names),
    )


def _fine_config(network: Values, generation: Values, codebook_size: int) -> FineConfig:
    names = {
        "window_frames": "max_fine_input_length",
        "hop_frames": "max_fine_history_length",
        "max_history_frames": "max_fine_history_length",
    }
    gpt = _gpt(network, fine=True)
    return FineConfig(
        gpt=gpt, n_codebooks=gpt.n_codes_total, codebook_size=codebook_size, **_given(generation, names)
    )


def _codec_config(values: Values, n_codebooks: int) -> CodecConfig:
    for name, ours in _FIXED_CODEC.items():
        if values.get(name, ours) != ours:
            raise ValueError(f"codec_config.{name} is {values[name]!r}, where EnCodec 24 kHz has {ours!r}")
    names = {
        "sample_rate": "sampling_rate",
        "codebook_size": "codebook_size",
        "dimension": "hidden_size",
        "n_filters": "num_filters",
        "ratios": "upsampling_ratios",
        "n_residual_layers": "num_residual_layers",
        "lstm": "num_lstm_layers",
        "causal": "use_causal_conv",
        "last_kernel_size": "last_kernel_size",
    }
    given = _given(values, names)
    if "ratios" in given:
        given["ratios"] = tuple(given["ratios"])
    return CodecConfig(n_codebooks=n_codebooks, **given)


def _sampling(semantic: Values, coarse: Values, fine: Values) -> SamplingOptions:
    suno = SamplingOptions()
    fine_sampling = _stage(fine, suno.fine)
    if fine_sampling.temperature == 1.0:  # Transformers takes 1 to mean argmax in the fine stage
        fine_sampling = StageSampling(temperature=0.0)
    return SamplingOptions(
        semantic=_stage(semantic, suno.semantic),
        coarse=_stage(coarse, suno.coarse),
        fine=fine_sampling,
        min_eos_p=semantic.get("min_eos_p", suno.min_eos_p),
    )


def _stage(values: Values, default: StageSampling) -> StageSampling:
    temperature, top_p = values.get("temperature"), values.get("top_p")
    return StageSampling(
        temperature=default.temperature if temperature is None else temperature,
        top_k=values.get("top_k") or None,  # 0 switches it off there
        top_p=None if top_p == 1.0 else top_p,
    )
