"""Bytes -> events, each of bounded size, and what they ask for; voices -> how they are described.

A frame is a line of JSON (type, data_length, payload_length), that much JSON and that much payload. The
`wyoming` package reads as many bytes as a frame claims to have, so frames are read here; what an event looks
like is its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wyoming.event import Event
from wyoming.info import Attribution, Info, TtsProgram, TtsVoice

from bark_cli import __version__
from bark_cli.server.problem import Problem
from bark_cli.system.records import Bounds, parse_object
from bark_cli.text.split import LANGUAGES
from bark_cli.voices import NO_VOICE
from bark_cli.voices.catalogue import VoiceInfo

MOST_LINE = 2**14  # bytes of a frame's first line
_MOST_PAYLOAD = 2**16  # which nothing that we heed has
_MOST_NAME = 256  # characters of a voice's name
_ITEMS, _DEPTH = 1_000, 8  # of an event's data
_HOME = "https://github.com/bark-cli/bark-cli"


async def read_event(reader: asyncio.StreamReader, most_data: int) -> Event | None:
    """The next event, with at most `most_data` bytes of data; None where the connection has ended.

    Raises:
        Problem: what comes is not an event, or larger than one may be.
    """
    try:
        line = await reader.readuntil(b"\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise Problem(400, "the connection ended within an event") from error
        return None
    except asyncio.LimitOverrunError as error:
        raise Problem(413, f"the first line of an event has more than {MOST_LINE} bytes") from error
    header = _object(line)
    n_data = _size(header, "data_length", most_data)
    n_payload = _size(header, "payload_length", _MOST_PAYLOAD)
    data = header.get("data") or {}
    try:
        more = _object(await reader.readexactly(n_data)) if n_data else {}
        payload = await reader.readexactly(n_payload) if n_payload else None
    except asyncio.IncompleteReadError as error:
        raise Problem(400, "the connection ended within an event") from error
    kind = header.get("type")
    if not isinstance(kind, str) or not isinstance(data, dict):
        raise Problem(400, "an event must have a type, and its data must be a JSON object")
    return Event(kind, {**data, **more}, payload)


def _object(data: bytes) -> dict[str, Any]:
    try:
        return parse_object(data, Bounds(len(data), items=_ITEMS, depth=_DEPTH))
    except ValueError as error:
        raise Problem(400, f"an event must be a JSON object: {error}") from error


def _size(header: dict[str, Any], name: str, most: int) -> int:
    size = header.get(name) or 0
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise Problem(400, f"{name} must be a number of bytes")
    if size > most:
        raise Problem(413, f"{name} is {size}, and {most} is the most")
    return size


def text_in(event: Event) -> str:
    """The text that an event brings.

    Raises:
        Problem: it brings none, or one that is not plain.
    """
    text = event.data.get("text")
    if not isinstance(text, str):
        raise Problem(400, f"{event.type} must have a text")
    check_plain(event)
    return text


def check_plain(event: Event) -> None:
    """Find out whether what is to be said is plain text.

    Raises:
        Problem: it is of another format.
    """
    if event.data.get("text_format") not in (None, "text"):
        raise Problem(400, "text must be plain: SSML is not understood")


@dataclass(frozen=True, kw_only=True)
class Wish:
    """Who is to speak."""

    name: str | None = None
    language: str | None = None  # two letters


def wish_in(event: Event) -> Wish:
    """The voice that an event asks for.

    Raises:
        Problem: it is none.
    """
    voice = event.data.get("voice") or {}
    given = [voice.get("name"), voice.get("language")] if isinstance(voice, dict) else [voice]
    if not all(part is None or (isinstance(part, str) and len(part) <= _MOST_NAME) for part in given):
        raise Problem(400, "voice must have a name or a language", param="voice")
    name, language = given
    code = (language or "")[:2].lower()
    return Wish(name=name or None, language=code if code in LANGUAGES else None)


def info(model: str, voices: Sequence[VoiceInfo]) -> Info:
    """How we describe ourselves: one program, and its voices by language."""
    told = [
        _voice(voice.name, voice.description, [voice.language] if voice.language else list(LANGUAGES))
        for voice in voices
    ]
    program = TtsProgram(
        name="bark",
        description=f"Bark ({model})",
        attribution=Attribution(name="bark_cli", url=_HOME),
        installed=True,
        version=__version__,
        voices=told or [_voice(NO_VOICE, "as it comes", list(LANGUAGES))],
        supports_synthesize_streaming=True,
    )
    return Info(tts=[program])


def _voice(name: str, description: str | None, languages: list[str]) -> TtsVoice:
    return TtsVoice(
        name=name,
        description=name if description is None else f"{name}: {description}",
        attribution=Attribution(name="bark_cli", url=_HOME),
        installed=True,
        version=__version__,
        languages=languages,
    )
