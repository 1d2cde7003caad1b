"""The routes, put together: what is served and to whom -> an ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from bark_cli.server.access import PLAIN_PATH, Access, Rules
from bark_cli.server.accounts import Accounts, LogEntry
from bark_cli.server.listing import Listing
from bark_cli.server.metrics import CONTENT_TYPE, Metrics
from bark_cli.server.openapi import openapi
from bark_cli.server.page import page_routes
from bark_cli.server.problem import Problem
from bark_cli.server.speaker import Speaker
from bark_cli.server.speech import SpeechRoute
from bark_cli.settings import list_presets

# what needs no key: Open WebUI asks for models and voices without one
OPEN = ("/", "/page/", "/health", "/ready", "/openapi.json")
OPEN_LISTS = ("/v1/models", "/v1/models/", "/v1/audio/models", "/v1/audio/voices", "/v1/audio/presets")


@dataclass(frozen=True, kw_only=True)
class Serving:
    """What is served, to whom, and where it is logged."""

    speaker: Speaker
    listing: Listing
    rules: Rules = field(default_factory=Rules)
    max_text: int = 4096  # characters of a text
    tell: Callable[[LogEntry], None] = lambda entry: None  # of each request, once it is over
    who: Callable[[], Mapping[str, str]] = dict  # remote.identity of the model as it was read


def make_metrics(serving: Serving) -> Metrics:
    """The figures of all doors."""
    return Metrics(serving.speaker, frozenset(openapi(serving.max_text)["paths"]) | {"/"})


def make_app(serving: Serving, metrics: Metrics | None = None) -> ASGIApp:
    """The application, which raises nothing."""
    metrics = metrics or make_metrics(serving)
    # no Starlette around the router: it would answer errors before Accounts sees them
    router = Router([*_routes(serving, metrics), *page_routes()], redirect_slashes=False, default=_not_found)
    return Accounts(Access(router, serving.rules), metrics, serving.tell)


def _routes(serving: Serving, metrics: Metrics) -> Sequence[BaseRoute]:
    speaker, listing = serving.speaker, serving.listing
    document = openapi(serving.max_text)
    speech = SpeechRoute(speaker, listing, metrics, serving.max_text)
    plain = SpeechRoute(speaker, listing, metrics, serving.max_text, is_plain=True)

    async def models(request: Request) -> Response:
        return JSONResponse({"object": "list", "data": listing.list_models()})

    async def model(request: Request) -> Response:
        name = request.path_params["id"]
        listing.check_model(name)
        voices = await asyncio.to_thread(listing.list_voices)
        return JSONResponse(
            {"id": name, "object": "model", "created": 0, "owned_by": "bark", "voices": voices}
        )

    async def speech_models(request: Request) -> Response:
        return JSONResponse({"models": listing.list_models()})

    async def voices(request: Request) -> Response:
        return JSONResponse({"voices": await asyncio.to_thread(listing.list_voices)})

    async def presets(request: Request) -> Response:
        found = (await asyncio.to_thread(list_presets)).values()
        return JSONResponse({"presets": [{"id": one.name, "description": one.description} for one in found]})

    async def health(request: Request) -> Response:
        return PlainTextResponse("OK")  # to the letter what speaches says, by which wyoming_openai knows it

    async def ready(request: Request) -> Response:
        return _readiness(speaker, listing.model)

    async def figures(request: Request) -> Response:
        return Response(metrics.text(), headers={"content-type": CONTENT_TYPE})

    async def description(request: Request) -> Response:
        return JSONResponse(document)

    return [
        Route("/v1/audio/speech", speech, methods=["POST"]),
        Route(PLAIN_PATH, plain, methods=["POST"]),
        Route("/v1/models", models),
        Route("/v1/models/{id:path}", model),
        Route("/v1/audio/models", speech_models),
        Route("/v1/audio/voices", voices),
        Route("/v1/audio/presets", presets),
        Route("/health", health),
        Route("/ready", ready),
        Route("/metrics", figures),
        Route("/openapi.json", description),
    ]


def _readiness(speaker: Speaker, model: str) -> Response:
    """How busy the server is; 503 while it has no model to speak with."""
    told = {
        "status": speaker.state,
        "model": model,
        "orders": speaker.n_orders,
        "waiting": speaker.n_waiting,
        "at_work": speaker.n_at_work,
        "slots": speaker.slots,
    }
    if speaker.state in ("ready", "resting"):
        return JSONResponse(told)
    problem = Problem(503, f"the model is {speaker.state}", "server_error", code=speaker.state)
    return JSONResponse({**told, **problem.body()}, 503)


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    raise Problem(404, f"there is no route {scope['method']} {scope['path'][:200]}", code="not_found")
