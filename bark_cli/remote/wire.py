"""Frames between `bark say` and a server on this machine: facts (JSON) and arrays <-> bytes, all bounded.

A frame is two sizes of four bytes (big-endian), a JSON object of the first size, and arrays of the second.
"""

from __future__ import annotations

import json
import math
import socket
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bark_cli import errors
from bark_cli.audio import Audio
from bark_cli.errors import BarkError
from bark_cli.model.options import STAGES, SamplingOptions, StageSampling
from bark_cli.model.tokens import BarkTokens
from bark_cli.speech import Speech, SpeechRequest
from bark_cli.stages.progress import StageReport
from bark_cli.takes.take import Attempts, Take
from bark_cli.takes.verdict import Verdict
from bark_cli.voices import NO_VOICE, Voice

HEAD = struct.Struct(">II")
MOST_FACTS = 2**20  # bytes
MOST_ARRAYS = 2**26
_KINDS = ("<f4", "<i8")
# what a request is answered with where it cannot be said; any other error is a reason to go on alone
TOLD: dict[str, type[BarkError]] = {
    kind.__name__: kind
    for kind in (errors.TextError, errors.VoiceError, errors.OptionError, errors.GenerationError)
}

Arrays = Mapping[str, NDArray[Any]]


class WireError(Exception):
    """What came is no frame of ours."""


@dataclass(frozen=True, eq=False)
class Message:
    """What a frame says."""

    facts: dict[str, Any]
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """What it is."""
        return str(self.facts.get("kind", ""))


def packed(kind: str, facts: Mapping[str, Any] | None = None, arrays: Arrays | None = None) -> bytes:
    """A frame."""
    given = {name: np.ascontiguousarray(array) for name, array in (arrays or {}).items()}
    shapes = [[name, array.dtype.str, list(array.shape)] for name, array in given.items()]
    told = json.dumps({**(facts or {}), "kind": kind, "arrays": shapes}).encode()
    data = b"".join(array.tobytes() for array in given.values())
    return HEAD.pack(len(told), len(data)) + told + data


def lengths(head: bytes) -> tuple[int, int]:
    """The bytes of facts and of arrays that follow.

    Raises:
        WireError: they are more than any frame has.
    """
    n_facts, n_arrays = HEAD.unpack(head)
    if n_facts > MOST_FACTS or n_arrays > MOST_ARRAYS:
        raise WireError("a frame is too long")
    return n_facts, n_arrays


def unpacked(told: bytes, data: bytes) -> Message:
    """What the two parts of a frame say.

    Raises:
        WireError: they are not what they should be.
    """
    try:
        facts = json.loads(told)
        arrays, start = {}, 0
        for name, kind, shape in facts.pop("arrays"):
            if kind not in _KINDS or not all(type(n) is int and 0 <= n <= MOST_ARRAYS for n in shape):
                raise WireError("an array is not what it should be")
            size = math.prod(shape) * np.dtype(kind).itemsize
            if start + size > len(data):
                raise WireError("an array is longer than its frame")
            array = np.frombuffer(data[start : start + size], kind).reshape(shape)
            arrays[str(name)] = array.copy()  # which may be written to, as any other
            start += size
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WireError(f"a frame cannot be read: {error}") from error
    return Message(facts, arrays)


# what is in them


