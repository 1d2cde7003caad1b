"""A model's folder in any layout -> Checkpoint: one configuration, one naming of tensors, a tokenizer file.

Layouts: our own (native.py), Suno's .pt files (suno.py, after suno-ai/bark's generation.py), folders of
Transformers (transformers.py), GGUF files (gguf.py) and folders of OpenVINO's graphs (openvino.py). Foreign
names end here; a foreign model is converted once (open.py).
The way back: to_suno.py, to_transformers.py, to_gguf.py and to_openvino.py, for what those layouts can hold
(fit.py).
"""

from __future__ import annotations

from bark_cli.checkpoint.build import Networks, build_causal, build_codec, build_fine, build_networks
from bark_cli.checkpoint.check import expected_shapes
from bark_cli.checkpoint.fit import LAYOUTS, LayoutName, layouts_for, misfit
from bark_cli.checkpoint.mix import STAGES, mix_stages
from bark_cli.checkpoint.native import Storage, write_native
from bark_cli.checkpoint.open import open_checkpoint
from bark_cli.checkpoint.openvino import stored_as
from bark_cli.checkpoint.read import read_checkpoint
from bark_cli.checkpoint.record import Checkpoint
from bark_cli.checkpoint.to_gguf import GGUFStorage, write_gguf
from bark_cli.checkpoint.to_openvino import Agreement, OpenVINOStorage, write_openvino
from bark_cli.checkpoint.to_openvino import card as openvino_card
from bark_cli.checkpoint.to_suno import write_suno
from bark_cli.checkpoint.to_transformers import write_transformers

__all__ = [
    "LAYOUTS",
    "STAGES",
    "Agreement",
    "Checkpoint",
    "GGUFStorage",
    "LayoutName",
    "Networks",
    "OpenVINOStorage",
    "Storage",
    "build_causal",
    "build_codec",
    "build_fine",
    "build_networks",
    "expected_shapes",
    "layouts_for",
    "misfit",
    "mix_stages",
    "open_checkpoint",
    "openvino_card",
    "read_checkpoint",
    "stored_as",
    "write_gguf",
    "write_native",
    "write_openvino",
    "write_suno",
    "write_transformers",
]
