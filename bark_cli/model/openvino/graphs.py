"""A whole Bark as OpenVINO's graphs: its tensors -> one graph for each of the four networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from bark_cli.model.config import BarkConfig
from bark_cli.model.openvino import Part
from bark_cli.model.openvino.codec import codec_graph
from bark_cli.model.openvino.transformer import causal_graph, fine_graph
from bark_cli.model.openvino.weights import Array, GraphStorage, GraphWeights

if TYPE_CHECKING:
    import openvino as ov

Arrays = tuple[Mapping[str, Array], Mapping[str, Array]]  # tensors and scales


def graph(part: Part, config: BarkConfig, arrays: Callable[[str], Arrays], storage: GraphStorage) -> ov.Model:
    """The graph of a part, from what `Checkpoint.arrays` has of it; a codec has nothing in fewer bits."""
    if part == "codec":
        kept: GraphStorage = "fp16" if storage == "fp16" else "fp32"
        return codec_graph(config.codec, GraphWeights(part, *arrays(part), kept))
    make = fine_graph if part == "fine" else causal_graph
    return make(getattr(config, part).gpt, GraphWeights(part, *arrays(part), storage), part)
