"""Voices: their catalogue, their files, and the user's own.

`catalogue` finds a voice by name or path, `file` reads and writes one, `own` keeps the user's.
"""

from __future__ import annotations

from bark_cli.voices.catalogue import (
    NO_VOICE,
    Voice,
    find_voice,
    language_of_voice,
    list_voices,
)
from bark_cli.voices.file import save_voice

__all__ = [
    "NO_VOICE",
    "Voice",
    "find_voice",
    "language_of_voice",
    "list_voices",
    "save_voice",
]
