"""A model's folder in any layout -> Checkpoint: one configuration, one naming of tensors, a tokenizer file.

Layouts: our own (native.py), Suno's .pt files (suno.py, after suno-ai/bark's generation.py), and folders of
Transformers (transformers.py). Foreign names end here; a foreign model is converted once (converted.py).
"""

from __future__ import annotations

from bark_cli.checkpoint.build import Networks, build_causal, build_codec, build_fine, build_networks
from bark_cli.checkpoint.check import expected_shapes
from bark_cli.checkpoint.converted import open_checkpoint
from bark_cli.checkpoint.mix import STAGES, mix_stages
from bark_cli.checkpoint.native import Storage, write_native
from bark_cli.checkpoint.read import read_checkpoint
from bark_cli.checkpoint.record import Checkpoint

__all__ = [
    "STAGES",
    "Checkpoint",
    "Networks",
    "Storage",
    "build_causal",
    "build_codec",
    "build_fine",
    "build_networks",
    "expected_shapes",
    "mix_stages",
    "open_checkpoint",
    "read_checkpoint",
    "write_native",
]
