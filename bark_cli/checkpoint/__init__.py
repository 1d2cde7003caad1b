"""A model's folder in any layout -> Checkpoint: one configuration, one naming of tensors, a tokenizer file.

Layouts: our own (native.py), Suno's .pt files (suno.py, after suno-ai/bark's generation.py), folders of
Transformers (transformers.py), GGUF files (gguf.py) and folders of OpenVINO's graphs (openvino.py). Foreign
names end here; a foreign model is converted once (open.py).
The way back: to_suno.py, to_transformers.py, to_gguf.py and to_openvino.py, for what those layouts can hold
(fit.py).
Names are imported when first used: a model of our own layout is read without torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bark_cli.checkpoint.build import Networks as Networks
    from bark_cli.checkpoint.build import build_causal as build_causal
    from bark_cli.checkpoint.build import build_codec as build_codec
    from bark_cli.checkpoint.build import build_fine as build_fine
    from bark_cli.checkpoint.build import build_networks as build_networks
    from bark_cli.checkpoint.fit import LAYOUTS as LAYOUTS
    from bark_cli.checkpoint.fit import LayoutName as LayoutName
    from bark_cli.checkpoint.fit import layouts_for as layouts_for
    from bark_cli.checkpoint.fit import misfit as misfit
    from bark_cli.checkpoint.mix import STAGES as STAGES
    from bark_cli.checkpoint.mix import mix_stages as mix_stages
    from bark_cli.checkpoint.native import Storage as Storage
    from bark_cli.checkpoint.native import write_native as write_native
    from bark_cli.checkpoint.open import open_checkpoint as open_checkpoint
    from bark_cli.checkpoint.openvino import stored_as as stored_as
    from bark_cli.checkpoint.read import read_checkpoint as read_checkpoint
    from bark_cli.checkpoint.record import Checkpoint as Checkpoint
    from bark_cli.checkpoint.shapes import expected_shapes as expected_shapes
    from bark_cli.checkpoint.to_gguf import GGUFStorage as GGUFStorage
    from bark_cli.checkpoint.to_gguf import write_gguf as write_gguf
    from bark_cli.checkpoint.to_openvino import Agreement as Agreement
    from bark_cli.checkpoint.to_openvino import OpenVINOStorage as OpenVINOStorage
    from bark_cli.checkpoint.to_openvino import openvino_card as openvino_card
    from bark_cli.checkpoint.to_openvino import write_openvino as write_openvino
    from bark_cli.checkpoint.to_suno import write_suno as write_suno
    from bark_cli.checkpoint.to_transformers import write_transformers as write_transformers

_HOMES = {
    "Agreement": "to_openvino",
    "OpenVINOStorage": "to_openvino",
    "openvino_card": "to_openvino",
    "stored_as": "openvino",
    "write_openvino": "to_openvino",
    "Checkpoint": "record",
    "GGUFStorage": "to_gguf",
    "LAYOUTS": "fit",
    "LayoutName": "fit",
    "Networks": "build",
    "STAGES": "mix",
    "Storage": "native",
    "build_causal": "build",
    "build_codec": "build",
    "build_fine": "build",
    "build_networks": "build",
    "expected_shapes": "shapes",
    "layouts_for": "fit",
    "misfit": "fit",
    "mix_stages": "mix",
    "open_checkpoint": "open",
    "read_checkpoint": "read",
    "write_gguf": "to_gguf",
    "write_native": "native",
    "write_suno": "to_suno",
    "write_transformers": "to_transformers",
}
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


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
