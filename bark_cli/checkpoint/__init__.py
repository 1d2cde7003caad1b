"""A model's folder in any layout -> Checkpoint: one configuration, one naming of tensors, a tokenizer file.

read        a folder -> Checkpoint (record), checked (check, shapes); layout tells which reader it takes
native      our own layout; suno, transformers, gguf and openvino are foreign ones, whose names end here
untrusted   files are read as data and never run; mapped shares a file's memory
vocabulary  the small files alone, enough to compose a text
open        a foreign model is converted once, and kept
mix         stages of several models as one; build makes networks of a Checkpoint
convert     a model -> another layout (to_suno, to_transformers, to_gguf, to_openvino), with its voices
            (converted_voices), where that layout can hold it (fit, convertible)

Names are imported when first used: a model of our own layout is read without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bark_cli.system.later import imported_later

if TYPE_CHECKING:
    from bark_cli.checkpoint.build import Networks as Networks
    from bark_cli.checkpoint.build import build_causal as build_causal
    from bark_cli.checkpoint.build import build_codec as build_codec
    from bark_cli.checkpoint.build import build_networks as build_networks
    from bark_cli.checkpoint.fit import LayoutName as LayoutName
    from bark_cli.checkpoint.fit import layouts_for as layouts_for
    from bark_cli.checkpoint.fit import misfit as misfit
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

__getattr__ = imported_later(
    __name__,
    {
        "build": ("Networks", "build_causal", "build_codec", "build_networks"),
        "fit": ("LayoutName", "layouts_for", "misfit"),
        "mix": ("mix_stages",),
        "native": ("Storage", "write_native"),
        "open": ("open_checkpoint",),
        "openvino": ("stored_as",),
        "read": ("read_checkpoint",),
        "record": ("Checkpoint",),
        "shapes": ("expected_shapes",),
        "to_gguf": ("GGUFStorage", "write_gguf"),
        "to_openvino": ("Agreement", "OpenVINOStorage", "openvino_card", "write_openvino"),
        "to_suno": ("write_suno",),
        "to_transformers": ("write_transformers",),
    },
)
