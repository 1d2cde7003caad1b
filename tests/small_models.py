"""Bark in every layout the world keeps it in: true names and ids, narrow networks -> folders of files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from conftest import write_tiny_tokenizer
from gguf_files import write_pieces
from golden.recipe import narrow_config, narrow_weights
from safetensors.torch import save_file
from torch import Tensor

from bark_cli.checkpoint import Checkpoint, expected_shapes, read_checkpoint, write_native
from bark_cli.model.config import BarkConfig, GPTConfig

LAYOUTS = ("native", "safetensors", "sharded", "bin", "sharded_bin", "suno")
SUNO_NAMES = {"semantic": "text", "coarse": "coarse", "fine": "fine"}
HUGGING_NAMES = {
    "wte": "input_embeds_layer",
    "wtes": "input_embeds_layers",
    "wpe": "position_embeds_layer",
    "h": "layers",
    "ln_1": "layernorm_1",
    "ln_2": "layernorm_2",
    "ln_f": "layernorm_final",
    "c_attn": "att_proj",
    "c_proj": "out_proj",
    "c_fc": "in_proj",
}
HUGGING_STAGES = {"semantic": "semantic", "coarse": "coarse_acoustics", "fine": "fine_acoustics"}

Tensors = Mapping[str, Tensor]


def small_tensors(config: BarkConfig, seed: int = 0) -> dict[str, Tensor]:
    """Weights by our names; the fine model's tied heads are left out."""
    stages = narrow_weights(config, seed, end_weight=0.0)
    tensors = {f"{stage}.{name}": value for stage, state in stages.items() for name, value in state.items()}
    stream = torch.Generator().manual_seed(seed)
    for name, shape in expected_shapes(config).items():
        if name.startswith("codec."):
            fan_in = max(1, int(np.prod(shape[1:])))
            tensors[name] = torch.randn(shape, generator=stream) / fan_in**0.5
    return tensors


def write_layout(
    layout: str, folder: Path, *, seed: int = 0, size: str = "large", cased: bool = False
) -> Path:
    """One and the same Bark for a seed, in that layout, with its tokenizer: BERT's where `cased`."""
    config = narrow_config()
    tensors = small_tensors(config, seed)
    folder.mkdir(parents=True)
    tokenizer = write_pieces(folder) if cased else write_tiny_tokenizer(folder / "tokenizer.json")
    if layout == "suno":
        write_suno(folder, config, tensors, "_2" if size == "large" else "")
    elif layout == "native":
        made = Checkpoint(
            config=config, tensors=tensors, tokenizer_file=tokenizer, layout="native", folder=folder
        )
        write_native(made, folder, storage="fp32")
    else:
        write_transformers(folder, config, tensors, layout)
    return folder


def part(tensors: Tensors, name: str) -> dict[str, Tensor]:
    """The tensors of one network, without its prefix."""
    return {
        key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")
    }


def write_suno(folder: Path, config: BarkConfig, tensors: Tensors, suffix: str = "_2") -> None:
    """text.pt, coarse.pt, fine.pt as Suno saved them, with the state of the optimizer, and EnCodec's .th."""
    for stage, name in SUNO_NAMES.items():
        state, gpt = part(tensors, stage), getattr(config, stage).gpt
        heads = {key: state.pop(key) for key in list(state) if key.startswith("lm_head")}
        if stage == "fine":
            heads = {f"lm_heads.{i}.weight": state[f"wtes.{i + 1}.weight"] for i in range(7)}
        model = {f"_orig_mod.transformer.{key}": value for key, value in state.items()}
        model |= {f"_orig_mod.{key}": value for key, value in heads.items()}
        moments = {
            i: {"step": torch.tensor(3.0), "exp_avg": value * 0, "exp_avg_sq": value * 0}
            for i, value in enumerate(model.values())
        }
        held = {
            "model": model,
            "model_args": suno_args(gpt),
            "optimizer": {"state": moments, "param_groups": [{"lr": 1e-4, "params": list(moments)}]},
            "best_val_loss": np.float64(1.5),
            "iter_num": 3,
        }
        torch.save(held, folder / f"{name}{suffix}.pt")
    torch.save(part(tensors, "codec"), folder / "encodec_24khz-d7cc33bc.th")


