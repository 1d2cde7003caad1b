"""suno-ai/bark's few words for all of it: text -> samples (N,) float32 at 24 kHz, and their tokens.

After suno-ai/bark, bark/api.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, overload

from bark_cli.model.tokens import Samples, Tokens
from bark_cli.suno.generation import (
    Temperature,
    codec_decode,
    generate_coarse,
    generate_fine,
    generate_text_semantic,
)
from bark_cli.suno.history import HistoryPrompt, prompt_tokens
from bark_cli.voices.file import KEYS, save_voice

FullGeneration = dict[str, Tokens]  # semantic_prompt (T,), coarse_prompt (2, F), fine_prompt (8, F)


def text_to_semantic(
    text: str,
    history_prompt: HistoryPrompt | None = None,
    temp: Temperature = "own",
    silent: bool = False,
) -> Tokens:
    """Text -> semantic tokens (T,); arguments and errors are those of `generate_text_semantic`."""
    return generate_text_semantic(text, history_prompt=history_prompt, temp=temp, silent=silent)


@overload
def semantic_to_waveform(
    semantic_tokens: Tokens,
    history_prompt: HistoryPrompt | None = ...,
    temp: Temperature = ...,
    silent: bool = ...,
    output_full: Literal[False] = ...,
) -> Samples: ...
@overload
def semantic_to_waveform(
    semantic_tokens: Tokens,
    history_prompt: HistoryPrompt | None = ...,
    temp: Temperature = ...,
    silent: bool = ...,
    *,
    output_full: Literal[True],
) -> tuple[FullGeneration, Samples]: ...
def semantic_to_waveform(
    semantic_tokens: Tokens,
    history_prompt: HistoryPrompt | None = None,
    temp: Temperature = "own",
    silent: bool = False,
    output_full: bool = False,
) -> Samples | tuple[FullGeneration, Samples]:
    """Semantic tokens (T,) -> samples (N,), with `output_full` all tokens and then the samples.

    Args:
        semantic_tokens: what `text_to_semantic` made.
        history_prompt: a voice's name, a .npz file, or a full generation.
        temp: of the coarse stage alone; the fine one draws as the model likes it.
        silent: show no progress.
        output_full: return what the next text can go on from, too.

    Raises:
        BarkError: as `generate_coarse` and `generate_fine`.
    """
    coarse = generate_coarse(semantic_tokens, history_prompt=history_prompt, temp=temp, silent=silent)
    fine = generate_fine(coarse, history_prompt=history_prompt)
    samples = codec_decode(fine)
    if not output_full:
        return samples
    return dict(zip(KEYS, (semantic_tokens, coarse, fine), strict=True)), samples


def save_as_prompt(filepath: str | Path, full_generation: Mapping[str, Any], *, force: bool = False) -> None:
    """Keep a full generation as a voice file, for `history_prompt` and for `bark say -v`.

    Raises:
        VoiceError: it lacks one of the three arrays.
        OptionError: the file's name does not end in .npz.
        OutputError: the file exists and `force` is not given, or it cannot be written.
    """
    save_voice(prompt_tokens(full_generation), filepath, force=force)


@overload
def generate_audio(
    text: str,
    history_prompt: HistoryPrompt | None = ...,
    text_temp: Temperature = ...,
    waveform_temp: Temperature = ...,
    silent: bool = ...,
    output_full: Literal[False] = ...,
) -> Samples: ...
@overload
def generate_audio(
    text: str,
    history_prompt: HistoryPrompt | None = ...,
    text_temp: Temperature = ...,
    waveform_temp: Temperature = ...,
    silent: bool = ...,
    *,
    output_full: Literal[True],
) -> tuple[FullGeneration, Samples]: ...
def generate_audio(
    text: str,
    history_prompt: HistoryPrompt | None = None,
    text_temp: Temperature = "own",
    waveform_temp: Temperature = "own",
    silent: bool = False,
    output_full: bool = False,
) -> Samples | tuple[FullGeneration, Samples]:
    """Text -> samples (N,) float32 at SAMPLE_RATE, with `output_full` all tokens and then the samples.

    Args:
        text: one that fits the model at once, about 13 seconds of speech.
        history_prompt: a voice's name, a .npz file, or a full generation.
        text_temp: of the semantic stage: 0 takes the likeliest; "own" is the model's way, 0.7 in Suno's.
        waveform_temp: the same of the coarse stage.
        silent: show no progress.
        output_full: return what the next text can go on from, too.

    Raises:
        BarkError: as `generate_text_semantic`, `generate_coarse` and `generate_fine`.
    """
    tokens = text_to_semantic(text, history_prompt=history_prompt, temp=text_temp, silent=silent)
    if output_full:
        return semantic_to_waveform(
            tokens, history_prompt=history_prompt, temp=waveform_temp, silent=silent, output_full=True
        )
    return semantic_to_waveform(tokens, history_prompt=history_prompt, temp=waveform_temp, silent=silent)
