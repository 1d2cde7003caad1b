"""Ready networks of a checkpoint: tensors -> modules in eval mode, sharing its memory where they can."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from bark_cli.checkpoint.record import Checkpoint
from bark_cli.model.codec import Codec
from bark_cli.model.networks import GPT, FineGPT
from bark_cli.model.quantize import halve_linears

AnyGPT = TypeVar("AnyGPT", GPT, FineGPT)


@dataclass(frozen=True, kw_only=True)
class Networks:
    """The four networks of one Bark."""

    semantic: GPT
    coarse: GPT
    fine: FineGPT
    codec: Codec


def build_networks(checkpoint: Checkpoint, dtype: torch.dtype = torch.float32) -> Networks:
    """Build the networks of what `read_checkpoint` returned, without drawing weights first.

    The linear layers of the transformers compute in `dtype`, all else in float32.
    """
    return Networks(
        semantic=build_causal(checkpoint, "semantic", dtype),
        coarse=build_causal(checkpoint, "coarse", dtype),
        fine=build_fine(checkpoint, dtype),
        codec=build_codec(checkpoint),
    )


def build_causal(checkpoint: Checkpoint, stage: str, dtype: torch.dtype = torch.float32) -> GPT:
    """The network of the semantic or coarse stage."""
    with torch.device("meta"):
        network = GPT(getattr(checkpoint.config, stage).gpt)
    network.load_state_dict(_state(checkpoint, stage, dtype), assign=True)
    return _ready(network, dtype)


def build_fine(checkpoint: Checkpoint, dtype: torch.dtype = torch.float32) -> FineGPT:
    """The network of the fine stage."""
    with torch.device("meta"):
        network = FineGPT(checkpoint.config.fine.gpt)
    # The tied heads are not among the tensors, and assigning puts new tables beside the old ties.
    network.load_state_dict(_state(checkpoint, "fine", dtype), assign=True, strict=False)
    network.tie_heads()
    return _ready(network, dtype)


def build_codec(checkpoint: Checkpoint) -> Codec:
    """The codec's decoder, in float32."""
    return Codec.from_tensors(checkpoint.config.codec, checkpoint.part("codec"))


def _ready(network: AnyGPT, dtype: torch.dtype) -> AnyGPT:
    network.requires_grad_(False).eval()
    return network if dtype == torch.float32 else halve_linears(network, dtype)


def _state(checkpoint: Checkpoint, stage: str, dtype: torch.dtype) -> dict[str, Tensor]:
    """A part's tensors, the matrices of its blocks in `dtype`, cast one by one: none lies there twice."""
    prefix = f"{stage}."
    state = {}
    for key in checkpoint.tensors:
        if key.startswith(prefix):
            name, tensor = key.removeprefix(prefix), checkpoint.float32(key)
            state[name] = tensor.to(dtype) if tensor.ndim == 2 and name.startswith("h.") else tensor
    return state
