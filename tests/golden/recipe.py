"""Narrow seeded networks with Suno's ids and windows, and the utterances that the golden tokens answer.

The numbers come from numpy's frozen `RandomState`, so that they are the same everywhere and for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from bark_cli.model.config import BarkConfig, CoarseConfig, FineConfig, GPTConfig, SemanticConfig
from bark_cli.model.networks import GPT, FineGPT
from bark_cli.model.tokens import BarkTokens, Tokens

FOLDER = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Case:
    """One utterance: random text ids, perhaps a random voice, and weights of its own."""

    name: str
    seed: int
    text_tokens: int
    end_weight: float  # how readily speech ends: scales the head's row of that id
    voice_tokens: int = 0  # semantic tokens of the voice; 0 is no voice
    max_duration_s: float | None = None


CASES = (
    Case(name="ends_early", seed=1, text_tokens=9, end_weight=2.2),
    Case(name="fills_every_window", seed=2, text_tokens=256, end_weight=0.0),
    Case(name="short_voice_ends_early", seed=3, text_tokens=31, end_weight=2.2, voice_tokens=58),
    Case(name="odd_voice", seed=4, text_tokens=77, end_weight=0.0, voice_tokens=313, max_duration_s=3.3),
    Case(name="long_voice", seed=5, text_tokens=130, end_weight=0.0, voice_tokens=731, max_duration_s=13.1),
    Case(name="tiny_voice", seed=6, text_tokens=1, end_weight=0.0, voice_tokens=2, max_duration_s=0.05),
)


def narrow_config(width: int = 16) -> BarkConfig:
    """Suno's Bark in everything but depth and width."""

    def gpt(inputs: int, outputs: int) -> GPTConfig:
        return GPTConfig(
            n_layer=2, n_head=2, n_embd=width, input_vocab_size=inputs, output_vocab_size=outputs
        )

    fine = GPTConfig(
        n_layer=2,
        n_head=2,
        n_embd=width,
        input_vocab_size=1056,
        output_vocab_size=1056,
        norm_bias=True,
        n_codes_total=8,
    )
    return BarkConfig(
        semantic=SemanticConfig(gpt=gpt(129_600, 10_048)),
        coarse=CoarseConfig(gpt=gpt(12_096, 12_096)),
        fine=FineConfig(gpt=fine),
    )


def narrow_weights(config: BarkConfig, seed: int, end_weight: float = 1.0) -> dict[str, dict[str, Tensor]]:
    """State of each network by our names; heads of the fine network are left out where they are tied."""
    random = np.random.RandomState(seed)

    def drawn(module: nn.Module) -> dict[str, Tensor]:
        state = {}
        for name, value in module.state_dict().items():
            if name.startswith("lm_heads."):
                continue
            spread, centre = (0.3, 0.0) if value.ndim > 1 else (0.1, float(name.endswith("weight")))
            numbers = random.standard_normal(tuple(value.shape)) * spread + centre
            state[name] = torch.from_numpy(numbers.astype(np.float32))
        return state

    with torch.device("meta"):
        networks = {
            "semantic": GPT(config.semantic.gpt),
            "coarse": GPT(config.coarse.gpt),
            "fine": FineGPT(config.fine.gpt),
        }
    weights = {stage: drawn(network) for stage, network in networks.items()}
    weights["semantic"]["lm_head.weight"][config.semantic.pad_token] *= end_weight
    return weights


def inputs(case: Case, config: BarkConfig) -> tuple[Tokens, BarkTokens | None]:
    """Text ids (N,) with the model's offset added, and the voice of a case."""
    random = np.random.RandomState(case.seed + 1000)
    first, last = config.semantic.text_offset, config.semantic.text_pad_token
    text_ids = random.randint(first, last, case.text_tokens).astype(np.int64)
    if not case.voice_tokens:
        return text_ids, None
    frames = case.voice_tokens * 3 // 2
    fine = random.randint(0, config.fine.codebook_size, (config.fine.n_codebooks, frames)).astype(np.int64)
    semantic = random.randint(0, config.semantic.vocab_size, case.voice_tokens).astype(np.int64)
    return text_ids, BarkTokens(semantic=semantic, coarse=fine[: config.coarse.n_codebooks], fine=fine)
