"""What Suno's and Transformers' layouts share: masks, tied heads, weight norm, tensors Bark never uses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bark_cli import store
from bark_cli.checkpoint.untrusted import AGAIN
from bark_cli.errors import ModelError
from bark_cli.model.decoder import CODEBOOK_NAME

if TYPE_CHECKING:
    from torch import Tensor

# Gain and direction of a weight-normed convolution, before and since torch 2.0.
_WEIGHT_NORM = (
    ("weight_g", "weight_v"),
    ("parametrizations.weight.original0", "parametrizations.weight.original1"),
)
_MASK = ".attn.bias"  # causal masks that old versions saved beside the weights


def without_masks(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """All but the causal masks."""
    return {name: tensor for name, tensor in tensors.items() if not name.endswith(_MASK)}


def without_tied_heads(fine: Mapping[str, Tensor], n_codes_given: int, where: Path) -> dict[str, Tensor]:
    """All but the fine model's heads, each of which repeats the embedding of the codebook it predicts.

    Raises:
        ModelError: a head differs from its embedding, so leaving it out would change the model.
    """
    import torch

    kept = dict(fine)
    for name in [name for name in fine if name.startswith("lm_heads.")]:
        head = kept.pop(name)
        index = re.fullmatch(r"lm_heads\.(\d{1,3})\.weight", name)
        table = fine.get(f"wtes.{int(index[1]) + n_codes_given}.weight") if index else None
        if table is None or table.shape != head.shape or not torch.equal(table, head):
            raise ModelError(f"{where}: fine head {name} is not tied to its embedding, as Bark's are")
    return kept


def codec_tensors(
    named: Mapping[str, Tensor], n_codebooks: int, where: Path = Path("codec")
) -> dict[str, Tensor]:
    """Of encodec's names, the decoder with weight norm folded in and the first codebooks.

    Raises:
        ModelError: a convolution's gain does not fit its direction; the message names `where` they lie.
    """
    books = {CODEBOOK_NAME.format(i) for i in range(n_codebooks)}
    decoder = {name: value for name, value in named.items() if name.startswith("decoder.")}
    return _fold_weight_norm(decoder, where) | {name: named[name] for name in named if name in books}


def _fold_weight_norm(tensors: Mapping[str, Tensor], where: Path) -> dict[str, Tensor]:
    """Each pair of gain g and direction v as the weight g * v / |v|, the norm over all but the first axis."""
    import torch

    folded = dict(tensors)
    for gain_suffix, direction_suffix in _WEIGHT_NORM:
        for name in [name for name in tensors if name.endswith("." + gain_suffix)]:
            stem = name.removesuffix(gain_suffix)
            gain, direction = folded.pop(name), folded.pop(stem + direction_suffix, None)
            if direction is None:
                continue
            # torch does not look: it would read on past a short gain, and divide by no elements
            if not direction.numel() or gain.numel() != direction.shape[:1].numel() or not direction.ndim:
                raise ModelError(f"{where}: {name} does not fit {stem}{direction_suffix}; {AGAIN}")
            folded[stem + "weight"] = torch._weight_norm(direction.float(), gain.float(), 0)
    return folded


def required_tokenizer(folder: Path) -> Path:
    """The tokenizer beside the weights, or where suno-ai/bark would have left it.

    Raises:
        ModelError: there is none.
    """
    found = store.find_tokenizer(folder) or store.tokenizer_elsewhere()
    if found is None:
        raise ModelError(
            f"{folder} has no tokenizer.json or vocab.txt; put bert-base-multilingual-cased's there"
        )
    return found
