"""Who may ask, and how much: key, Host, Origin, content type and sizes, before any route sees a request.

After DNS rebinding a page of somebody else's has the server's own origin as the browser sees it, so the Host
header is checked on its own (as in MCP's GHSA-9h52-p55h-vw2f). A JSON content type makes a browser ask first.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Collection
from dataclasses import dataclass
from hmac import compare_digest

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bark_cli.server.problem import Problem

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
LEAST_KEY, MOST_KEY = 8, 4096  # characters
PLAIN_PATH = "/speak"  # where a body is text, of which a browser asks nobody first: its Origin has to do
_BODY_S = 30.0  # in which a body has to be here
_LONGEST_LINE = 8192  # characters of a path


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Who is let in."""

    key: str | None = None
    hosts: Collection[str] = LOOPBACK_NAMES  # names that a Host header may have, in lower case
    any_address: bool = False  # it may also be any IP address, which no name can be rebound to
    origins: Collection[str] = ()  # other pages that may ask
    open_paths: Collection[str] = ()  # that need no key; what ends in / counts for all below it


def is_key(text: str) -> bool:
    """Whether a text may be the key that clients are asked for."""
    is_word = text.isascii() and text.isprintable() and " " not in text
    return is_word and LEAST_KEY <= len(text) <= MOST_KEY


class Access:
    """The guard: ASGI -> ASGI."""

    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self._app, self._rules = app, rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI.

        Raises:
            Problem: it is not let in.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in reversed(scope["headers"])}
        self._check_host(headers.get(b"host", ""))
        origin = self._foreign_origin(scope, headers)
        if scope["method"] == "OPTIONS" and origin is not None:
            await _preflight(origin, send)
            return
        if len(scope["path"]) > _LONGEST_LINE:
            raise Problem(414, "the path is too long")
        self._check_key(scope["path"], headers.get(b"authorization", ""))
        if scope["method"] == "POST":
            _check_type(scope["path"], headers.get(b"content-type", ""))
        await self._app(scope, receive, send if origin is None else _allowing(origin, send))

    def _check_host(self, host: str) -> None:
        name = _host_name(host)
        if name in self._rules.hosts or (self._rules.any_address and _is_address(name)):
            return
        message = (
            f"this server does not answer to the name {host[:100]!r}; bark serve --allow-host NAME adds one"
        )
        raise Problem(403, message, "permission_error", code="host_not_allowed")

    def _foreign_origin(self, scope: Scope, headers: dict[bytes, str]) -> str | None:
        """The origin of another page that may ask; None where it is ours, or no page at all asks."""
        origin = headers.get(b"origin")
        if origin is None or origin in [f"{scheme}://{headers[b'host']}" for scheme in ("http", "https")]:
            return None
        if origin in self._rules.origins:
            return origin
        message = f"pages of {origin[:100]!r} may not ask here; bark serve --allow-origin ORIGIN lets them"
        raise Problem(403, message, "permission_error", code="origin_not_allowed")

    def _check_key(self, path: str, given: str) -> None:
        key = self._rules.key
        if key is None or any(_covers(open_path, path) for open_path in self._rules.open_paths):
            return
        kind, _, token = given.partition(" ")
        same = compare_digest(token.strip().encode("utf-8", "surrogateescape"), key.encode())
        if kind.lower() == "bearer" and same:
            return
        why = "the API key is wrong" if given else "this server needs an API key: Authorization: Bearer KEY"
        challenge = {"www-authenticate": "Bearer"}
        raise Problem(401, why, "authentication_error", code="invalid_api_key", headers=challenge)


async def read_body(scope: Scope, receive: Receive, most: int) -> bytes:
    """The whole body.

    Raises:
        Problem: it is larger than `most` bytes, takes too long, or its sender went away.
    """
    too_large = Problem(413, f"the body is larger than {most} bytes", code="body_too_large")
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and (len(value) > 15 or int(value) > most):
            raise too_large
    body = bytearray()

    async def read() -> None:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Problem(400, "the body ended early")
            body.extend(message.get("body", b""))
            if len(body) > most:
                raise too_large
            if not message.get("more_body", False):
                return

    try:
        await asyncio.wait_for(read(), _BODY_S)
    except asyncio.TimeoutError as error:
        raise Problem(408, f"the body had not arrived after {_BODY_S:.0f} s") from error
    return bytes(body)


def _host_name(host: str) -> str:
    """The name in a Host header, without its port."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].removesuffix(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _check_type(path: str, content_type: str) -> None:
    """Find out whether a body is what the route takes: JSON, or on PLAIN_PATH text."""
    wanted, words = ("text/plain", "plain text") if path == PLAIN_PATH else ("application/json", "JSON")
    if content_type.partition(";")[0].strip().lower() != wanted:
        raise Problem(415, f"the body must be {words}: send Content-Type: {wanted}")


def _covers(open_path: str, path: str) -> bool:
    return path == open_path or (open_path.endswith("/") and path.startswith(open_path) and open_path != "/")


async def _preflight(origin: str, send: Send) -> None:
    headers = [
        *_cors(origin),
        (b"access-control-allow-methods", b"GET, POST"),
        (b"access-control-allow-headers", b"authorization, content-type, x-request-id"),
        (b"access-control-max-age", b"600"),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _allowing(origin: str, send: Send) -> Send:
    async def send_on(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *_cors(origin)]}
        await send(message)

    return send_on


def _cors(origin: str) -> list[tuple[bytes, bytes]]:
    exposed = b"x-request-id, x-bark-seed, x-bark-voice, x-bark-model, x-bark-ignored, x-sample-rate"
    return [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-expose-headers", exposed),
        (b"vary", b"Origin"),
    ]
