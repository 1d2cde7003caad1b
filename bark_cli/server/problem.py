"""What went wrong, as OpenAI's clients understand it: an error -> a status and `{"error": {...}}`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.exceptions import HTTPException

from bark_cli.errors import (
    BarkError,
    BusyError,
    CancelledError,
    GenerationError,
    OptionError,
    TextError,
    VoiceError,
)

INVALID = "invalid_request_error"
SERVER = "server_error"


@dataclass(eq=False)
class Problem(Exception):  # noqa: N818  (it is what a client is told)
    """Why a request is not answered as it was meant to be."""

    status: int
    message: str  # in words, for people
    type: str = INVALID
    param: str | None = None  # the field of the request that is wrong
    code: str | None = None  # a word for programs
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.message

    def body(self) -> dict[str, Any]:
        """The JSON of it."""
        told = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return {"error": told}


def problem_of(error: Exception) -> Problem:
    """What a client is told of an error: the words of a BarkError, and nothing of any other."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPException):  # of starlette's own: a method that a route does not have
        return Problem(error.status_code, error.detail, headers=dict(error.headers or {}))
    if isinstance(error, TextError):
        return Problem(400, str(error), param="input")
    if isinstance(error, VoiceError):
        return Problem(404, str(error), param="voice", code="voice_not_found")
    if isinstance(error, OptionError):
        return Problem(400, str(error))
    if isinstance(error, BusyError):
        return Problem(429, str(error), "rate_limit_error", code="busy", headers={"retry-after": "1"})
    if isinstance(error, CancelledError):
        return Problem(503, "the server is stopping; ask again later", SERVER, code="stopping")
    if isinstance(error, GenerationError):  # the same again will fail again
        return Problem(422, str(error), code="no_speech")
    if isinstance(error, BarkError):
        return Problem(500, str(error), SERVER)
    return Problem(500, "something went wrong inside of the server; its log says more", SERVER)
