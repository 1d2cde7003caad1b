"""What Suno published: the names of its voices, and the vocabulary that they are spoken in.

After suno-ai/bark, bark/generation.py: SUPPORTED_LANGS and ALLOWED_PROMPTS.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from bark_cli.errors import OptionError
from bark_cli.model.config import BarkConfig, CoarseConfig, FineConfig, GPTConfig, SemanticConfig
from bark_cli.system.records import Bounds, read_object, record

LANGUAGES = ("de", "en", "es", "fr", "hi", "it", "ja", "ko", "pl", "pt", "ru", "tr", "zh")
# announcer, and ten speakers of each language in two versions: en_speaker_6, v2/en_speaker_6
VOICE_NAMES = (
    "announcer",
    *(f"{v}{lang}_speaker_{n}" for v in ("", "v2/") for lang in LANGUAGES for n in range(10)),
)


def published_config() -> BarkConfig:
    """The configuration of Suno's large Bark; the small one differs in the size of its networks alone."""
    large = GPTConfig(n_layer=24, n_head=16, n_embd=1024, input_vocab_size=129_600, output_vocab_size=10_048)
    coarse = replace(large, input_vocab_size=12_096, output_vocab_size=12_096)
    fine = replace(large, input_vocab_size=1_056, output_vocab_size=1_056, norm_bias=True, n_codes_total=8)
    return BarkConfig(
        semantic=SemanticConfig(gpt=large), coarse=CoarseConfig(gpt=coarse), fine=FineConfig(gpt=fine)
    )


def speaks_suno_voices(config: BarkConfig) -> bool:
    """Whether a model of this configuration has the tokens that Suno voices are made of."""
    return shares_voices(config, published_config())


def shares_voices(config: BarkConfig, other: BarkConfig) -> bool:
    """Whether two models have the same tokens, so that a voice of one is a voice of the other."""
    return _vocabulary(config) == _vocabulary(other)


def config_in(folder: Path) -> BarkConfig:
    """The vocabulary of the model in a folder, by its small files alone and without torch.

    Only what a voice is checked against is read; what no file says is as published. A damaged file says
    nothing here: whoever loads the model will tell.
    """
    ours = _json(folder / "config.json")
    if "semantic" in ours:
        with suppress(ValueError, OptionError):
            return record(BarkConfig, ours)
    theirs = _json(folder / "generation_config.json")
    config = published_config()
    with suppress(AttributeError, TypeError, ValueError):
        semantic, coarse = theirs.get("semantic_config", {}), theirs.get("coarse_acoustics_config", {})
        codebook = int(theirs.get("codebook_size", config.fine.codebook_size))
        return replace(
            config,
            semantic=replace(
                config.semantic,
                vocab_size=int(semantic.get("semantic_vocab_size", config.semantic.vocab_size)),
                rate_hz=float(semantic.get("semantic_rate_hz", config.semantic.rate_hz)),
            ),
            coarse=replace(
                config.coarse,
                codebook_size=codebook,
                n_codebooks=int(coarse.get("n_coarse_codebooks", config.coarse.n_codebooks)),
                rate_hz=float(coarse.get("coarse_rate_hz", config.coarse.rate_hz)),
            ),
            fine=replace(config.fine, codebook_size=codebook),
        )
    return config


def _vocabulary(config: BarkConfig) -> tuple[float, ...]:
    """All of a configuration that a voice has to fit."""
    semantic, coarse, fine = config.semantic, config.coarse, config.fine
    return (
        semantic.vocab_size,
        coarse.codebook_size,
        coarse.n_codebooks,
        fine.codebook_size,
        fine.n_codebooks,
        round(coarse.rate_hz / semantic.rate_hz, 1) if semantic.rate_hz else 0,
    )


def _json(path: Path) -> dict[str, Any]:
    """A small JSON object; empty where there is none."""
    with suppress(OSError, ValueError):
        return read_object(path, Bounds(2**20))
    return {}
