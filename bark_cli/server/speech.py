"""`POST /v1/audio/speech` and `/speak`: an order -> sound while it is made, one encoder a response.

A client that goes away ends its work at the engine's next step. What fails after the first byte leaves the
body without its end, so that nobody takes half a sound for a whole one.
"""

from __future__ import annotations

import asyncio
import base64
import json
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from starlette.types import Receive, Scope, Send

from bark_cli.errors import BusyError, CancelledError
from bark_cli.server.access import read_body
from bark_cli.server.accounts import GONE, LogEntry, entry_of
from bark_cli.server.channel import ClosedError
from bark_cli.server.listing import Listing
from bark_cli.server.metrics import Metrics
from bark_cli.server.order import SpeechOrder, read_order, read_plain
from bark_cli.server.problem import Problem, problem_of
from bark_cli.server.recital import Recital
from bark_cli.server.speaker import Speaker

_PATIENCE_S = 120.0  # with a client that takes nothing of what is there
_LONGEST_WAIT_S = 120  # that a client is told to wait; OpenAI's heeds no more


@dataclass(eq=False)
class SpeechRoute:
    """The route, as an ASGI application."""

    speaker: Speaker
    listing: Listing
    metrics: Metrics
    max_text: int
    is_plain: bool = False  # a body is the text itself, and the address says the rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI."""
        entry = entry_of(scope)
        body = await read_body(scope, receive, most_body(self.max_text))
        if self.is_plain:
            order = read_plain(scope["query_string"].decode("latin-1"), body, self.max_text)
        else:
            order = read_order(body, self.max_text)
        self.listing.check_model(order.model)
        entry.details |= {"model": self.listing.model, "format": order.sound_format}
        try:
            async with self.speaker.order() as session:
                recital = Recital(order, session, self.listing)
                async with _closed_with_client(recital, receive):
                    await self._hand_over(recital, order, send, entry)
        except BusyError as error:
            wait = {"retry-after": str(self._wait_s())}
            raise Problem(429, str(error), "rate_limit_error", code="busy", headers=wait) from error

    async def _hand_over(self, recital: Recital, order: SpeechOrder, send: Send, entry: LogEntry) -> None:
        """Send the bytes as they come."""
        whole = False
        try:
            chunk = await recital.read()  # what is wrong with the order is known now
            entry.first_byte_s = entry.age_s
            self.metrics.count_first_byte(entry.first_byte_s)
            headers = _headers(recital, order, self.listing)
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            while chunk is not None:
                await _send_body(send, _framed(chunk, order))
                chunk = await recital.read()
            whole = True
            await _send_body(send, _done(recital) if order.as_events else b"", more=False)
        except ClosedError:
            entry.note = "the client went away"
            entry.status = entry.status or GONE
        except asyncio.TimeoutError:
            entry.note = "the client takes nothing"
        except asyncio.CancelledError:
            entry.note = "the server stopped"
            if not entry.status:
                raise CancelledError("the server stopped") from None
        except Exception as error:
            if order.as_events and entry.status:
                with suppress(Exception):
                    await _send_body(send, _event("error", problem_of(error).body()))
            raise
        finally:
            facts = recital.facts
            entry.details |= {
                "voice": facts.voice,
                "seed": facts.seed,
                "sound": f"{facts.sound_s:.2f}",
                "pieces": facts.pieces,
            }
            self.metrics.count_speech(facts, entry.age_s, whole=whole)

    def _wait_s(self) -> int:
        """Seconds after which there may be room: as many as are here, each of a few seconds."""
        rounds = self.speaker.n_orders / max(1, self.speaker.slots)
        return min(_LONGEST_WAIT_S, max(1, math.ceil(rounds)))


def most_body(max_text: int) -> int:
    """The bytes of the longest JSON: each character may be written as \\ud83d\\ude00."""
    return max(2**16, 12 * max_text + 2**14)


@asynccontextmanager
async def _closed_with_client(recital: Recital, receive: Receive) -> AsyncIterator[None]:
    """Close it when the client goes away, and in the end."""

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        recital.close()

    watcher = asyncio.create_task(watch())
    try:
        yield
    finally:
        recital.close()
        watcher.cancel()


async def _send_body(send: Send, data: bytes, *, more: bool = True) -> None:
    message = {"type": "http.response.body", "body": data, "more_body": more}
    await asyncio.wait_for(send(message), _PATIENCE_S)


def _headers(recital: Recital, order: SpeechOrder, listing: Listing) -> list[tuple[bytes, bytes]]:
    facts = recital.facts
    told = {
        "content-type": "text/event-stream; charset=utf-8" if order.as_events else order.media_type,
        "cache-control": "no-store",
        "x-accel-buffering": "no",  # nginx hands it on as it comes
        "x-bark-model": listing.model,
        "x-bark-voice": facts.voice or "none",
        "x-bark-seed": str(facts.seed),
    }
    if order.sound_format == "pcm" and not order.as_events:
        rate = str(recital.sample_rate)
        told |= {"x-sample-rate": rate, "x-channels": "1", "x-bit-depth": "16"}
    if order.ignored:
        told["x-bark-ignored"] = ", ".join(order.ignored)
    return [(name.encode(), _ascii(value)) for name, value in told.items()]


def _ascii(value: str) -> bytes:
    """A value fit for a header."""
    return "".join(c if c.isprintable() else "?" for c in value).encode("ascii", "backslashreplace")[:1000]


def _framed(chunk: bytes, order: SpeechOrder) -> bytes:
    if not order.as_events:
        return chunk
    return _event(None, {"type": "speech.audio.delta", "audio": base64.b64encode(chunk).decode()})


def _done(recital: Recital) -> bytes:
    read, made = recital.facts.text_tokens, recital.facts.speech_tokens
    usage = {"input_tokens": read, "output_tokens": made, "total_tokens": read + made}
    return _event(None, {"type": "speech.audio.done", "usage": usage})


def _event(name: str | None, data: dict[str, Any]) -> bytes:
    first = "" if name is None else f"event: {name}\n"
    return f"{first}data: {json.dumps(data)}\n\n".encode()
