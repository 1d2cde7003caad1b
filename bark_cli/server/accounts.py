"""Each request's id, its line in the log and what the figures count: ASGI -> ASGI, and entries -> lines."""

from __future__ import annotations

import json
import logging
import os
import re
import time
import traceback
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bark_cli.errors import BarkError
from bark_cli.server.metrics import Metrics
from bark_cli.server.problem import Problem, problem_of

KEY = "bark.entry"  # where a request's LogEntry lies in its scope
GONE = 499  # as nginx logs a client that went away
log = logging.getLogger("bark.server")
_ID = re.compile(r"[\w.:-]{1,64}\Z", re.ASCII)


@dataclass
class LogEntry:
    """One request, as it is logged; no word of a text is in it."""

    id: str
    method: str
    path: str
    began: float = field(default_factory=time.monotonic)
    status: int = 0
    first_byte_s: float | None = None  # of a sound
    seconds: float = 0.0
    details: dict[str, Any] = field(
        default_factory=dict
    )  # of a speech: model, voice, format, sound_s and so on
    note: str | None = None  # what went wrong

    @property
    def age_s(self) -> float:
        """Seconds since it came."""
        return time.monotonic() - self.began

    def as_line(self) -> str:
        """For people."""
        parts = [self.id, self.method, self.path, str(self.status or "-"), f"{self.seconds:.3f} s"]
        if self.first_byte_s is not None:
            parts.append(f"first byte {self.first_byte_s:.3f} s")
        parts += [f"{name} {value}" for name, value in self.details.items() if value is not None]
        return "  ".join(parts) + (f"  ({self.note})" if self.note else "")

    def as_json(self) -> str:
        """For programs: one object on a line."""
        told = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "request_id": self.id,
            "method": self.method,
            "path": self.path,
            "status": self.status or None,
            "seconds": round(self.seconds, 4),
            "first_byte_seconds": None if self.first_byte_s is None else round(self.first_byte_s, 4),
            **self.details,
            "note": self.note,
        }
        return json.dumps({name: value for name, value in told.items() if value is not None})


def entry_of(scope: Scope) -> LogEntry:
    """The entry of the request."""
    entry: LogEntry = scope[KEY]
    return entry


class Accounts:
    """The outermost part: no error comes past it, and no trace of one gets out."""

    def __init__(self, app: ASGIApp, metrics: Metrics, tell: Callable[[LogEntry], None]) -> None:
        self._app, self._metrics, self._tell = app, metrics, tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["app"] = self  # by which starlette's router knows that its errors are caught
        entry = scope[KEY] = LogEntry(_request_id(scope), scope["method"], _shown(scope["path"]))

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry.status = message["status"]
                message = {**message, "headers": [*message["headers"], (b"x-request-id", entry.id.encode())]}
            await send(message)

        try:
            await self._app(scope, receive, send_on)
        except Exception as error:
            # where the answer has begun, it ends here without its end, and the client knows that it is broken
            problem = problem_of(error)
            known = isinstance(error, Problem | BarkError | HTTPException)
            entry.note = problem.message if known else f"{type(error).__name__}: {error}"
            if problem.status == 500 and os.environ.get("BARK_DEBUG") == "1":
                log.error("%s", "".join(traceback.format_exception(error)))
            if not entry.status:
                await answer(problem)(scope, receive, send_on)
        finally:
            entry.seconds = entry.age_s
            self._metrics.count(entry.method, entry.path, entry.status)
            self._tell(entry)


def answer(problem: Problem) -> JSONResponse:
    """The response that tells of a problem."""
    return JSONResponse(problem.body(), problem.status, headers=dict(problem.headers))


def _request_id(scope: Scope) -> str:
    """The client's own, where it is one, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            found: str = value.decode("latin-1")
            if _ID.match(found):
                return found
    return uuid.uuid4().hex[:16]


def _shown(path: str) -> str:
    """A path on one line of a log."""
    return ascii(path[:200])[1:-1]
