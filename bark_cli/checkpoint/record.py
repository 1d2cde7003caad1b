"""What a reader hands over: one configuration and one naming of tensors, whatever layout the files had."""

from __future__ import annotations

import shutil
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from bark_cli.model.config import BarkConfig
from bark_cli.model.quantize import dequantize_rows
from bark_cli.model.tokenizer import BarkTokenizer

Array = NDArray[Any]


class LazyTensors(Mapping[str, Tensor]):
    """Tensors that are made when they are asked for, anew each time, of what a file holds."""

    @abstractmethod
    def form(self, name: str) -> Tensor:
        """A tensor of the shape and type of that one, on the meta device."""


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
    tokenizer_file: Path  # tokenizer.json or vocab.txt, or the file that the vocabulary was found in
    vocabulary: tuple[str, ...] | None = None  # BERT's pieces by id, where no file holds them alone
    layout: str  # "native", "suno", "transformers", "gguf" or "openvino"
    folder: Path  # or the file that is the model

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

    def arrays(self, name: str) -> tuple[dict[str, Array], dict[str, Array]]:
        """The same as arrays, which share their memory; bf16, which numpy does not have, becomes float32."""
        tensors, scales = self.stored(name)
        return _arrays(tensors), _arrays(scales)

    def form(self, name: str) -> Tensor:
        """A tensor of the shape and type of that one: itself, or one without memory where it is made anew."""
        held = self.tensors
        return held.form(name) if isinstance(held, LazyTensors) else held[name]

    def tokenizer(self) -> BarkTokenizer:
        """The model's tokenizer.

        Raises:
            ModelError: it is damaged, or has more tokens than the model has ids for.
        """
        if self.vocabulary is None:
            return BarkTokenizer.from_file(self.tokenizer_file, self.config.semantic)
        return BarkTokenizer.from_pieces(self.vocabulary, self.config.semantic, self.tokenizer_file)

    def write_tokenizer(self, folder: Path) -> str:
        """Put the tokenizer into a folder; returns the name of its file there.

        Raises:
            OSError: the disk refuses.
        """
        if self.vocabulary is None:
            name = self.tokenizer_file.name
            shutil.copyfile(self.tokenizer_file, folder / name)
            return name
        (folder / "vocab.txt").write_text("\n".join(self.vocabulary) + "\n", encoding="utf-8", newline="\n")
        return "vocab.txt"

    def float32(self, name: str) -> Tensor:
        """One tensor as float32: itself if it is stored so."""
        tensor = self.tensors[name]
        scale = self.scales.get(name)
        return tensor.to(torch.float32) if scale is None else dequantize_rows(tensor, scale)


def _arrays(tensors: Mapping[str, Tensor]) -> dict[str, Array]:
    return {
        name: (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).detach().numpy()
        for name, tensor in tensors.items()
    }
