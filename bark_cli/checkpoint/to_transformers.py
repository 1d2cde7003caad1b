"""Checkpoint -> Transformers' BarkModel: config.json, generation_config.json, model.safetensors.

After transformers' models/bark and models/encodec. What their numbers do not say of a model stands in
config.json under "bark_cli", where they leave it alone and our reader finds it.
"""

from __future__ import annotations

import json
import math
import stat
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from bark_cli.checkpoint.encodec import encodec_state
from bark_cli.checkpoint.fit import unsaid
from bark_cli.checkpoint.record import Checkpoint
from bark_cli.checkpoint.transformers import GPT_NAMES, PARTS
from bark_cli.checkpoint.transformers_config import OWN, bark_config
from bark_cli.model.config import BarkConfig, CodecConfig, GPTConfig
from bark_cli.model.options import STAGES, StageSampling

_OUR_GPT_NAMES = {ours: theirs for theirs, ours in GPT_NAMES.items()}
_OUR_PARTS = {ours: theirs for theirs, ours in PARTS.items()}
_SPECIAL = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
_SPECIAL |= {"mask_token": "[MASK]"}


def write_transformers(checkpoint: Checkpoint, folder: Path, dtype: torch.dtype = torch.float32) -> None:
    """Write a model that `misfit` lets pass into `folder`, which must exist; weights are stored as `dtype`.

    Raises:
        OSError, SafetensorError: the disk refuses.
    """
    values, generation = _values(checkpoint.config)
    values["dtype"] = str(dtype).removeprefix("torch.")
    _write_json(folder / "generation_config.json", generation)
    _write_json(folder / "tokenizer_config.json", _tokenizer_values(checkpoint))
    checkpoint.write_tokenizer(folder)
    weights = folder / "model.safetensors"
    save_file(_tensors(checkpoint, dtype), weights, metadata={"format": "pt"})
    _write_json(folder / "config.json", values)
    # safetensors makes a private file; the configuration has the mode that any new file gets
    weights.chmod(stat.S_IMODE((folder / "config.json").stat().st_mode))


def _values(config: BarkConfig) -> tuple[dict[str, Any], dict[str, Any]]:
    """config.json and generation_config.json."""
    values = {
        "model_type": "bark",
        "architectures": ["BarkModel"],
        "semantic_config": _network(config.semantic.gpt, "semantic"),
        "coarse_acoustics_config": _network(config.coarse.gpt, "coarse_acoustics"),
        "fine_acoustics_config": _network(config.fine.gpt, "fine_acoustics"),
        "codec_config": _codec(config.codec),
    }
    generation = {
        "model_type": "bark",
        "semantic_config": _semantic(config),
        "coarse_acoustics_config": _coarse(config),
        "fine_acoustics_config": _fine(config),
        "sample_rate": config.codec.sample_rate,
        "codebook_size": config.fine.codebook_size,
    }
    said = bark_config(Path(), values, generation)
    if rest := unsaid(asdict(config), asdict(said)):
        values[OWN] = rest
    return values, generation


def _network(gpt: GPTConfig, kind: str) -> dict[str, Any]:
    values = {
        "model_type": kind,
        "num_layers": gpt.n_layer,
        "num_heads": gpt.n_head,
        "hidden_size": gpt.n_embd,
        "input_vocab_size": gpt.input_vocab_size,
        "output_vocab_size": gpt.output_vocab_size,
        "block_size": gpt.block_size,
        "bias": gpt.bias,
        "dropout": 0.0,
    }
    if gpt.n_codes_total > 1:
        values |= {"n_codes_total": gpt.n_codes_total, "n_codes_given": gpt.n_codes_given}
    return values


def _codec(codec: CodecConfig) -> dict[str, Any]:
    return {
        "model_type": "encodec",
        "sampling_rate": codec.sample_rate,
        "codebook_size": _entries(codec),
        "hidden_size": codec.dimension,
        "codebook_dim": codec.dimension,
        "num_filters": codec.n_filters,
        "num_residual_layers": codec.n_residual_layers,
        "num_lstm_layers": max(1, codec.lstm),  # there is always one; see encodec_state
        "upsampling_ratios": list(codec.ratios),
        "use_causal_conv": codec.causal,
        "last_kernel_size": codec.last_kernel_size,
        "target_bandwidths": [_bandwidth(codec)],
    }


def _entries(codec: CodecConfig) -> int:
    """Of a codebook there: a power of two; those past the model's are zeros that no code names."""
    return 1 << (codec.codebook_size - 1).bit_length()


