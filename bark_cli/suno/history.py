"""What a history prompt may be: a voice's name, a .npz file, three arrays by name -> tokens of a voice.

After suno-ai/bark, bark/generation.py, and the forks of it that take a dictionary, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bark_cli.errors import VoiceError
from bark_cli.known_model import KnownModel
from bark_cli.model.tokens import BarkTokens
from bark_cli.voices import Voice
from bark_cli.voices.file import KEYS

HistoryPrompt = str | Path | Voice | Mapping[str, Any]


def history_tokens(prompt: HistoryPrompt | None, model: KnownModel) -> BarkTokens | None:
    """The tokens of a history prompt, checked; None is the model's own voice, which Suno's models have not.

    Raises:
        VoiceError: it is unknown, malformed or made for another model.
    """
    if isinstance(prompt, Mapping):
        prompt = Voice("history_prompt", prompt_tokens(prompt))
    voice = model.find_voice(prompt)
    return None if voice is None else voice.tokens


def prompt_tokens(arrays: Mapping[str, Any]) -> BarkTokens:
    """The three arrays of a full generation, (n,), (2, m) and (8, m).

    Raises:
        VoiceError: one is missing, or does not hold whole numbers.
    """
    if missing := [key for key in KEYS if key not in arrays]:
        raise VoiceError(f"the history prompt has no {missing[0]}; it needs {', '.join(KEYS)}")
    semantic, coarse, fine = (np.asarray(arrays[key]) for key in KEYS)
    for key, array in zip(KEYS, (semantic, coarse, fine), strict=True):
        if array.dtype.kind not in "iu":
            raise VoiceError(f"{key} of the history prompt holds {array.dtype} values, not whole numbers")
    return BarkTokens(semantic=semantic, coarse=coarse, fine=fine)
