"""The server as OpenAPI 3.1 tells of it: routes and fields -> the document at /openapi.json."""

from __future__ import annotations

from typing import Any

from bark_cli import __version__
from bark_cli.server.schema import SOUND_FORMATS, sound_formats, speech_schema

_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}
_WHY = {
    400: "a field is wrong; param names it",
    401: "the key is missing or wrong",
    403: "a Host or Origin that is not let in",
    404: "no such model, voice or route; the message has the nearest names",
    405: "the route has no such method",
    408: "the body took too long",
    413: "the body is too large",
    415: "the body is not declared as JSON, or for /speak as text/plain",
    429: "as many wait as may; Retry-After says when to ask again",
    422: "the model made no speech of it",
    500: "the model failed",
    503: "the model is being loaded, or the server is stopping",
}
_LISTED = {
    "type": "array",
    "items": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}},
}


def openapi(max_text: int) -> dict[str, Any]:
    """The document; texts have at most `max_text` characters."""
    schema = {
        "type": "object",
        "required": ["model", "input"],
        "properties": speech_schema(max_text),
    }
    sounds = {
        media: {"schema": {"type": "string", "contentMediaType": media}}
        for media, _ in map(SOUND_FORMATS.__getitem__, sound_formats())
    }
    speech = {
        "operationId": "createSpeech",
        "summary": "Say a text",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Speech"}}},
        },
        "responses": {
            "200": {
                "description": "the sound, while it is made",
                "content": {**sounds, "text/event-stream": {"schema": {"type": "string"}}},
            },
            **_errors(400, 401, 403, 404, 405, 408, 413, 415, 422, 429, 500, 503),
        },
    }
    model = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "bark serve", "version": __version__, "description": "Bark speaks, over HTTP."},
        "components": {
            "schemas": {"Speech": schema, "Error": _ERROR},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"key": []}, {}],
        "paths": {
            "/v1/audio/speech": {"post": speech},
            "/speak": {"post": _speak(max_text, sounds)},
            "/v1/models": {"get": _get("listModels", "The model, under each of its names", _list("data"))},
            "/v1/models/{id}": {
                "get": {**_get("getModel", "One of them", {"type": "object"}, 404), "parameters": [model]}
            },
            "/v1/audio/models": {"get": _get("listSpeechModels", "As Open WebUI asks", _list("models"))},
            "/v1/audio/voices": {"get": _get("listVoices", "The voices", _list("voices"))},
            "/v1/audio/presets": {"get": _get("listPresets", "Settings that go together", _list("presets"))},
            "/health": {"get": _text("health", "OK, for as long as the server runs", "text/plain")},
            "/ready": {"get": _get("ready", "Whether speech can be asked for", {"type": "object"}, 503)},
            "/metrics": {"get": _text("metrics", "Figures for Prometheus", "text/plain", 401)},
            "/openapi.json": {"get": _get("openapi", "This document", {"type": "object"})},
        },
    }


def _speak(max_text: int, sounds: dict[str, Any]) -> dict[str, Any]:
    fields = speech_schema(max_text)
    return {
        "operationId": "speak",
        "summary": "Say plain text",
        "parameters": [
            _query("voice", fields["voice"]["anyOf"][0]),
            _query("language", fields["language"]),
            _query("speed", fields["speed"]),
            _query("response_format", {**fields["response_format"], "default": "wav"}),
        ],
        "requestBody": {"required": True, "content": {"text/plain": {"schema": fields["input"]}}},
        "responses": {
            "200": {"description": "the sound, while it is made", "content": sounds},
            **_errors(400, 401, 403, 404, 405, 408, 413, 415, 422, 429, 500, 503),
        },
    }


def _query(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema}


def _list(name: str) -> dict[str, Any]:
    return {"type": "object", "required": [name], "properties": {name: _LISTED}}


def _errors(*statuses: int) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {str(status): {"description": _WHY[status], "content": content} for status in statuses}


def _get(name: str, summary: str, schema: dict[str, Any], *statuses: int) -> dict[str, Any]:
    found = {"description": summary, "content": {"application/json": {"schema": schema}}}
    return {"operationId": name, "summary": summary, "responses": {"200": found, **_errors(403, *statuses)}}


def _text(name: str, summary: str, media: str, *statuses: int) -> dict[str, Any]:
    found = {"description": summary, "content": {media: {"schema": {"type": "string"}}}}
    return {"operationId": name, "summary": summary, "responses": {"200": found, **_errors(403, *statuses)}}
