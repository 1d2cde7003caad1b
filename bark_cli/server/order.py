"""A speech request as it came (JSON bytes) -> SpeechOrder, or the problem with it and the field's name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from bark_cli.errors import BarkError, OptionError, TextError
from bark_cli.server.listing import MODEL_ALIASES
from bark_cli.server.problem import Problem
from bark_cli.server.schema import (
    MOST_SPEAKERS,
    REQUEST_SETTINGS,
    SOUND_FORMATS,
    most,
    sound_formats,
    speech_schema,
)
from bark_cli.settings import NO_PRESET, Settings, list_presets, resolve
from bark_cli.settings.presets import find_preset
from bark_cli.text.documents import FORMATS as INPUT_FORMATS
from bark_cli.text.normalise import normalise
from bark_cli.text.reading import Reading
from bark_cli.text.script import Script

_QUERY = frozenset({"voice", "language", "speed", "response_format"})  # of plain text
_MOST_SILENCE_S = 600.0  # in pauses, and before a subtitle: a short text must not ask for hours of nothing


@dataclass(frozen=True, kw_only=True)
class SpeechOrder:
    """What a client asks for, as far as it can be judged without the model."""

    model: str
    text: str
    voice: str | None = None  # None is the server's own
    sound_format: str = "mp3"  # of SOUND_FORMATS
    as_events: bool = False  # server-sent events
    language: str | None = None
    exact: bool = False
    reading: Reading = field(default_factory=Reading)
    settings: Mapping[str, object] = field(default_factory=dict)  # of REQUEST_SETTINGS, those given
    ignored: tuple[str, ...] = ()  # fields that are not heeded

    @property
    def media_type(self) -> str:
        """Of the sound."""
        return SOUND_FORMATS[self.sound_format][0]

    def script(self) -> Script:
        """The lines to be said; reading them takes a while.

        Raises:
            Problem: the text is not what it should be, or asks for hours of silence.
        """
        try:
            script = self.reading.script(self.text)
            for line in script.lines:
                if line.text.strip():  # else it is a pause
                    normalise(line.text)
        except (TextError, OptionError) as error:
            raise Problem(400, str(error), param="input") from error
        if self.reading.cast and not script.cast:
            raise Problem(400, "a cast is for scripts: add input_format script", param="cast")
        silence = sum(line.pause_after_s or 0.0 for line in script.lines)
        if max([silence, *(line.begin_s or 0.0 for line in script.lines)]) > _MOST_SILENCE_S:
            refuse("input", f"asks for more than {_MOST_SILENCE_S:.0f} s of silence")
        return script

    def settle(self, voice: str | None) -> Settings:
        """Every setting: the request's, with the voice that was found, over the server's own.

        Raises:
            Problem: there is no such preset.
        """
        preset = self.settings.get("preset", NO_PRESET)
        try:
            find_preset(str(preset), "preset", list_presets() if preset != NO_PRESET else {})
        except OptionError as error:
            raise Problem(400, str(error), param="preset") from error
        return resolve({**self.settings, "voice": voice}).settings


def read_order(body: bytes, max_text: int) -> SpeechOrder:
    """What the JSON asks for.

    Raises:
        Problem: it is not a JSON object, or a field is wrong; the problem names it.
    """
    return _order({name: value for name, value in _object(body).items() if value is not None}, max_text)


def read_plain(query: str, body: bytes, max_text: int) -> SpeechOrder:
    """What plain text asks for, said as the query of its address has it.

    Raises:
        Problem: it is no text, or something in the query is wrong; the problem names it.
    """
    try:
        text = body.decode("utf-8-sig")
        given: dict[str, Any] = dict(parse_qsl(query, max_num_fields=len(_QUERY), errors="strict"))
    except ValueError as error:
        raise Problem(400, f"the text or the query cannot be read: {error}") from error
    for name in given.keys() - _QUERY:
        refuse(ascii(name[:50]), f"is not heeded here; use {', '.join(sorted(_QUERY))}")
    if "speed" in given:
        given["speed"] = _number("speed", given["speed"])
    return _order({"response_format": "wav", **given, "model": MODEL_ALIASES[0], "input": text}, max_text)


def _number(name: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        refuse(name, "must be a number")


def _order(given: Mapping[str, Any], max_text: int) -> SpeechOrder:
    for name in ("model", "input"):
        if name not in given:
            refuse(name, "is missing")
    sound_format = _choice(given, "response_format", tuple(SOUND_FORMATS), "mp3")
    if sound_format not in (here := sound_formats()):
        refuse("response_format", f"cannot be {sound_format} here; use one of {', '.join(here)}")
    known = speech_schema(max_text)
    unknown = tuple(name for name in given if name not in known)
    return SpeechOrder(
        model=_text(given, "model", 256),
        text=_input(given, max_text),
        voice=_voice(given),
        sound_format=sound_format,
        as_events=_choice(given, "stream_format", ("audio", "sse"), "audio") == "sse",
        language=_language(given),
        exact=_truth(given, "exact"),
        reading=Reading(
            format=_choice(given, "input_format", INPUT_FORMATS, "text"), cast=_cast(given.get("cast", {}))
        ),
        settings={name: _setting(name, given[name]) for name in REQUEST_SETTINGS if name in given},
        ignored=(*(["instructions"] if _text(given, "instructions", 4096) else []), *unknown),
    )


def refuse(param: str, why: str) -> NoReturn:
    """Say that a field is wrong.

    Raises:
        Problem: always.
    """
    raise Problem(400, f"{param} {why}", param=param)


def _object(body: bytes) -> dict[str, Any]:
    def no_number(word: str) -> NoReturn:
        raise ValueError(f"{word} is not a number of JSON")

    try:
        found = json.loads(body.decode("utf-8"), parse_constant=no_number)
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise Problem(400, f"the body is not JSON: {why}") from error
    if not isinstance(found, dict):
        raise Problem(400, 'the body must be a JSON object, such as {"model": "tts-1", "input": "Hello"}')
    return found


def _text(given: Mapping[str, Any], name: str, longest: int) -> str:
    value = given.get(name, "")
    if not isinstance(value, str):
        refuse(name, "must be a string")
    if len(value) > longest:
        refuse(name, f"has {len(value)} characters, and {longest} is the most")
    if not _is_unicode(value):
        refuse(name, "holds half a character (a lone surrogate)")
    return value


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _input(given: Mapping[str, Any], longest: int) -> str:
    text = _text(given, "input", longest)
    if not text.strip():
        refuse("input", "is empty; give some words")
    return text


def _voice(given: Mapping[str, Any]) -> str | None:
    """The name of it; an empty one leaves it to the server."""
    value = given.get("voice", "")
    if isinstance(value, dict):
        value = value.get("id")
    if not isinstance(value, str):
        refuse("voice", 'must be a name, or {"id": a name}')
    return _name("voice", value) or None


def _name(param: str, value: str) -> str:
    """A voice's name, which is never the path of a file."""
    if len(value) > 256 or not value.isprintable() or not _is_unicode(value):
        refuse(param, "is not a name of a voice; /v1/audio/voices lists them")
    return value


