"""The demo page: `index.html` and what it needs, read once from this folder and served as bytes."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

_MEDIA = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
# nothing inline and nothing from elsewhere
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-cache",
}


def page_routes() -> Sequence[BaseRoute]:
    """A route for each file of the page: `/` for index.html, whose links are relative to it."""
    folder = files(__name__)
    found = {entry.name: entry.read_bytes() for entry in folder.iterdir() if _kind(entry.name) in _MEDIA}
    return [
        _route("/" if name == "index.html" else f"/page/{name}", name, data)
        for name, data in sorted(found.items())
    ]


def _kind(name: str) -> str:
    return name.rpartition(".")[2]


def _route(path: str, name: str, data: bytes) -> Route:
    headers = {**_HEADERS, "content-type": _MEDIA[_kind(name)]}

    async def show(request: Request) -> Response:
        return Response(data, headers=headers)

    return Route(path, show)
