"""What Bark's GGUF files call things: keys <-> BarkConfig, and their names of tensors <-> ours.

After CrispASR (src/bark_tts.cpp and models/convert-bark-to-gguf.py), who made the first of these files.
What no key says is Suno's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from bark_cli.model.config import BarkConfig, CoarseConfig, CodecConfig, FineConfig, GPTConfig, SemanticConfig
from bark_cli.model.decoder import CODEBOOK_NAME

ARCHITECTURE = "bark"
PARTS = {"semantic": "text", "coarse": "coarse", "fine": "fine", "codec": "encodec"}
MATRICES = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")  # of a block: all that is ever below f16
_LAYER_NAMES = {
    "ln_1": "attn_norm",
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    "ln_2": "ffn_norm",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
}
_CAUSAL_NAMES = {"wte": "token_embd", "wpe": "pos_embd", "ln_f": "output_norm", "lm_head": "output"}
_FINE_NAMES = {"wtes": "token_embd", "wpe": "pos_embd", "ln_f": "output_norm", "lm_heads": "output"}
_LINEAR_BIAS, _NORM_BIAS = "blk.0.attn_qkv.bias", "output_norm.bias"
# our field -> their key
_GPT_KEYS = {name: name for name in ("n_layer", "n_head", "n_embd", "block_size")}
_GPT_KEYS |= {name: name for name in ("input_vocab_size", "output_vocab_size")}
_FINE_KEYS = {name: name for name in ("n_codes_total", "n_codes_given")}
_SEMANTIC_KEYS = {
    "vocab_size": "semantic_vocab_size",
    "pad_token": "semantic_pad_token",
    "text_offset": "text_encoding_offset",
    "text_pad_token": "text_pad_token",
    "infer_token": "semantic_infer_token",
}
_COARSE_KEYS = {
    "semantic_vocab_size": "semantic_vocab_size",
    "codebook_size": "codebook_size",
    "n_codebooks": "n_coarse_codebooks",
    "semantic_pad_token": "coarse_semantic_pad_token",
    "infer_token": "coarse_infer_token",
}
_FINE_STAGE_KEYS = {"codebook_size": "codebook_size", "n_codebooks": "n_fine_codebooks"}
_CODEC_KEYS = {
    "sample_rate": "sample_rate",
    "n_codebooks": "n_codebooks",
    "codebook_size": "codebook_size",
    "dimension": "codebook_dim",
    "n_filters": "n_filters",
    "lstm": "lstm_layers",
    "ratios": "ratios",
}
_MAX_RATIOS, _MAX_RATIO = 8, 64
_CODEC_KERNEL = 7  # of the first and the last convolution, which the keys cannot tell apart

Keys = Mapping[str, Any]  # numbers, strings, and tuples of numbers


def keys_of(config: BarkConfig) -> dict[str, Any]:
    """All that the keys can say of a model, by their names."""
    keys: dict[str, Any] = {}
    for ours, theirs in (("semantic", "text"), ("coarse", "coarse"), ("fine", "fine")):
        gpt = getattr(config, ours).gpt
        names = _GPT_KEYS | (_FINE_KEYS if ours == "fine" else {})
        keys |= _said(gpt, names, f"bark.{theirs}.")
    keys |= {"bark.sample_rate": config.codec.sample_rate}
    keys |= _said(config.semantic, _SEMANTIC_KEYS, "bark.")
    keys |= _said(config.coarse, _COARSE_KEYS, "bark.")
    keys |= _said(config.fine, _FINE_STAGE_KEYS, "bark.")
    keys |= _said(config.codec, _CODEC_KEYS, "bark.encodec.")
    return keys | {"bark.encodec.kernel_size": _CODEC_KERNEL}


def config_of(keys: Keys, tensors: Collection[str]) -> BarkConfig:
    """The configuration that a file's keys say; which parts have biases, the names of its tensors do.

    Raises:
        TypeError, ValueError: a key is missing without which there is no Bark, or is not a number.
    """
    fine = _gpt_config(keys, "fine", tensors)
    fine_config = FineConfig(
        gpt=fine, **{"n_codebooks": fine.n_codes_total} | _found(keys, _FINE_STAGE_KEYS, "bark.")
    )
    codec = _codec_config(keys, fine_config)
    return BarkConfig(
        semantic=SemanticConfig(
            gpt=_gpt_config(keys, "text", tensors), **_found(keys, _SEMANTIC_KEYS, "bark.")
        ),
        coarse=CoarseConfig(
            gpt=_gpt_config(keys, "coarse", tensors),
            rate_hz=codec.sample_rate / codec.hop,
            **_found(keys, _COARSE_KEYS, "bark."),
        ),
        fine=fine_config,
        codec=codec,
    )


def names_of_biases(config: BarkConfig) -> set[str]:
    """Of the tensors that tell whether a part has biases, those that a model has."""
    stages = [(PARTS[stage], getattr(config, stage).gpt) for stage in PARTS if stage != "codec"]
    linear = {f"{theirs}.{_LINEAR_BIAS}" for theirs, gpt in stages if gpt.bias}
    return linear | {f"{theirs}.{_NORM_BIAS}" for theirs, gpt in stages if gpt.norm_bias}


def our_name(theirs: str) -> str:
    """Our name of a tensor; one that is not Bark's keeps its own."""
    prefix, _, rest = theirs.partition(".")
    part = next((ours for ours, name in PARTS.items() if name == prefix), None)
    if part is None:
        return theirs
    if part == "codec":
        return f"codec.{_our_codec_name(rest)}"
    pieces = rest.split(".")
    if pieces[0] == "blk" and len(pieces) == 4:
        return f"{part}.h.{pieces[1]}.{_ours(_LAYER_NAMES, pieces[2])}.{pieces[3]}"
    return ".".join([part, _ours(_names(part), pieces[0]), *pieces[1:]])


