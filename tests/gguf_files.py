"""GGUF files as others make them: by the package's writer, under the names that CrispASR gives."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Kind
from torch import Tensor

from bark_cli.model.config import BarkConfig

PREFIXES = {"semantic": "text", "coarse": "coarse", "fine": "fine"}
LAYER = {
    "ln_1": "attn_norm",
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    "ln_2": "ffn_norm",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
}
TOP = {"wte": "token_embd", "wtes": "token_embd", "wpe": "pos_embd", "ln_f": "output_norm"}
TOP |= {"lm_head": "output", "lm_heads": "output"}
WORDS = ["hello", "bark", "my", "name", "is", "can", "speak", "the", "Hello", "你", "好", "naïve", "don"]
LETTERS = f"{string.ascii_letters}{string.digits}é"
# what a cased BERT knows: whole words, single letters, letters within words, punctuation
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *LETTERS]
PIECES += [f"##{letter}" for letter in LETTERS] + list(".,!?'-[]")


def crispasr_name(name: str) -> str:
    """CrispASR's name of one of our tensors."""
    if found := re.fullmatch(r"codec\.quantizer\.vq\.layers\.(\d+)\._codebook\.embed", name):
        return f"encodec.quantizer.{found[1]}.embed"
    if name.startswith("codec.decoder.model."):
        return "encodec.decoder." + name.removeprefix("codec.decoder.model.")
    stage, _, rest = name.partition(".")
    if found := re.fullmatch(r"h\.(\d+)\.(.*)\.(weight|bias)", rest):
        return f"{PREFIXES[stage]}.blk.{found[1]}.{LAYER[found[2]]}.{found[3]}"
    top, _, rest = rest.partition(".")
    return f"{PREFIXES[stage]}.{TOP[top]}.{rest}"


def crispasr_keys(config: BarkConfig) -> dict[str, int | Sequence[int]]:
    """The keys that its converter writes."""
    keys: dict[str, int | Sequence[int]] = {}
    for stage, theirs in PREFIXES.items():
        gpt = getattr(config, stage).gpt
        names = ["n_layer", "n_head", "n_embd", "block_size", "input_vocab_size", "output_vocab_size"]
        names += ["n_codes_total", "n_codes_given"] if stage == "fine" else []
        keys |= {f"bark.{theirs}.{name}": getattr(gpt, name) for name in names}
    codec = config.codec
    return keys | {
        "bark.sample_rate": codec.sample_rate,
        "bark.semantic_vocab_size": config.semantic.vocab_size,
        "bark.codebook_size": codec.codebook_size,
        "bark.n_coarse_codebooks": config.coarse.n_codebooks,
        "bark.n_fine_codebooks": config.fine.n_codebooks,
        "bark.text_encoding_offset": config.semantic.text_offset,
        "bark.semantic_pad_token": config.semantic.pad_token,
        "bark.text_pad_token": config.semantic.text_pad_token,
        "bark.semantic_infer_token": config.semantic.infer_token,
        "bark.coarse_semantic_pad_token": config.coarse.semantic_pad_token,
        "bark.coarse_infer_token": config.coarse.infer_token,
        "bark.encodec.sample_rate": codec.sample_rate,
        "bark.encodec.n_codebooks": codec.n_codebooks,
        "bark.encodec.codebook_size": codec.codebook_size,
        "bark.encodec.codebook_dim": codec.dimension,
        "bark.encodec.n_filters": codec.n_filters,
        "bark.encodec.ratios": list(codec.ratios),
        "bark.encodec.lstm_layers": codec.lstm,
        "bark.encodec.kernel_size": 7,
    }


def crispasr_tensors(config: BarkConfig, tensors: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """All tensors by its names, with the fine heads, and convolutions as gain and direction."""
    named = {crispasr_name(name): value for name, value in tensors.items()}
    given = config.fine.gpt.n_codes_given
    for i in range(config.fine.gpt.n_codes_total - given):
        named[f"fine.output.{i}.weight"] = named[f"fine.token_embd.{i + given}.weight"]
    found = {}
    for name, value in named.items():
        if name.startswith("encodec.decoder.") and value.ndim == 3:
            gain = value.flatten(1).norm(dim=1).view(-1, 1, 1)
            found |= {f"{name}_g": gain.numpy(), f"{name}_v": value.numpy()}
        else:
            found[name] = value.to(torch.float32).numpy()
    return found


def stored_as(name: str, array: np.ndarray, kind: Kind) -> tuple[np.ndarray, Kind]:
    """What its converter, or for a quantised kind its quantiser, makes of a tensor."""
    if array.ndim == 1:
        return array.astype(np.float32), Kind.F32
    if kind in (Kind.F32, Kind.F16, Kind.BF16):
        return gguf.quantize(array, kind), kind
    if ".blk." in name:
        return gguf.quantize(array, kind), kind
    return array.astype(np.float16), Kind.F16


def write_crispasr(
    file: Path,
    config: BarkConfig,
    tensors: Mapping[str, Tensor],
    kind: Kind = Kind.F32,
    *,
    keys: Mapping[str, Any] | None = None,
    arrays: Mapping[str, tuple[np.ndarray, Kind] | None] | None = None,
    pieces: Sequence[str] = tuple(PIECES),
    architecture: str = "bark",
) -> Path:
    """A file as its converter writes them; `keys` and `arrays` are put in, or where None left out."""
    writer = gguf.GGUFWriter(file, architecture)
    writer.add_name("bark-test")
    said = {**crispasr_keys(config), "bark.variant": "small", **(keys or {})}
    for key, value in said.items():
        if isinstance(value, str):
            writer.add_string(key, value)
        elif isinstance(value, int):
            writer.add_uint32(key, value)
        elif value is not None:
            writer.add_array(key, value)
    if pieces:
        writer.add_token_list(list(pieces))
    plain = {name: stored_as(name, a, kind) for name, a in crispasr_tensors(config, tensors).items()}
    for name, made in {**plain, **(arrays or {})}.items():
        if made is not None:
            writer.add_tensor(name, np.ascontiguousarray(made[0]), raw_dtype=made[1])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def write_pieces(folder: Path, pieces: Sequence[str] = tuple(PIECES)) -> Path:
    """The same vocabulary as a vocab.txt."""
    file = folder / "vocab.txt"
    file.write_text("\n".join(pieces) + "\n", encoding="utf-8")
    return file
