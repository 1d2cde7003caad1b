"""Checkpoint -> a folder in OpenVINO's layout: a graph for each network, config.json and the tokenizer.

What was written is read back, computed by OpenVINO, and compared with the networks in torch.
"""

from __future__ import annotations

import errno
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from bark_cli.checkpoint.build import build_causal, build_codec, build_fine
from bark_cli.checkpoint.check import check_tensors
from bark_cli.checkpoint.openvino import read_openvino
from bark_cli.checkpoint.record import Checkpoint
from bark_cli.errors import ModelError
from bark_cli.model.openvino import PARTS, Part, require_openvino
from bark_cli.store.places import openvino_graph

if TYPE_CHECKING:
    from bark_cli.model.config import BarkConfig

OpenVINOStorage = Literal["fp32", "fp16", "int8", "int4"]
# How far a tensor may be from the original, as parts of its length: twice what rounding does to random ones.
_TOLERANCE = {"fp32": 1e-6, "fp16": 1e-3, "int8": 1.5e-2, "int4": 0.3}
EXACT = 1e-4  # how far fp32 logits may be from torch's, as parts of their spread
_FAINT = 1e-2  # spread below which it is not the measure: rounding is as large as near silence
_PROMPT, _STEPS, _FRAMES = 24, 16, 32  # of the comparison
_CARD = """
## {name} in OpenVINO's layout

Written by `bark convert --to openvino --storage {storage}`; `bark say -m FOLDER "Hello."` speaks with it.
Each graph is an .xml and a .bin:

- `openvino_semantic`, `openvino_coarse`: ids (B, T), merged (B, M), whose embeddings are added to those of
  the first M ids, start (B,), where in the state each sequence begins, beam_idx (B,) -> logits (B, V). Keys
  and values are the state of an infer request: `reset_state()` begins anew.
- `openvino_fine`: codes (B, T, {books}), codebook (), first () -> logits (B, T - first, V) of that codebook.
- `openvino_codec`: codes ({books}, F), and what each layer keeps, empty or zeros before the first codes ->
  samples (F * hop,), and what each layer keeps for the next.

Compile with `KV_CACHE_PRECISION` and `INFERENCE_PRECISION_HINT` f32 where the tokens are to be exact.
"""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How near OpenVINO comes to the networks in torch, in float32."""

    difference: float  # the largest of any logit, as parts of their spread
    greedy: tuple[int, int]  # tokens that are the likeliest of both, and all

    def __str__(self) -> str:
        same, every = self.greedy
        return (
            f"logits within {self.difference:.1g} of their spread, {same} of {every} likeliest tokens agree"
        )


def write_openvino(checkpoint: Checkpoint, folder: Path, storage: OpenVINOStorage) -> Agreement:
    """Write a model that `misfit` lets pass into an empty folder, and compare.

    Raises:
        OptionError: OpenVINO is not installed.
        OSError: the disk refuses.
        ModelError: the folder does not hold what was written.
    """
    require_openvino()
    import openvino as ov

    from bark_cli.model.openvino.graphs import graph

    for part in PARTS:
        file = openvino_graph(folder, part)
        try:
            ov.save_model(
                graph(part, checkpoint.config, checkpoint.arrays, storage), file, compress_to_fp16=False
            )
        except RuntimeError as error:
            raise OSError(errno.EIO, _last_line(error)) from error
    (folder / "config.json").write_text(json.dumps(checkpoint.config.to_dict(), indent=2) + "\n", "utf-8")
    checkpoint.write_tokenizer(folder)
    _check_written(checkpoint, folder, storage)
    agreement = compare(checkpoint, folder)
    if storage == "fp32" and agreement.difference > EXACT:
        raise ModelError(
            f"OpenVINO does not compute {checkpoint.folder} exactly: {agreement}; this is a fault of bark, "
            "please report it"
        )
    return agreement


def compare(checkpoint: Checkpoint, folder: Path) -> Agreement:
    """Let OpenVINO compute the graphs of a folder on the CPU, and torch the same, in float32.

    Raises:
        ModelError: OpenVINO cannot.
    """
    import openvino as ov

    core = ov.Core()
    pairs: list[tuple[Tensor, Tensor]] = []
    how = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}
    try:
        for part in PARTS:
            network = core.compile_model(openvino_graph(folder, part), "CPU", how)
            pairs += _COMPARISONS[part](checkpoint, part, network)
    except RuntimeError as error:
        raise ModelError(f"OpenVINO cannot compute {checkpoint.folder} ({_last_line(error)})") from error
    off = [(found - wanted).abs().max() / max(float(wanted.std()), _FAINT) for found, wanted in pairs]
    same = [(found.argmax(-1) == wanted.argmax(-1)).flatten() for found, wanted in pairs if wanted.ndim > 1]
    agreed = torch.cat(same)
    return Agreement(difference=float(max(off)), greedy=(int(agreed.sum()), len(agreed)))


def _compare_causal(checkpoint: Checkpoint, part: Part, network: Any) -> list[tuple[Tensor, Tensor]]:
    """Logits (1, V) after a prompt and after each of some greedy steps."""
    exact = build_causal(checkpoint, part)
    config, request = exact.config, network.create_infer_request()
    most = min(config.input_vocab_size, config.output_vocab_size)
    ids = np.arange(min(_PROMPT, config.block_size - _STEPS))[None] * 37 % most
    merged, cache, pairs = ids[:, ::2].copy(), exact.new_cache(), []
    for _ in range(1 + _STEPS):
        inputs = {"ids": ids, "merged": merged, "start": np.zeros(1, np.int64)}
        found = request.infer({**inputs, "beam_idx": np.zeros(1, np.int32)})["logits"]
        held = torch.from_numpy(merged) if merged.size else None
        with torch.inference_mode():
            wanted = exact(torch.from_numpy(ids), held, cache)
        pairs.append((torch.from_numpy(found.copy()), wanted))
        ids, merged = wanted.argmax(-1, keepdim=True).numpy() % config.input_vocab_size, ids[:, :0]
    return pairs


def _compare_fine(checkpoint: Checkpoint, part: Part, network: Any) -> list[tuple[Tensor, Tensor]]:
    """Logits (1, T, V) of the first codebook that is predicted, and of the last."""
    exact = build_fine(checkpoint)
    config, pairs = exact.config, []
    frames = min(_FRAMES, config.block_size)
    codes = np.arange(frames * config.n_codes_total).reshape(1, frames, -1) * 37 % config.input_vocab_size
    for codebook in (config.n_codes_given, config.n_codes_total - 1):
        inputs = {"codes": codes, "codebook": np.array(codebook), "first": np.array(frames // 4)}
        found = network(inputs)["logits"]
        with torch.inference_mode():
            wanted = exact(codebook, torch.from_numpy(codes), frames // 4)
        pairs.append((torch.from_numpy(found.copy()), wanted))
    return pairs


def _compare_codec(checkpoint: Checkpoint, part: Part, network: Any) -> list[tuple[Tensor, Tensor]]:
    """Samples (N,)."""
    config = checkpoint.config.codec
    codes = (
        np.arange(config.n_codebooks * _FRAMES).reshape(config.n_codebooks, -1) * 37 % config.codebook_size
    )
    before = {
        one.get_any_name(): np.zeros(
            [n.get_length() if n.is_static else 0 for n in one.partial_shape], np.float32
        )
        for one in network.inputs[1:]
    }
    found = network({"codes": codes, **before})["samples"]
    return [(torch.from_numpy(found.copy()), build_codec(checkpoint).decode(torch.from_numpy(codes)))]


_COMPARISONS = {
    "semantic": _compare_causal,
    "coarse": _compare_causal,
    "fine": _compare_fine,
    "codec": _compare_codec,
}


def _check_written(original: Checkpoint, folder: Path, storage: OpenVINOStorage) -> None:
    """Read the folder back as any other, and compare.

    Raises:
        ModelError: it is another model than the one that was to be written.
    """
    copy = read_openvino(folder)
    check_tensors(copy)
    if copy.config != original.config:
        raise ModelError(f"{folder} does not say what was written; this is a fault of bark, please report it")
    for name in original.tensors:
        wanted, found = original.float32(name), copy.float32(name)
        if not bool((found - wanted).norm() <= _TOLERANCE[storage] * wanted.norm()):
            raise ModelError(f"{name} cannot be held in {storage}; use --storage fp32")


def openvino_card(name: str, storage: OpenVINOStorage, config: BarkConfig) -> str:
    """What a model's README is to say of the graphs beside it."""
    books = config.codec.n_codebooks
    return _CARD.format(name=name, storage=storage, books=books)


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200] if lines else type(error).__name__
