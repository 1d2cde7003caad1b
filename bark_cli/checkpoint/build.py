"""Ready networks of a checkpoint: tensors -> modules in eval mode, sharing the checkpoint's memory."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from bark_cli.checkpoint.record import Checkpoint
from bark_cli.codec import Codec
from bark_cli.model import GPT, FineGPT


@dataclass(frozen=True, kw_only=True)
class Networks:
    """The four networks of one Bark."""

    semantic: GPT
    coarse: GPT
    fine: FineGPT
    codec: Codec


def build_networks(checkpoint: Checkpoint) -> Networks:
    """Build the networks of what `read_checkpoint` returned, without drawing weights first."""
    config = checkpoint.config
    with torch.device("meta"):
        semantic, coarse = GPT(config.semantic.gpt), GPT(config.coarse.gpt)
        fine = FineGPT(config.fine.gpt)
    semantic.load_state_dict(checkpoint.part("semantic"), assign=True)
    coarse.load_state_dict(checkpoint.part("coarse"), assign=True)
    # The tied heads are not among the tensors, and assigning has put new tables beside the old ties.
    fine.load_state_dict(checkpoint.part("fine"), assign=True, strict=False)
    fine.tie_heads()
    for network in (semantic, coarse, fine):
        network.requires_grad_(False).eval()
    codec = Codec.from_tensors(config.codec, checkpoint.part("codec"))
    return Networks(semantic=semantic, coarse=coarse, fine=fine, codec=codec)