def suno_args(gpt: GPTConfig) -> dict[str, Any]:
    names = ("n_layer", "n_head", "n_embd", "input_vocab_size", "output_vocab_size", "block_size", "bias")
    fine = ("n_codes_total", "n_codes_given") if gpt.n_codes_total > 1 else ()
    return {name: getattr(gpt, name) for name in (*names, *fine)} | {"dropout": 0.0}


def write_transformers(folder: Path, config: BarkConfig, tensors: Tensors, layout: str) -> None:
    """config.json, generation_config.json, and one weight file or two with their index."""
    stages = {
        f"{theirs}_config": transformers_shape(getattr(config, ours).gpt)
        for ours, theirs in HUGGING_STAGES.items()
    }
    (folder / "config.json").write_text(json.dumps({"model_type": "bark", **stages, "codec_config": {}}))
    (folder / "generation_config.json").write_text('{"model_type": "bark"}')
    state = {transformers_name(name): value for name, value in tensors.items()}
    suffix = ".bin" if layout.endswith("bin") else ".safetensors"
    stem = "pytorch_model" if suffix == ".bin" else "model"
    if suffix == ".bin":  # its heads are there, and tied
        for i in range(7):
            table = state[f"fine_acoustics.input_embeds_layers.{i + 1}.weight"]
            state[f"fine_acoustics.lm_heads.{i}.weight"] = table
    save = torch.save if suffix == ".bin" else save_file
    if not layout.startswith("sharded"):
        save(state, folder / f"{stem}{suffix}")
        return
    names = sorted(state)
    halves = [names[::2], names[1::2]]
    where = {}
    for i, half in enumerate(halves, 1):
        shard = f"{stem}-{i:05d}-of-00002{suffix}"
        save({name: state[name] for name in half}, folder / shard)
        where |= dict.fromkeys(half, shard)
    index = {"metadata": {"total_size": 1}, "weight_map": where}
    (folder / f"{stem}{suffix}.index.json").write_text(json.dumps(index))


def transformers_shape(gpt: GPTConfig) -> dict[str, Any]:
    shape = {"num_layers": gpt.n_layer, "num_heads": gpt.n_head, "hidden_size": gpt.n_embd, "bias": gpt.bias}
    shape |= {"input_vocab_size": gpt.input_vocab_size, "output_vocab_size": gpt.output_vocab_size}
    return shape | {"block_size": gpt.block_size}


def transformers_name(name: str) -> str:
    """Transformers' name of one of our tensors."""
    stage, _, rest = name.partition(".")
    if stage != "codec":
        pieces = (HUGGING_NAMES.get(piece, piece) for piece in rest.split("."))
        return ".".join((HUGGING_STAGES[stage], *pieces))
    rest = rest.replace("decoder.model.", "decoder.layers.").replace("quantizer.vq.", "quantizer.")
    for theirs in ("convtr.convtr.", "conv.conv."):
        rest = rest.replace(theirs, "conv.")
    return "codec_model." + rest.replace("._codebook.", ".codebook.")


def write_talkative(model: Path, folder: Path) -> Path:
    """A model and its voices into `folder`, always with something to say: its end is never likely."""
    read = read_checkpoint(model)
    tensors = dict(read.tensors)
    head = tensors["semantic.lm_head.weight"].clone()
    head[read.config.semantic.pad_token] = 0.0
    tensors["semantic.lm_head.weight"] = head
    write_native(replace(read, tensors=tensors), folder, storage="fp32")
    shutil.copytree(model / "voices", folder / "voices")
    return folder
