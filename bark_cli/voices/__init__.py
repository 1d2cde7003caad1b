"""Voices: their catalogue, their files, and the user's own."""

from __future__ import annotations

from bark_cli.voices.catalogue import (
    NO_VOICE,
    Voice,
    VoiceInfo,
    find_voice,
    lacks_suno_voices,
    language_of_voice,
    list_voices,
    locate_voice,
    model_voices,
    own_voices,
)
from bark_cli.voices.file import check_voice_file, save_voice

__all__ = [
    "NO_VOICE",
    "Voice",
    "VoiceInfo",
    "check_voice_file",
    "find_voice",
    "lacks_suno_voices",
    "language_of_voice",
    "list_voices",
    "locate_voice",
    "model_voices",
    "own_voices",
    "save_voice",
]