def request_parts(request: SpeechRequest) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Facts and arrays of a request whose voice was found."""
    voice = request.voice
    facts = {
        "text": request.text,
        "voice": voice.name if isinstance(voice, Voice) else None,
        "has_voice": voice != NO_VOICE,
        "seed": request.seed,
        "options": None if request.options is None else asdict(request.options),
        "attempts": asdict(request.attempts),
        "language": request.language,
        "streaming": request.streaming,
    }
    return facts, _token_arrays(voice.tokens) if isinstance(voice, Voice) else {}


def request_in(message: Message) -> SpeechRequest:
    """The request that a frame holds.

    Raises:
        WireError: it holds none.
        BarkError: a value is outside its range.
    """
    facts = message.facts
    try:
        voice = None if facts["has_voice"] else NO_VOICE
        if facts["streaming"] not in ("whole", "exact", "early"):
            raise WireError("a request comes in no way that is known")
        return SpeechRequest(
            text=str(facts["text"]),
            voice=Voice(str(facts["voice"]), _tokens_in(message)) if message.arrays else voice,
            seed=int(facts["seed"]),
            options=None if facts["options"] is None else _options(facts["options"]),
            attempts=Attempts(**facts["attempts"]),
            language=facts["language"],
            streaming=facts["streaming"],
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WireError(f"a request cannot be read: {error}") from error


def speech_parts(speech: Speech) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Facts and arrays of a speech."""
    facts = {
        "rate": speech.audio.sample_rate,
        "text": speech.text,
        "model": speech.model,
        "voice": speech.voice,
        "seed": speech.seed,
        "complete": speech.complete,
        "stages": {name: asdict(stage) for name, stage in speech.stages.items()},
        "takes": [asdict(take) for take in speech.takes],
    }
    return facts, {"samples": speech.audio.samples, **_token_arrays(speech.tokens)}


def speech_in(message: Message) -> Speech:
    """The speech that a frame holds.

    Raises:
        WireError: it holds none.
    """
    facts = message.facts
    try:
        return Speech(
            audio=sound_in(message),
            tokens=_tokens_in(message),
            stages={name: StageReport(**stage) for name, stage in facts["stages"].items()},
            takes=tuple(_take(take) for take in facts["takes"]),
            **{name: facts[name] for name in ("text", "model", "voice", "seed", "complete")},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise WireError(f"a speech cannot be read: {error}") from error


def sound_in(message: Message) -> Audio:
    """The sound that a frame holds.

    Raises:
        WireError: it holds none.
    """
    try:
        return Audio(message.arrays["samples"], int(message.facts["rate"]))
    except (KeyError, TypeError, ValueError) as error:
        raise WireError(f"a sound cannot be read: {error}") from error


def error_in(message: Message) -> BarkError:
    """The error that a frame tells of.

    Raises:
        WireError: it is none that the request is to blame for.
    """
    kind = TOLD.get(str(message.facts.get("error")))
    if kind is None:
        raise WireError(str(message.facts.get("words")))
    return kind(str(message.facts.get("words")))


def _token_arrays(tokens: BarkTokens) -> dict[str, NDArray[Any]]:
    return {name: getattr(tokens, name).astype("<i8", copy=False) for name in STAGES}


def _tokens_in(message: Message) -> BarkTokens:
    semantic, coarse, fine = (message.arrays[name] for name in STAGES)
    return BarkTokens(semantic=semantic, coarse=coarse, fine=fine)


def _options(facts: dict[str, Any]) -> SamplingOptions:
    stages = {name: StageSampling(**facts[name]) for name in STAGES}
    return SamplingOptions(**{**facts, **stages})


def _take(facts: dict[str, Any]) -> Take:
    verdict = facts["verdict"]
    return Take(seed=int(facts["seed"]), verdict=None if verdict is None else Verdict(**verdict))


def receive(connection: socket.socket) -> Message:
    """The next frame.

    Raises:
        EOFError: none comes any more.
        WireError: what comes is no frame.
        OSError: the connection broke, or nothing came for too long.
    """
    n_facts, n_arrays = lengths(_exactly(connection, HEAD.size))
    return unpacked(_exactly(connection, n_facts), _exactly(connection, n_arrays))


def _exactly(connection: socket.socket, n_bytes: int) -> bytes:
    data = bytearray(n_bytes)
    view, done = memoryview(data), 0
    while done < n_bytes:
        if not (got := connection.recv_into(view[done:])):
            raise EOFError("it closed the connection")
        done += got
    return bytes(data)
