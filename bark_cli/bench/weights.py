"""A size or a configuration -> Checkpoint of random float32 tensors, to measure speed without a download.

Speed depends on shapes alone: the networks have those of suno-ai/bark, and the weights are noise.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from bark_cli.checkpoint import Checkpoint, expected_shapes
from bark_cli.model.config import BarkConfig, GPTConfig
from bark_cli.model.published import published_config
from bark_cli.store import nano_folder

SIZES = {"small": (12, 12, 768), "large": (24, 16, 1024)}  # layers, heads, width, as Suno trained them
BLOCK = 1_000_003  # numbers drawn; a prime, so that no two rows of a matrix begin at the same one
STD = 0.02  # of a fresh GPT's weights


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


def random_checkpoint(size: str | BarkConfig, *, seed: int = 0) -> Checkpoint:
    """A whole model of noise: of a size in `SIZES`, or of any configuration that nano's tokenizer fits.

    One block of normals is drawn and laid out over all tensors, each beginning elsewhere in it: to draw every
    number would take longer than to measure.
    """
    config = random_config(size) if isinstance(size, str) else size
    block = torch.randn(BLOCK, generator=torch.Generator().manual_seed(seed)) * STD
    tensors = {
        name: _noise(shape, block.roll(7919 * i)) if len(shape) > 1 else _level(name, shape)
        for i, (name, shape) in enumerate(expected_shapes(config).items())
    }
    return Checkpoint(
        config=config,
        tensors=tensors,
        tokenizer_file=nano_folder() / "tokenizer.json",
        layout="native",
        folder=nano_folder(),
    )


def _noise(shape: tuple[int, ...], block: Tensor) -> Tensor:
    """The block again and again, in memory of its own: shared memory would be read from the CPU's caches."""
    tensor = torch.empty(shape)
    for part in torch.split(tensor.view(-1), len(block)):
        part.copy_(block[: len(part)])
    return tensor


def _level(name: str, shape: tuple[int, ...]) -> Tensor:
    """Norms scale by one, biases add nothing."""
    return torch.ones(shape) if name.endswith("weight") else torch.zeros(shape)
