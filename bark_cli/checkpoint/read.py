"""Reading a model's folder, whatever its layout: folder -> Checkpoint, checked.

The readers of foreign layouts are loaded when they are needed: they need torch.
"""

from __future__ import annotations

from pathlib import Path

from bark_cli.checkpoint.check import check_tensors
from bark_cli.checkpoint.layout import Layout, find_layout
from bark_cli.checkpoint.native import read_native
from bark_cli.checkpoint.record import Checkpoint


def read_layout(folder: Path, layout: Layout) -> Checkpoint:
    """Read the model in `folder`, which has that layout.

    Raises:
        UnsafeFileError: a file would run code if it were read; it was not.
        ModelError: the model is incomplete, damaged or not Bark.
    """
    if layout.kind == "native":
        checkpoint = read_native(folder)
    elif layout.kind == "openvino":
        from bark_cli.checkpoint.openvino import read_openvino

        checkpoint = read_openvino(folder)
    elif layout.kind == "suno":
        from bark_cli.checkpoint.suno import read_suno

        checkpoint = read_suno(folder, layout.size)
    elif layout.kind == "gguf":
        from bark_cli.checkpoint.gguf import read_gguf

        checkpoint = read_gguf(layout.file or folder, folder)
    else:
        from bark_cli.checkpoint.transformers import read_transformers

        checkpoint = read_transformers(folder, layout.values)
    check_tensors(checkpoint)
    return checkpoint


def read_checkpoint(folder: Path, *, size: str | None = None) -> Checkpoint:
    """Read the model in `folder`, whatever its layout; every tensor is there, of the right shape, as stored.

    `size` ("small" or "large") chooses where a folder of Suno's holds both; by default the large one.

    Raises:
        UnsafeFileError: a file would run code if it were read; it was not.
        ModelError: the folder is missing, or its model is incomplete, damaged or not Bark.
    """
    return read_layout(folder, find_layout(folder, size))
