"""What a reader hands over: one configuration and one naming of tensors, whatever layout the files had."""

from __future__ import annotations

import math
import shutil
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bark_cli.model.config import BarkConfig
from bark_cli.model.tokenizer import BarkTokenizer

if TYPE_CHECKING:
    from torch import Tensor

Array = NDArray[Any]
_FLOATS = ("float64", "float32", "float16", "bfloat16")


@dataclass(frozen=True)
class Form:
    """Shape and type of a tensor."""

    shape: tuple[int, ...]
    dtype: str  # torch's name: float32, bfloat16, int8

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)

    @property
    def is_floating_point(self) -> bool:
        """Whether they are."""
        return self.dtype in _FLOATS


class LazyTensors(Mapping[str, "Tensor"]):
    """Tensors that are made when they are asked for, anew each time, of what a file holds."""

    _held: Mapping[str, Any]  # by name, what each is made of

    def __contains__(self, name: object) -> bool:
        return name in self._held

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    @abstractmethod
    def form(self, name: str) -> Form:
        """Shape and type of a tensor, which is not made."""

    def array(self, name: str) -> Array:
        """A tensor as an array; of bf16, which numpy does not have, as float32."""
        return array_of({name: self[name]}, name)

    def let_go(self) -> None:
        """Give back memory of which the file has all; what is looked at again is read again."""


class ChosenTensors(LazyTensors):
    """Tensors of several holders: a name -> the one that holds it."""

    _held: Mapping[str, Mapping[str, Tensor]]

    def __init__(self, holders: Mapping[str, Mapping[str, Tensor]]) -> None:
        self._held = holders

    def __getitem__(self, name: str) -> Tensor:
        return self._held[name][name]

    def form(self, name: str) -> Form:
        """Shape and type of a tensor."""
        return form_of(self._held[name], name)

    def array(self, name: str) -> Array:
        """A tensor as an array; of bf16 as float32."""
        return array_of(self._held[name], name)

    def let_go(self) -> None:
        """Let every holder do so."""
        for held in {id(held): held for held in self._held.values()}.values():
            if isinstance(held, LazyTensors):
                held.let_go()


def form_of(held: Mapping[str, Tensor], name: str) -> Form:
    """Shape and type of one of them."""
    if isinstance(held, LazyTensors):
        return held.form(name)
    return Form(tuple(held[name].shape), str(held[name].dtype).removeprefix("torch."))


def array_of(held: Mapping[str, Tensor], name: str) -> Array:
    """One of them as an array that shares its memory; of bf16 as float32."""
    if isinstance(held, LazyTensors):
        return held.array(name)
    tensor = held[name].detach()
    found: Array = (tensor.float() if form_of(held, name).dtype == "bfloat16" else tensor).numpy()
    return found


def widened(bits: NDArray[np.uint16]) -> NDArray[np.float32]:
    """The numbers that bf16 bits stand for."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


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
        """The same as arrays that share their memory, without torch where the file allows it."""
        tensors, scales = (
            {key.removeprefix(f"{name}."): array_of(held, key) for key in held if key.startswith(f"{name}.")}
            for held in (self.tensors, self.scales)
        )
        return tensors, scales

    def let_go(self) -> None:
        """Give back the memory that mirrors the file, after what is computed with was made of it."""
        for held in (self.tensors, self.scales):
            if isinstance(held, LazyTensors):
                held.let_go()

    def form(self, name: str) -> Form:
        """Shape and type of a tensor."""
        return form_of(self.tensors, name)

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
        from bark_cli.model.quantize import dequantize_rows

        tensor = self.tensors[name]
        scale = self.scales.get(name)
        return tensor.float() if scale is None else dequantize_rows(tensor, scale)
