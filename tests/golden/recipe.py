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
# of these, what is drawn at Suno's own temperatures, too, after torch.manual_seed(case.seed)
DRAWN = tuple(case for case in CASES if case.name in ("short_voice_ends_early", "odd_voice"))


@dataclass(frozen=True, kw_only=True)
class Snippet:
    """A text of suno-ai/bark's README, as it is said there, and the random numbers it is said with."""

    name: str
    text: str
    seed: int
    voice: str | None = None


SNIPPETS = (
    Snippet(
        name="basics",
        seed=11,
        text="""
     Hello, my name is Suno. And, uh — and I like pizza. [laughs] 
     But I also have other interests such as playing tic tac toe.
""",
    ),
    Snippet(
        name="german",
        seed=12,
        text="""
    Der Dreißigjährige Krieg (1618-1648) war ein verheerender Konflikt, der Europa stark geprägt hat.
    This is a beginning of the history. If you want to hear more, please continue.
""",
    ),
    Snippet(
        name="music",
        seed=13,
        text="""
    ♪ In the jungle, the mighty jungle, the lion barks tonight ♪
""",
    ),
    Snippet(
        name="voice",
        seed=14,
        text="""
    I have a silky smooth voice, and today I will tell you about 
    the exercise regimen of the common sloth.
""",
        voice="v2/en_speaker_1",
    ),
)
SNIPPET_WEIGHTS = Case(name="snippets", seed=7, text_tokens=1, end_weight=5.0)


def snippet_pieces() -> list[str]:
    """A vocabulary in which each letter is a token, and — unknown, as in multilingual BERT's."""
    signs = sorted(set("".join(snippet.text for snippet in SNIPPETS)) - set(" \n—"))
    return ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *signs, *(f"##{sign}" for sign in signs)]


def snippet_voice(config: BarkConfig) -> BarkTokens:
    """Random tokens for the voice that a snippet names."""
    voiced = Case(name="voice", seed=9, text_tokens=1, end_weight=0.0, voice_tokens=120)
    _, voice = inputs(voiced, config)
    assert voice is not None
    return voice


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