def their_name(ours: str) -> str:
    """The name that a tensor of ours has in a GGUF file."""
    part, _, rest = ours.partition(".")
    prefix, pieces = PARTS[part], rest.split(".")
    if part == "codec":
        if pieces[0] == "quantizer":
            return f"{prefix}.quantizer.{pieces[3]}.embed"
        return f"{prefix}.{rest.replace('decoder.model.', 'decoder.', 1)}"
    if pieces[0] == "h":
        layer = _LAYER_NAMES[".".join(pieces[2:-1])]
        return f"{prefix}.blk.{pieces[1]}.{layer}.{pieces[-1]}"
    return ".".join([prefix, _names(part)[pieces[0]], *pieces[1:]])


def _names(part: str) -> dict[str, str]:
    return _FINE_NAMES if part == "fine" else _CAUSAL_NAMES


def _ours(names: Mapping[str, str], theirs: str) -> str:
    return next((our for our, name in names.items() if name == theirs), theirs)


def _our_codec_name(name: str) -> str:
    pieces = name.split(".")
    if pieces[0] == "quantizer" and len(pieces) == 3 and pieces[2] == "embed":
        return CODEBOOK_NAME.format(pieces[1])
    return name.replace("decoder.", "decoder.model.", 1) if pieces[0] == "decoder" else name


def _said(part: object, names: Mapping[str, str], prefix: str) -> dict[str, Any]:
    return {f"{prefix}{theirs}": getattr(part, ours) for ours, theirs in names.items()}


def _found(keys: Keys, names: Mapping[str, str], prefix: str) -> dict[str, Any]:
    """Our fields -> values, of those that the keys give."""
    return {ours: keys[prefix + theirs] for ours, theirs in names.items() if prefix + theirs in keys}


def _gpt_config(keys: Keys, theirs: str, tensors: Collection[str]) -> GPTConfig:
    names = _GPT_KEYS | (_FINE_KEYS if theirs == "fine" else {})
    values = _found(keys, names, f"bark.{theirs}.")
    if theirs == "fine":
        values = {"n_codes_total": 8} | values
    if lacking := [name for name in names if name not in {"block_size": 1, **_FINE_KEYS, **values}]:
        raise ValueError(f"it has no key bark.{theirs}.{lacking[0]}")
    return GPTConfig(
        bias=f"{theirs}.{_LINEAR_BIAS}" in tensors,
        norm_bias=f"{theirs}.{_NORM_BIAS}" in tensors,
        **values,
    )


def _codec_config(keys: Keys, fine: FineConfig) -> CodecConfig:
    shared = {"n_codebooks": fine.n_codebooks, "codebook_size": fine.codebook_size}
    shared |= _found(keys, {"sample_rate": "sample_rate"}, "bark.")
    values = shared | _found(keys, _CODEC_KEYS, "bark.encodec.")
    ratios = values.get("ratios", CodecConfig().ratios)
    few = isinstance(ratios, tuple) and 0 < len(ratios) <= _MAX_RATIOS
    if not few or not all(type(ratio) is int and 0 < ratio <= _MAX_RATIO for ratio in ratios):
        raise ValueError(f"bark.encodec.ratios is {ratios!r}, expected a few numbers")
    kernel = keys.get("bark.encodec.kernel_size", _CODEC_KERNEL)
    if kernel != _CODEC_KERNEL:
        raise ValueError(f"bark.encodec.kernel_size is {kernel!r}, where EnCodec 24 kHz has {_CODEC_KERNEL}")
    return CodecConfig(**values)