def _cast(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(voice, str) and voice for voice in value.values()):
        refuse("cast", 'must be an object of names and voices, such as {"ANNA": "nano/anna"}')
    if len(value) > MOST_SPEAKERS:
        refuse("cast", f"has {len(value)} names, and {MOST_SPEAKERS} is the most")
    return {_name("cast", name): _name("cast", voice) for name, voice in value.items()}


def _choice(given: Mapping[str, Any], name: str, choices: tuple[str, ...], default: str) -> str:
    value = given.get(name, default)
    if not isinstance(value, str) or value not in choices:
        refuse(name, f"must be one of {', '.join(choices)}")
    return value


def _truth(given: Mapping[str, Any], name: str) -> bool:
    value = given.get(name, False)
    if not isinstance(value, bool):
        refuse(name, "must be true or false")
    return value


def _language(given: Mapping[str, Any]) -> str | None:
    value = _text(given, "language", 2)
    if value and not (len(value) == 2 and value.isascii() and value.isalpha()):
        refuse("language", "must be a code of two letters, such as de")
    return value.lower() or None


def _setting(name: str, value: object) -> object:
    try:
        checked = REQUEST_SETTINGS[name].check(value, name)
    except BarkError as error:
        raise Problem(400, str(error), param=name) from error
    highest = most(name)
    if highest is not None and isinstance(checked, int | float) and checked > highest:
        refuse(name, f"can be {highest:g} at most here")
    return checked