def _bandwidth(codec: CodecConfig) -> float:
    """The kbit/s from which Transformers computes how many codebooks there are, rounding down."""
    bits = math.ceil(codec.sample_rate / codec.hop) * math.ceil(math.log2(codec.codebook_size))
    bandwidth = codec.n_codebooks * bits / 1000
    enough = int(1000 * bandwidth // bits) == codec.n_codebooks
    return bandwidth if enough else math.nextafter(bandwidth, math.inf)


def _semantic(config: BarkConfig) -> dict[str, Any]:
    semantic = config.semantic
    return _sampling(config.sampling.semantic) | {
        "semantic_vocab_size": semantic.vocab_size,
        "semantic_rate_hz": semantic.rate_hz,
        "eos_token_id": semantic.pad_token,
        "text_encoding_offset": semantic.text_offset,
        "text_pad_token": semantic.text_pad_token,
        "semantic_infer_token": semantic.infer_token,
        "max_input_semantic_length": semantic.max_text_tokens,
        "max_new_tokens": semantic.max_new_tokens,
        "min_eos_p": config.sampling.min_eos_p or None,  # 0 is an error there
    }


def _coarse(config: BarkConfig) -> dict[str, Any]:
    coarse = config.coarse
    return _sampling(config.sampling.coarse) | {
        "n_coarse_codebooks": coarse.n_codebooks,
        "coarse_rate_hz": coarse.rate_hz,
        "coarse_semantic_pad_token": coarse.semantic_pad_token,
        "coarse_infer_token": coarse.infer_token,
        "max_coarse_input_length": coarse.max_semantic_tokens,
        "max_coarse_history": coarse.max_history_tokens,
        "sliding_window_len": coarse.sliding_window_tokens,
    }


def _fine(config: BarkConfig) -> dict[str, Any]:
    fine, temperature = config.fine, config.sampling.fine.temperature
    return {
        # there 1 means argmax, and nothing else does
        "temperature": {0.0: 1.0, 1.0: math.nextafter(1.0, 0.0)}.get(temperature, temperature),
        "n_fine_codebooks": fine.n_codebooks,
        "max_fine_input_length": fine.window_frames,
        "max_fine_history_length": fine.hop_frames,
    }


def _sampling(stage: StageSampling) -> dict[str, Any]:
    if stage.temperature == 0.0:
        return {"do_sample": False}
    filters = {"top_k": stage.top_k or 0, "top_p": stage.top_p or 1.0}  # off; left out they would not be
    return {"do_sample": True, "temperature": stage.temperature, **filters}


def _tensors(checkpoint: Checkpoint, dtype: torch.dtype) -> dict[str, Tensor]:
    """All weights by Transformers' names."""
    config = checkpoint.config
    found: dict[str, Tensor] = {}
    for stage in STAGES:
        theirs = _OUR_PARTS[stage]
        for name, value in checkpoint.part(stage).items():
            found[f"{theirs}.{_gpt_name(name)}"] = value.to(dtype).contiguous()
        if stage != "fine":
            found |= _masks(getattr(config, stage).gpt, theirs)
    if not config.semantic.max_history_tokens:
        _silence_history(found, config)
    codec = encodec_state(checkpoint, config.codec.n_codebooks, _entries(config.codec))
    theirs = _OUR_PARTS["codec"]
    return found | {f"{theirs}.{_codec_name(n)}": v.to(dtype).contiguous() for n, v in codec.items()}


def _gpt_name(name: str) -> str:
    return ".".join(_OUR_GPT_NAMES.get(piece, piece) for piece in name.split("."))


def _codec_name(name: str) -> str:
    for ours, theirs in (
        ("coder.model.", "coder.layers."),
        ("convtr.convtr.", "conv."),
        ("conv.conv.", "conv."),
        ("quantizer.vq.", "quantizer."),
        ("._codebook.", ".codebook."),
        (".weight_g", ".parametrizations.weight.original0"),
        (".weight_v", ".parametrizations.weight.original1"),
    ):
        name = name.replace(ours, theirs)
    return name


def _masks(gpt: GPTConfig, stage: str) -> dict[str, Tensor]:
    """The causal masks that Transformers keeps among the weights."""
    mask = torch.ones(gpt.block_size, gpt.block_size, dtype=torch.bool).tril()[None, None]
    return {f"{stage}.layers.{i}.attn.bias": mask.clone() for i in range(gpt.n_layer)}


def _silence_history(tensors: dict[str, Tensor], config: BarkConfig) -> None:
    """Zero what Transformers adds to every text: the pad token, which is of no use without a history."""
    name = f"{_OUR_PARTS['semantic']}.{_gpt_name('wte.weight')}"
    tensors[name] = tensors[name].clone()
    tensors[name][config.semantic.pad_token] = 0


def _tokenizer_values(checkpoint: Checkpoint) -> dict[str, Any]:
    """tokenizer_config.json: which class reads the tokenizer, and how to pad."""
    from tokenizers import Tokenizer

    file = checkpoint.tokenizer_file
    longest = {"model_max_length": checkpoint.config.semantic.max_text_tokens}
    if checkpoint.vocabulary is not None or file.suffix == ".txt":
        return {"tokenizer_class": "BertTokenizer", "do_lower_case": False, **_SPECIAL, **longest}
    known = Tokenizer.from_file(str(file)).get_vocab()
    special = {kind: token for kind, token in _SPECIAL.items() if token in known}
    if "pad_token" not in special:  # what is padded is masked, so that any token will do
        special["pad_token"] = min(known, key=lambda token: known[token])
    return {"tokenizer_class": "PreTrainedTokenizerFast", **special, **longest}


def _write_json(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
