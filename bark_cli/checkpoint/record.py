"""What a reader hands over: one configuration and one naming of tensors, whatever layout the files had."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from bark_cli.tokens import BarkConfig


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A model read from disk.

    Names of `tensors` (all float32): "semantic.", "coarse." and "fine." + the state names of `bark_cli.model`
    (the fine model's tied heads left out), "codec.decoder." + encodec's names with weight norm folded in, and
    "codec.quantizer.vq.layers.{i}._codebook.embed".
    """

    config: BarkConfig
    tensors: Mapping[str, Tensor]
    tokenizer_file: Path  # tokenizer.json or vocab.txt
    layout: str  # "native", "suno" or "transformers"
    folder: Path

    def part(self, name: str) -> dict[str, Tensor]:
        """The tensors of "semantic", "coarse", "fine" or "codec", without that prefix."""
        prefix = f"{name}."
        return {key[len(prefix) :]: value for key, value in self.tensors.items() if key.startswith(prefix)}
