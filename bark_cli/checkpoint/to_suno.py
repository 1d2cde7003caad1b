"""Checkpoint -> Suno's layout: text_2.pt, coarse_2.pt, fine_2.pt (a small one's text.pt, ...), EnCodec's .th.

After suno-ai/bark, generation.py (`_load_model`), which these files satisfy; they hold tensors and plain
values only.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bark_cli.checkpoint.encodec import encodec_state
from bark_cli.checkpoint.record import Checkpoint
from bark_cli.model.config import BarkConfig, GPTConfig
from bark_cli.model.options import STAGES
from bark_cli.store import SUNO_FILES

CODEC_FILE = "encodec_24khz-d7cc33bc.th"
_N_CODEBOOKS = 32  # of EnCodec, of which Bark has the first 8
_SMALL_WIDTH = 768  # of Suno's small model; the large one has 1024


def write_suno(checkpoint: Checkpoint, folder: Path, dtype: torch.dtype = torch.float32) -> None:
    """Write a model that `misfit` lets pass into `folder`, which must exist; weights are stored as `dtype`.

    Raises:
        OSError: the disk refuses.
    """
    for stage, name in zip(STAGES, SUNO_FILES[_size(checkpoint.config)], strict=True):
        gpt: GPTConfig = getattr(checkpoint.config, stage).gpt
        held = {"model": _state(checkpoint, stage, dtype), "model_args": _arguments(gpt)}
        # suno-ai/bark asks for the loss; nobody measured it here
        _save(held | {"best_val_loss": torch.tensor(math.nan)}, folder / name)
    codec = encodec_state(checkpoint, _N_CODEBOOKS, checkpoint.config.codec.codebook_size)
    _save({name: value.to(dtype) for name, value in codec.items()}, folder / CODEC_FILE)
    checkpoint.write_tokenizer(folder)


def _size(config: BarkConfig) -> str:
    return "small" if config.semantic.gpt.n_embd == _SMALL_WIDTH else "large"


def _state(checkpoint: Checkpoint, stage: str, dtype: torch.dtype) -> dict[str, Tensor]:
    """A network's weights by Suno's names, the heads that are tied to embeddings included."""
    part = {name: value.to(dtype) for name, value in checkpoint.part(stage).items()}
    gpt: GPTConfig = getattr(checkpoint.config, stage).gpt
    if stage == "fine":
        given = gpt.n_codes_given
        for i in range(gpt.n_codes_total - given):
            part[f"lm_heads.{i}.weight"] = part[f"wtes.{i + given}.weight"]
    return {
        f"_orig_mod.{'' if name.startswith('lm_head') else 'transformer.'}{name}": part[name] for name in part
    }


def _arguments(gpt: GPTConfig) -> dict[str, Any]:
    names = ["n_layer", "n_head", "n_embd", "input_vocab_size", "output_vocab_size", "block_size", "bias"]
    if gpt.n_codes_total > 1:
        names += ["n_codes_total", "n_codes_given"]
    return {name: getattr(gpt, name) for name in names} | {"dropout": 0.0}


def _save(values: dict[str, Any], file: Path) -> None:
    with file.open("wb") as stream:
        try:
            torch.save(values, stream)
        except RuntimeError as error:  # what torch makes of a full disk
            raise error.__context__ if isinstance(error.__context__, OSError) else error from None
