"""The speech server on Ray Serve: two replicas answer OpenAI's own client, as one server on its own does."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import openai
import pytest
from ray_clusters import cluster_of

from bark_cli.audio import pcm16
from bark_cli.cluster import speech_app
from bark_cli.cluster.connect import joined
from bark_cli.errors import OptionError
from bark_cli.model.options import SamplingOptions
from bark_cli.narration.narrate import piece_seed
from bark_cli.pipeline import Bark

KEY = "open-sesame"
PATIENCE_S = 60.0
SHORT = {"max_duration": 0.3, "seed": 7}
pytestmark = pytest.mark.filterwarnings("ignore")  # those of Ray are not ours


@pytest.fixture(scope="module")
def url(talkative: Path) -> Iterator[str]:
    """A server with two replicas."""
    with cluster_of(1, cores=2) as address, joined(address):
        from ray import serve

        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        serve.start(http_options={"port": port}, proxy_location="HeadOnly")
        app = speech_app(key=KEY, hosts=["speech.test"], model=str(talkative), precision="fp32", replicas=2)
        serve.run(app)
        yield f"http://127.0.0.1:{port}"
        serve.shutdown()


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=url, headers=headers, timeout=PATIENCE_S) as found:
        yield found


def speak(client: httpx.Client, **more: Any) -> httpx.Response:
    body = {"model": "tts-1", "voice": "none", "input": "hello bark", "response_format": "wav", **SHORT}
    return client.post("/v1/audio/speech", json={**body, **more})


def test_openais_client_gets_the_same_sound_from_both_replicas(talkative: Path, url: str) -> None:
    sounds: dict[str, bytes] = {}
    with openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0, timeout=PATIENCE_S) as client:
        for _ in range(50):
            answer = client.audio.speech.with_raw_response.create(
                model="tts-1", voice="none", input="hello bark", response_format="pcm", extra_body=SHORT
            )
            sounds[answer.headers["x-bark-replica"]] = answer.content
            if len(sounds) == 2:
                break
    assert len(sounds) == 2
    one, other = sounds.values()
    assert one == other
    said = Bark.load(talkative, precision="fp32").say(
        "hello bark", voice="none", seed=piece_seed(7, 0), options=SamplingOptions(max_duration_s=0.3)
    )
    np.testing.assert_allclose(np.frombuffer(one, "<i2"), pcm16(said.audio), atol=1)


def test_sound_comes_while_it_is_made_and_clients_that_leave_are_cancelled(client: httpx.Client) -> None:
    text = "Hello bark. " * 300
    body = {"model": "tts-1", "voice": "none", "input": text, "response_format": "pcm"}

    def both_at_work() -> bool:
        """Whether listeners have heard something of both replicas, and are still being spoken to."""
        replicas, heard = set[str](), []
        with ExitStack() as listeners:
            while len(replicas) < 2:
                answer = listeners.enter_context(client.stream("POST", "/v1/audio/speech", json=body))
                assert answer.status_code == 200
                heard.append(answer.iter_raw())  # it would hang up if it were let go of
                assert next(heard[-1])
                replicas.add(answer.headers["x-bark-replica"])
            return all(orders_of(client) for _ in range(4))

    assert any(both_at_work() for _ in range(10))  # one may be done before it is asked
    end = time.monotonic() + PATIENCE_S
    while any(orders_of(client) for _ in range(10)):
        assert time.monotonic() < end
        time.sleep(0.1)


def orders_of(client: httpx.Client) -> int:
    """What one of the replicas is at; that of the two which has less to do is asked."""
    found: int = client.get("/ready").json()["orders"]
    return found


def test_the_rules_of_the_server_hold_behind_ray(client: httpx.Client) -> None:
    assert speak(client).status_code == 200
    wrong = {"authorization": "Bearer open-sesam"}
    assert client.post("/v1/audio/speech", json={}, headers=wrong).status_code == 401
    assert client.get("/health", headers={"host": "speech.test"}).status_code == 200
    refused = client.get("/health", headers={"host": "rebound.example"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "host_not_allowed")
    assert client.get("/health", headers={"origin": "http://evil.example"}).status_code == 403
    [request_id] = client.get("/health", headers={"x-request-id": "mine"}).headers.get_list("x-request-id")
    assert request_id == "mine"


@pytest.mark.parametrize(
    ("given", "said"), [({}, r"give key=\.\.\., or insecure"), ({"key": "short"}, "8 characters or more")]
)
def test_nobody_is_let_in_by_mistake(given: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        speech_app(**given)
