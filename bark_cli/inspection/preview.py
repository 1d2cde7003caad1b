"""Hear a voice itself: its fine tokens (8, m) -> the sound they stand for, with nothing generated."""

from __future__ import annotations

from pathlib import Path

from bark_cli.audio import Audio
from bark_cli.model.published import config_in
from bark_cli.store import ModelRef, resolve_model
from bark_cli.voices.catalogue import find_voice
from bark_cli.voices.own import describe_voice


def previewing_model(voice: str | Path) -> ModelRef:
    """The best model here that can speak a voice; the best of all where none can, which will say why.

    Raises:
        VoiceError: there is no such voice, or it is damaged.
        ModelError: there is no model.
    """
    fitting = describe_voice(voice).models
    return fitting[0] if fitting else resolve_model(None)


def preview_voice(voice: str | Path, ref: ModelRef | None = None) -> Audio:
    """The sound of a voice's own tokens, by the codec of a model; None is the best one that can speak it.

    Of the model only the codec is built.

    Raises:
        VoiceError: there is no such voice, it is damaged, or the model cannot speak it.
        ModelError: the model is incomplete, damaged or foreign.
    """
    ref = ref or previewing_model(voice)
    find_voice(voice, model_folder=ref.folder, config=config_in(ref.folder))  # a wrong one raises at once
    import torch

    from bark_cli.checkpoint import build_codec, read_checkpoint

    checkpoint = read_checkpoint(ref.folder, size=ref.size)
    tokens = find_voice(voice, model_folder=ref.folder, config=checkpoint.config).tokens
    samples = build_codec(checkpoint).decode(torch.from_numpy(tokens.fine))
    return Audio(samples=samples.numpy(), sample_rate=checkpoint.config.codec.sample_rate)
