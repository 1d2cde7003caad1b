"""A size or a configuration -> a folder in our own layout, full of noise: speed is measured with no download.

Speed depends on shapes alone: the networks have those of suno-ai/bark, and the weights are noise. They are
written tensor after tensor, without torch, so that the process which then speaks has needed no memory for it.
The file is a .safetensors one: its header in JSON, and then the numbers.
"""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bark_cli.checkpoint import expected_shapes
from bark_cli.checkpoint.native import CONFIG_FILE, WEIGHTS_FILE
from bark_cli.download.room import check_room
from bark_cli.model.config import BarkConfig, GPTConfig
from bark_cli.model.published import published_config
from bark_cli.store import converted_home, nano_folder
from bark_cli.system.files import told_of
from bark_cli.system.folders import folder_beside

SIZES = {"small": (12, 12, 768), "large": (24, 16, 1024)}  # layers, heads, width, as Suno trained them
BLOCK = 1_000_003  # numbers drawn; a prime, so that no two rows of a matrix begin at the same one
_INSTEAD = "set BARK_HOME to another place"
STD = 0.02  # of a fresh GPT's weights
_SCALE = STD / 40  # of int8, whose 127 is then a little more than three times that


def random_config(size: str) -> BarkConfig:
    """Suno's Bark of that size."""
    n_layer, n_head, n_embd = SIZES[size]
    large = published_config()

    def sized(gpt: GPTConfig) -> GPTConfig:
        return replace(gpt, n_layer=n_layer, n_head=n_head, n_embd=n_embd)

    return replace(
        large,
        semantic=replace(large.semantic, gpt=sized(large.semantic.gpt)),
        coarse=replace(large.coarse, gpt=sized(large.coarse.gpt)),
        fine=replace(large.fine, gpt=sized(large.fine.gpt)),
    )


@contextmanager
def random_model(size: str, *, storage: Literal["fp32", "int8"]) -> Iterator[Path]:
    """A folder with a model of noise of a size in SIZES, stored as a conversion is; gone when the block ends.

    It lies in bark's cache, for the system's folder for temporary files is often memory itself. Once it is
    loaded it may go: what is mapped stays readable (not so on Windows, where `bark cache prune` removes it).

    Raises:
        OutputError: there is no room, or the disk refuses.
    """
    config, name = random_config(size), f"random-{size}"
    check_room(name, sum(one.size for one in _stored(config, storage)))
    home = converted_home()
    with told_of(home, _INSTEAD):
        home.mkdir(parents=True, exist_ok=True)
        if not os.access(home, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    with folder_beside(home / name) as scratch:
        with told_of(home, _INSTEAD):
            write_random(scratch / name, config, storage=storage)
        yield scratch / name


def write_random(
    folder: Path, config: BarkConfig, *, storage: Literal["fp32", "int8"], seed: int = 0
) -> None:
    """Write a whole model of noise into a new folder: of any configuration that nano's tokenizer fits.

    One block of normals is drawn and laid out over all tensors, each beginning elsewhere in it: to draw every
    number would take longer than to measure.

    Raises:
        OSError: the disk refuses.
    """
    folder.mkdir()
    block = np.random.default_rng(seed).standard_normal(BLOCK, np.float32) * STD
    blocks: dict[str, NDArray[np.generic]] = {
        "F32": block,
        "I8": np.rint(block / _SCALE).clip(-127, 127).astype(np.int8),
    }
    tensors, header, end = _stored(config, storage), {}, 0
    for one in tensors:
        header[one.name] = {"dtype": one.kind, "shape": one.shape, "data_offsets": [end, end + one.size]}
        end += one.size
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with (folder / WEIGHTS_FILE).open("wb") as file:
        file.write(len(head).to_bytes(8, "little") + head)
        for number, one in enumerate(tensors):
            for part in one.parts(np.roll(blocks[one.kind], 7919 * number)):
                file.write(part.data)
    (folder / CONFIG_FILE).write_text(json.dumps(config.to_dict(), indent=2) + "\n", encoding="utf-8")
    shutil.copyfile(nano_folder() / "tokenizer.json", folder / "tokenizer.json")


@dataclass(frozen=True, kw_only=True)
class _Tensor:
    """One of them, as it is stored."""

    name: str
    kind: Literal["F32", "I8"]
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """In bytes."""
        return math.prod(self.shape) * (4 if self.kind == "F32" else 1)

    def parts(self, block: NDArray[np.generic]) -> Iterator[NDArray[np.generic]]:
        """Its numbers: the block again and again, or where they are a row one level."""
        count = math.prod(self.shape)
        if len(self.shape) > 1:
            for begin in range(0, count, len(block)):
                yield block[: count - begin]
        elif self.name.endswith(".scale"):
            yield np.full(count, _SCALE, np.float32)
        else:  # norms scale by one, biases add nothing
            yield np.full(count, self.name.endswith("weight"), np.float32)


def _stored(config: BarkConfig, storage: Literal["fp32", "int8"]) -> list[_Tensor]:
    """The tensors as native.py stores them, floats first, which begin at whole floats then."""
    found = list[_Tensor]()
    for name, shape in expected_shapes(config).items():
        if storage == "int8" and len(shape) == 2 and not name.startswith("codec."):
            found.append(_Tensor(name=name, kind="I8", shape=shape))
            found.append(_Tensor(name=f"{name}.scale", kind="F32", shape=shape[:1]))
        else:
            found.append(_Tensor(name=name, kind="F32", shape=shape))
    return sorted(found, key=lambda one: one.kind)
