"""Requests at random, seeded: no answer is a fault of the server's, none shows a trace, and it stays up."""

from __future__ import annotations

import json
import random
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from serving import served

from bark_cli.errors import GenerationError
from bark_cli.server.openapi import openapi
from bark_cli.server.problem import problem_of
from bark_cli.server.schema import speech_schema

N_REQUESTS = 300
BASE = {"model": "tiny", "input": "a", "max_duration": 0.02, "response_format": "pcm", "retries": 0}
JUNK: list[Any] = [
    None,
    True,
    -1,
    0,
    1e308,
    10**40,
    "",
    "\x00",
    "a" * 5000,
    "\u202e",
    [],
    [[1]],
    {},
    {"id": {}},
]
PATHS = [
    *openapi(4096)["paths"],
    "/",
    "/v1/models/%00",
    "/v1/../etc/passwd",
    "/page/../app.py",
    "/" + "a" * 9000,
]
HEADERS = ["Host", "Origin", "Content-Type", "Authorization", "X-Request-Id", "Accept", "Range", "Expect"]
VALUES = ["", "null", "*", "a" * 3000, "\xff\xfe", "http://evil.example", "127.0.0.1", "bytes=0-", "Bearer x"]


def body(draw: random.Random) -> bytes:
    """An order of which something is wrong, mostly."""
    order: dict[str, Any] = dict(BASE)
    for _ in range(draw.randint(0, 3)):
        order[draw.choice([*speech_schema(4096), "extra"])] = draw.choice(JUNK)
    if "takes" in order:
        order["takes"] = draw.choice([0, -1, 10**9, "many"])  # each take is as much work as the whole
    data = bytearray(json.dumps(order).encode())
    for _ in range(draw.choice([0, 0, 1, 5])):
        data[draw.randrange(len(data))] = draw.randrange(256)
    return bytes(data)


def ask(port: int, draw: random.Random) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Content-Type": "application/json"}
    if draw.random() < 0.3:
        headers[draw.choice(HEADERS)] = draw.choice(VALUES)
    is_speech = draw.random() < 0.6
    path = "/v1/audio/speech" if is_speech else draw.choice(PATHS)
    method = "POST" if is_speech else draw.choice(["GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "BREW"])
    try:
        connection.request(method, path, None if method == "GET" else body(draw), headers)
        with connection.getresponse() as response:
            return response.status, response.read()
    finally:
        connection.close()


def test_no_request_is_too_much(tiny_model: Path) -> None:
    draw, seen = random.Random(0), set()
    with served(tiny_model) as server:
        for _ in range(N_REQUESTS):
            status, answer = ask(server.port, draw)
            seen.add(status)
            assert status < 500, answer[:300]
            assert b"Traceback" not in answer
            assert b"bark_cli/" not in answer
        with server.client() as client:
            assert client.get("/health").text == "OK"
    assert {200, 400, 404, 405, 415} <= seen


def test_what_cannot_be_said_is_no_fault_of_the_servers() -> None:
    problem = problem_of(GenerationError("the model said nothing with seed 1"))
    assert (problem.status, problem.code) == (422, "no_speech")
