"""What a reader hands over: one configuration and one naming of tensors, whatever layout the files had."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from bark_cli.model.config import BarkConfig
from bark_cli.model.quantize import dequantize_rows


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A model read from disk, its tensors as they are stored: where the file allows, mapped and not copied.

    Names of `tensors`: "semantic.", "coarse." and "fine." + the state names of `bark_cli.model.networks`
    (the fine model's tied heads left out), "codec.decoder." + encodec's names with weight norm folded in, and
    "codec.quantizer.vq.layers.{i}._codebook.embed". They are of floating point, or int8 matrices (R, C), of
    which `scales` holds the rows' float32 scales (R,) under the same names.
    """

    config: BarkConfig
    tensors: Mapping[str, Tensor]
    scales: Mapping[str, Tensor] = field(default_factory=dict)
    tokenizer_file: Path  # tokenizer.json or vocab.txt
    layout: str  # "native", "suno" or "transformers"
    folder: Path

    def part(self, name: str) -> dict[str, Tensor]:
        """The tensors of "semantic", "coarse", "fine" or "codec", without that prefix, all as float32.

        Those stored as float32 share their memory.
        """
        prefix = f"{name}."
        return {key[len(prefix) :]: self.float32(key) for key in self.tensors if key.startswith(prefix)}

    def stored(self, name: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Tensors and scales of a part as they are stored, without its prefix."""
        tensors, scales = (
            {key.removeprefix(f"{name}."): held[key] for key in held if key.startswith(f"{name}.")}
            for held in (self.tensors, self.scales)
        )
        return tensors, scales

    def float32(self, name: str) -> Tensor:
        """One tensor as float32: itself if it is stored so."""
        tensor = self.tensors[name]
        scale = self.scales.get(name)
        return tensor.to(torch.float32) if scale is None else dequantize_rows(tensor, scale)
