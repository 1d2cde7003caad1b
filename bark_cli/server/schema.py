"""What the JSON of a speech request may hold: a field's name -> its JSON schema, and what it is for.

The first eight are OpenAI's (CreateSpeechRequest); the others are options of `bark say`, by the same names.
"""

from __future__ import annotations

from typing import Any

from bark_cli.audio.aac import can_write_aac
from bark_cli.settings import SETTINGS, Setting
from bark_cli.text.documents import FORMATS as INPUT_FORMATS

# name -> the media type of it, and what open_sink calls it; aac goes by another way
SOUND_FORMATS = {
    "mp3": ("audio/mpeg", "mp3"),
    "opus": ("audio/opus", "opus"),
    "flac": ("audio/flac", "flac"),
    "wav": ("audio/wav", "wav"),
    "pcm": ("audio/pcm", "raw"),
    "aac": ("audio/aac", "aac"),
}
MOST_TAKES = 10  # and retries: each is as much work as the whole
MOST_SPEAKERS = 32
_NAME = {"type": "string", "minLength": 1, "maxLength": 256}
_TAKEN = (
    *("seed", "preset", "temperature", "semantic_temperature", "coarse_temperature", "fine_temperature"),
    *("liveliness", "top_k", "top_p", "min_eos_p", "max_duration", "fine_codebooks"),
    *("continuity", "pause", "paragraph_pause", "speed", "takes", "retries"),
)
# settings that a request may give
REQUEST_SETTINGS = {name: SETTINGS[name] for name in _TAKEN}


def speech_schema(max_text: int) -> dict[str, dict[str, Any]]:
    """The fields, in order; a text has at most `max_text` characters."""
    return {
        "model": {**_NAME, "description": "the model that is served, or a name that stands for it"},
        "input": {
            "type": "string",
            "minLength": 1,
            "maxLength": max_text,
            "description": "the text; long ones are cut at sentences",
        },
        "voice": {
            "anyOf": [_NAME, {"type": "object", "properties": {"id": _NAME}, "required": ["id"]}],
            "description": "a name of /v1/audio/voices, or one of OpenAI's that stands for it",
        },
        "instructions": {
            "type": "string",
            "maxLength": 4096,
            "description": "taken, and not heeded: Bark follows none",
        },
        "response_format": {"type": "string", "enum": sound_formats(), "default": "mp3"},
        "speed": _schema_of(REQUEST_SETTINGS["speed"]),
        "stream_format": {"type": "string", "enum": ["audio", "sse"], "default": "audio"},
        "language": {"type": "string", "pattern": "^[A-Za-z]{2}$", "description": "of the text, e.g. de"},
        "input_format": {"type": "string", "enum": list(INPUT_FORMATS), "default": "text"},
        "cast": {
            "type": "object",
            "additionalProperties": _NAME,
            "maxProperties": MOST_SPEAKERS,
            "description": "voices of a script's names",
        },
        "exact": {
            "type": "boolean",
            "default": False,
            "description": "the very sound of a file, which begins later",
        },
        **{name: _schema_of(setting) for name, setting in REQUEST_SETTINGS.items()},
    }


def sound_formats() -> list[str]:
    """Those of SOUND_FORMATS that can be made here: AAC needs ffmpeg."""
    return [name for name in SOUND_FORMATS if name != "aac" or can_write_aac()]


def most(name: str) -> float | None:
    """The largest value of a setting that a server takes."""
    return MOST_TAKES if name in ("takes", "retries") else SETTINGS[name].high


def _schema_of(setting: Setting) -> dict[str, Any]:
    schema: dict[str, Any] = {"description": setting.help}
    if setting.kind is str:
        return schema | (
            {"type": "string", "enum": list(setting.choices)} if setting.choices else dict(_NAME)
        )
    schema["type"] = "integer" if setting.kind is int else "number"
    if setting.low is not None:
        schema["exclusiveMinimum" if setting.above else "minimum"] = setting.low
    if (high := most(setting.name)) is not None:
        schema["maximum"] = high
    return schema
