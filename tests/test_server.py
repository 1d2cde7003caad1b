"""The speech server, through a real socket: OpenAI's own client, and requests as other programs send them."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import openai
import pytest
import soundfile
from serving import PATIENCE_S, Served, served

from bark_cli.audio import open_sound, pcm16
from bark_cli.audio.aac import AacPipe
from bark_cli.errors import BarkError
from bark_cli.model.options import SamplingOptions
from bark_cli.narration.recite import recite
from bark_cli.pipeline import Bark
from bark_cli.server.app import Serving, make_app
from bark_cli.server.listing import Listing
from bark_cli.server.openapi import openapi
from bark_cli.server.run import allow_many_connections
from bark_cli.server.schema import speech_schema
from bark_cli.server.speaker import Speaker
from bark_cli.text.lexicon import read_lexicon

CURL, FFMPEG = shutil.which("curl"), shutil.which("ffmpeg")
SHORT = {"max_duration": 0.2}
TEXTS = ["hello bark", "my name is bark", "i can speak", "hello, my name is", "is the name bark"]
LONG = " ".join(f"{text.capitalize()}." for text in TEXTS * 3)


@pytest.fixture(scope="module")
def bark(tiny_model: Path) -> Bark:
    return Bark.load(tiny_model, device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def server(tiny_model: Path) -> Iterator[Served]:
    with served(tiny_model, batch_size=4) as found:
        yield found


@pytest.fixture
def client(server: Served) -> Iterator[httpx.Client]:
    with server.client() as found:
        yield found


def ask(client: httpx.Client, text: str = "hello bark", **more: Any) -> httpx.Response:
    body = {"model": "tts-1", "input": text, "voice": "alloy", "seed": 1, **SHORT, **more}
    return client.post("/v1/audio/speech", json=body)


def samples_of(pcm: bytes) -> np.ndarray[Any, Any]:
    return np.frombuffer(pcm, "<i2")


def expected(bark: Bark, text: str, seed: int) -> np.ndarray[Any, Any]:
    """What `exact` is to give."""
    options = SamplingOptions(**{**vars(bark.config.sampling), "max_duration_s": 0.2})
    pieces = list(recite(bark, text, voice="tiny/ann", seed=seed, options=options))
    return np.concatenate([pcm16(piece) for piece in pieces])


def read_back(data: bytes, folder: Path) -> tuple[np.ndarray[Any, Any], int]:
    """Samples and rate of a sound of any format, whose header may not say how long it is."""
    (folder / "sound").write_bytes(data)
    with open_sound(folder / "sound") as source:
        return np.concatenate([pcm16(block) for block in source.blocks()]), source.sample_rate


def until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


# OpenAI's client


def openai_client(server: Served, **given: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, **given)


@pytest.mark.parametrize("format", ["mp3", "opus", "flac", "wav", "pcm"])
def test_openais_client_gets_every_format_and_can_read_it(
    server: Served, bark: Bark, tmp_path: Path, format: Any
) -> None:
    with openai_client(server) as client:
        response = client.audio.speech.create(
            model="gpt-4o-mini-tts",
            voice="alloy",
            input="hello bark",
            response_format=format,
            extra_body={"seed": 5, "exact": True, **SHORT},
        )
    wanted = expected(bark, "hello bark", 5)
    if format == "pcm":
        np.testing.assert_allclose(samples_of(response.content), wanted, atol=1)
        return
    sound, rate = read_back(response.content, tmp_path)
    assert rate == 24_000
    if format in ("wav", "flac"):
        # a WAV whose length is not known beforehand ends on a whole block: with less than 0.1 s of silence
        assert len(wanted) <= len(sound) < len(wanted) + (2048 if format == "wav" else 1)
        np.testing.assert_allclose(sound[: len(wanted)], wanted, atol=1)
        assert not sound[len(wanted) :].any()
    else:
        assert len(sound) / rate == pytest.approx(len(wanted) / 24_000, abs=0.15)
    assert response.response.headers["content-type"] == f"audio/{'mpeg' if format == 'mp3' else format}"


@pytest.mark.skipif(FFMPEG is None, reason="no ffmpeg; see tests/apt-packages.txt")
def test_aac_is_made_by_ffmpeg(server: Served, bark: Bark, client: httpx.Client) -> None:
    assert FFMPEG is not None
    with openai_client(server) as own:
        response = own.audio.speech.create(
            model="tts-1",
            voice="alloy",
            input="hello bark",
            response_format="aac",
            extra_body={"seed": 5, "exact": True, **SHORT},
        )
    assert response.response.headers["content-type"] == "audio/aac"
    reading = [FFMPEG, "-v", "error", "-f", "aac", "-i", "-", "-f", "s16le", "-"]
    sound = subprocess.run(reading, input=response.content, capture_output=True, check=True).stdout
    heard, wanted = samples_of(sound) / 1.0, expected(bark, "hello bark", 5) / 1.0
    assert len(wanted) <= len(heard) < len(wanted) + 3 * 1024  # of whole frames, and one before them
    assert np.corrcoef(heard[1024 : 1024 + len(wanted)], wanted)[0, 1] > 0.7
    body = {"model": "tts-1", "input": LONG * 8, "response_format": "aac"}
    with client.stream("POST", "/v1/audio/speech", json=body) as broken_off:
        assert next(broken_off.iter_bytes())
    until(lambda: server.speaker.n_orders == 0)
    assert client.get("/openapi.json").text.count('"audio/aac"') == 4  # of two routes


@pytest.mark.skipif(FFMPEG is None or not hasattr(os, "getpgid"), reason="no ffmpeg, or no process groups")
def test_a_terminals_ctrl_c_does_not_reach_ffmpeg_while_the_server_finishes() -> None:
    with AacPipe(io.BytesIO(), 24_000) as pipe:
        assert os.getpgid(pipe._process.pid) != os.getpgrp()


def test_without_ffmpeg_aac_is_refused_by_name(
    client: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for refused in (ask(client, response_format="aac"), speak(client, "?response_format=aac")):
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "response_format")
        assert "cannot be aac here; use one of mp3, opus" in refused.json()["error"]["message"]
    assert "aac" not in speech_schema(4096)["response_format"]["enum"]


def test_openais_client_streams_to_a_file(server: Served, tmp_path: Path) -> None:
    with (
        openai_client(server) as client,
        client.audio.speech.with_streaming_response.create(
            model="tts-1", voice="nova", input=LONG, response_format="flac", extra_body=SHORT
        ) as response,
    ):
        response.stream_to_file(tmp_path / "long.flac")
    assert soundfile.info(tmp_path / "long.flac").samplerate == 24_000


def test_openais_async_client_asks_many_at_once_and_each_gets_its_own(server: Served, bark: Bark) -> None:
    async def all_of_them() -> list[bytes]:
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as client:

            async def one(n: int) -> bytes:
                response = await client.audio.speech.create(
                    model="tts-1",
                    voice="alloy",
                    input=TEXTS[n % len(TEXTS)],
                    response_format="pcm",
                    extra_body={"seed": n, "exact": True, **SHORT},
                )
                return response.content

            return await asyncio.gather(*(one(n) for n in range(20)))

    for n, sound in enumerate(asyncio.run(all_of_them())):
        wanted = expected(bark, TEXTS[n % len(TEXTS)], n)
        np.testing.assert_allclose(samples_of(sound), wanted, atol=1)


def test_words_are_said_as_the_servers_lexicon_has_them(
    tiny_model: Path, tmp_path: Path, client: httpx.Client
) -> None:
    how = {"response_format": "pcm", "seed": 3}
    (tmp_path / "lexicon.toml").write_text('words.bark = "speak"')
    with served(tiny_model, lexicon=read_lexicon(tmp_path / "lexicon.toml")) as other:
        with other.client() as its_client:
            spoken = ask(its_client, "hello bark", **how)
        assert spoken.content == ask(client, "hello speak", **how).content
        assert spoken.content != ask(client, "hello bark", **how).content


def test_a_lexicon_that_is_too_slow_is_told_to_who_runs_the_server_alone(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bark_cli.text.lexicon._PATIENCE_S", 0.05)
    (tmp_path / "slow.toml").write_text("patterns.'(a|aa)+$' = 'b'")
    with served(tiny_model, lexicon=read_lexicon(tmp_path / "slow.toml")) as other:
        with other.client() as its_client:
            answer = its_client.post("/v1/audio/speech", json={"input": "a" * 60 + "!", "model": "tiny"})
        assert answer.status_code == 500, answer.text
        assert "slow.toml" not in answer.text
    notes = [one.note or "" for one in other.entries]
    assert any("slow.toml, line 1: the pattern (a|aa)+$ takes too long" in note for note in notes)


def test_events_carry_the_same_bytes_and_end_with_what_was_used(server: Served, client: httpx.Client) -> None:
    plain = ask(client, LONG, response_format="pcm").content
    with (
        openai_client(server) as own,
        own.audio.speech.with_streaming_response.create(
            model="tts-1",
            voice="alloy",
            input=LONG,
            response_format="pcm",
            stream_format="sse",
            extra_body={"seed": 1, **SHORT},
        ) as response,
    ):
        assert response.headers["content-type"].startswith("text/event-stream")
        events = [json.loads(line.removeprefix("data: ")) for line in response.iter_lines() if line]
    assert {event["type"] for event in events[:-1]} == {"speech.audio.delta"}
    assert b"".join(base64.b64decode(event["audio"]) for event in events[:-1]) == plain
    usage = events[-1]["usage"]
    assert events[-1]["type"] == "speech.audio.done"
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert usage["input_tokens"] >= 30
    assert usage["output_tokens"] >= 10


def test_openais_client_lists_models_and_raises_its_own_errors(server: Served) -> None:
    with openai_client(server) as client:
        assert [model.id for model in client.models.list()] == [
            "tiny",
            "tts-1",
            "tts-1-hd",
            "gpt-4o-mini-tts",
        ]
        assert client.models.retrieve("tiny").id == "tiny"
        with pytest.raises(openai.NotFoundError, match="did you mean tiny") as unknown:
            client.audio.speech.create(model="tyni", voice="alloy", input="hello")
        assert (unknown.value.param, unknown.value.code) == ("model", "model_not_found")
        format: Any = "ogg"
        with pytest.raises(openai.BadRequestError, match="must be one of mp3") as other:
            client.audio.speech.create(model="tts-1", voice="alloy", input="hello", response_format=format)
        assert other.value.param == "response_format"


# as other programs ask


def test_open_webui(client: httpx.Client) -> None:
    """Lists without a key; then JSON of a browser's, with the model replaced, kept as .mp3."""
    voices = client.get("/v1/audio/voices").json()["voices"]
    assert [voice["id"] for voice in voices] == [voice["name"] for voice in voices]
    assert "tiny/ann" in [voice["id"] for voice in voices]
    assert "tiny" in [model["id"] for model in client.get("/v1/audio/models").json()["models"]]
    response = client.post(
        "/v1/audio/speech",
        headers={"Authorization": "Bearer sk-none", "X-OpenWebUI-User-Name": "ann"},
        json={"input": "Hello.", "voice": "tiny/ann", "model": "tiny", "response_format": None},
    )
    assert response.headers["content-type"] == "audio/mpeg"
    assert soundfile.info(io.BytesIO(response.content)).format == "MP3"


@pytest.mark.skipif(CURL is None, reason="no curl; see tests/apt-packages.txt")
def test_curl_gets_what_it_is_told_to_save(server: Served, tmp_path: Path) -> None:
    """As docs/serve.md has it."""
    assert CURL is not None
    body = '{"model": "tts-1", "input": "Hello.", "voice": "alloy", "seed": 1, "max_duration": 0.2}'
    asking = [CURL, "-sSf", f"{server.url}/v1/audio/speech", "-H", "Content-Type: application/json"]
    subprocess.run([*asking, "-d", body, "-o", tmp_path / "hello.mp3"], check=True)
    assert soundfile.info(tmp_path / "hello.mp3").format == "MP3"
    old = subprocess.run([*asking, "--http1.0", "-d", body], check=True, capture_output=True)
    assert old.stdout == (tmp_path / "hello.mp3").read_bytes()


def test_sillytavern(client: httpx.Client) -> None:
    body = {
        "input": "Hello, my name.",
        "response_format": "mp3",
        "voice": "onyx",
        "speed": 1,
        "model": "tts-1",
    }
    response = client.post("/v1/audio/speech", json={**body, **SHORT}, headers={"Accept": "*/*"})
    assert response.status_code == 200
    assert soundfile.info(io.BytesIO(response.content)).samplerate == 24_000


def test_home_assistants_openai_tts(client: httpx.Client) -> None:
    """Speed and instructions; what is not heeded is said in a header."""
    plain = ask(client, LONG, response_format="pcm").content
    response = ask(client, LONG, response_format="pcm", speed=2.0, instructions="Speak like a pirate.")
    assert response.headers["x-bark-ignored"] == "instructions"
    assert len(response.content) == pytest.approx(len(plain) / 2, abs=4)
    whole = ask(client, LONG, response_format="opus", speed=0.5)
    assert soundfile.info(io.BytesIO(whole.content)).format == "OGG"


def test_wyoming_openai_knows_it_by_its_health_and_a_models_voices(client: httpx.Client) -> None:
    assert client.get("/health").text == "OK"
    model = client.get("/v1/models/tts-1").json()
    assert "tiny/ann" in [voice["name"] for voice in model["voices"]]


def test_a_voice_may_be_an_object_or_left_out(client: httpx.Client) -> None:
    sounds = {
        ask(client, response_format="pcm", voice=voice).content
        for voice in ("tiny/ann", {"id": "ann"}, "alloy", "shimmer")
    }
    assert len(sounds) == 1
    assert ask(client, voice=None).headers["x-bark-voice"] == "none"  # tiny has no voice of its own


# plain text


def speak(client: httpx.Client, query: str = "", text: str | bytes = "hello bark", **headers: str) -> Any:
    body = text.encode() if isinstance(text, str) else text
    types = {"content-type": "text/plain; charset=utf-8", **headers}
    return client.post(f"/speak{query}", content=body, headers=types)


def test_plain_text_is_said_as_its_address_has_it(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BARK_MAX_DURATION", "0.2")
    plain = speak(client)
    assert plain.headers["content-type"] == "audio/wav"
    assert plain.content[:4] == b"RIFF"
    other = speak(client, "?voice=ann&language=en&response_format=pcm&speed=2.0")
    assert other.headers["x-bark-voice"] == "tiny/ann"
    assert other.headers["content-type"] == "audio/pcm"
    assert speak(client, "?voice=", 'it\'s "quoted" $HOME').status_code == 200


@pytest.mark.parametrize(
    ("query", "text", "words"),
    [
        ("?voice=anne", "hello", "did you mean tiny/ann"),
        ("?speed=fast", "hello", "speed must be a number"),
        ("?speed=nan", "hello", "speed takes a number"),
        ("?seed=1", "hello", "is not heeded here"),
        ("?a=1&b=2&c=3&d=4&e=5", "hello", "cannot be read"),
        ("?response_format=ogg", "hello", "must be one of mp3"),
        ("", b"\xff", "cannot be read"),
        ("", " ", "input is empty"),
        ("", "a" * 4_097, "4097 characters"),
    ],
)
def test_what_is_wrong_with_plain_text_is_said(
    client: httpx.Client, query: str, text: str | bytes, words: str
) -> None:
    answer = speak(client, query, text)
    assert answer.status_code in (400, 404)
    assert words in answer.json()["error"]["message"]


def test_plain_text_has_a_door_of_its_own_and_pages_of_others_have_none(client: httpx.Client) -> None:
    assert speak(client, **{"content-type": "application/json"}).status_code == 415
    assert speak(client, **{"content-type": "application/x-www-form-urlencoded"}).status_code == 415
    assert speak(client, origin="http://evil.example").status_code == 403
    assert speak(client, origin="null").status_code == 403
    types = {"content-type": "text/plain"}
    assert client.post("/v1/audio/speech", content=b"{}", headers=types).status_code == 415


# what is wrong


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        ({"input": None}, "input", "is missing"),
        ({"input": " "}, "input", "is empty"),
        ({"input": 3}, "input", "must be a string"),
        ({"input": "a" * 4097}, "input", "4097 characters, and 4096 is the most"),
        ({"input": "\ud800"}, "input", "half a character"),
        ({"input": "[pause 500s] a [pause 500s]"}, "input", "600 s of silence"),
        ({"input": "1\n20:00:00,000 --> 20:00:00,900\na\n", "input_format": "srt"}, "input", "of silence"),
        ({"input": "ANNA: hello", "input_format": "script"}, "input", "ANNA has no voice"),
        ({"voice": 3}, "voice", "must be a name"),
        ({"response_format": "ogg"}, "response_format", "must be one of mp3"),
        ({"response_format": ["mp3"]}, "response_format", "must be one of mp3"),
        ({"speed": 5}, "speed", "from 0.25 to 4"),
        ({"speed": True}, "speed", "from 0.25 to 4"),
        ({"stream_format": "ndjson"}, "stream_format", "must be one of audio, sse"),
        ({"temperature": -1}, "temperature", "a number from 0 to 10"),
        ({"seed": 1.5}, "seed", "whole number"),
        ({"seed": 10**30}, "seed", "whole number"),
        ({"takes": 50}, "takes", "can be 10 at most here"),
        ({"preset": "calmer"}, "preset", "did you mean calm"),
        ({"language": "deu"}, "language", "2 is the most"),
        ({"cast": {"ANNA": "tiny/ann"}}, "cast", "for scripts"),
        ({"exact": 1}, "exact", "true or false"),
        ({"continuity": "always"}, "continuity", "voice, previous or none"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_a_wrong_field_is_named(client: httpx.Client, body: Any, param: str, words: str) -> None:
    content = json.dumps({"model": "tts-1", "input": "hello", **body})
    response = client.post("/v1/audio/speech", content=content, headers={"content-type": "application/json"})
    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (400, param)
    assert words in error["message"]
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'{"a": NaN}', b"\xff", b"[" * 60_000, b"1" * 5000])
def test_what_is_no_json_object_is_said_to_be_none(client: httpx.Client, body: bytes) -> None:
    response = client.post("/v1/audio/speech", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith("the body")


def test_an_unknown_voice_is_404_and_no_path_leads_to_a_file(client: httpx.Client, tiny_model: Path) -> None:
    near = ask(client, voice="tiny/anne")
    assert near.status_code == 404
    assert "did you mean tiny/ann" in near.json()["error"]["message"]
    own = str(tiny_model / "voices" / "ann.npz")
    script = f"---\ncast:\n  ANNA: {own}\n---\nANNA: hello"
    assert ask(client, voice=own).json()["error"]["code"] == "voice_not_found"
    assert ask(client, script, input_format="script").json()["error"]["param"] == "cast"
    cast = ask(client, "ANNA: hello", input_format="script", cast={"ANNA": own}).json()["error"]
    assert cast["param"] == "cast"
    assert ask(client, "ANNA: hello", input_format="script", cast={"ANNA": "ann"}).status_code == 200


def test_every_answer_has_an_id_which_is_also_in_the_log(server: Served, client: httpx.Client) -> None:
    response = client.get("/nowhere", headers={"X-Request-Id": "from-a-client"})
    assert response.headers["x-request-id"] == "from-a-client"
    assert response.json()["error"]["message"] == "there is no route GET /nowhere"
    assert client.get("/v1/audio/speech").status_code == 405
    assert client.get("/v1/audio/speech").json()["error"]["type"] == "invalid_request_error"
    spoken = ask(client, "the name is bark")
    until(lambda: spoken.headers["x-request-id"] in [entry.id for entry in server.entries])
    [entry] = [entry for entry in server.entries if entry.id == spoken.headers["x-request-id"]]
    told = json.loads(entry.as_json())
    assert (told["status"], told["model"], told["voice"], told["format"]) == (200, "tiny", "tiny/ann", "mp3")
    assert "the name is bark" not in entry.as_line() + entry.as_json()
    assert spoken.headers["x-request-id"] in entry.as_line()
    hostile = client.get("/", headers={"X-Request-Id": "a b"})
    assert len(hostile.headers["x-request-id"]) == 16


def test_figures_count_what_was_said(client: httpx.Client) -> None:
    def figure(name: str) -> float:
        lines = client.get("/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name))

    before = figure("bark_audio_seconds_total"), figure("bark_first_byte_seconds_count")
    ask(client, response_format="pcm")
    until(lambda: figure("bark_audio_seconds_total") > before[0])  # counted once the answer has left
    assert figure("bark_first_byte_seconds_count") == before[1] + 1
    assert figure('bark_requests_total{method="POST",path="/v1/audio/speech",status="200"}') >= 1
    assert figure("bark_model_loaded") == 1
    client.get("/some/path/of/somebodys")
    assert "somebodys" not in client.get("/metrics").text


def test_the_description_is_that_of_the_code(client: httpx.Client, tiny_model: Path) -> None:
    told = client.get("/openapi.json").json()
    assert told == json.loads(json.dumps(openapi(4096)))
    serving = Serving(
        speaker=Speaker(lambda: pytest.fail("not to be read")),
        listing=Listing(model="tiny", folder=tiny_model),
    )
    accounts: Any = make_app(serving)
    routes = accounts._app._app.routes
    described = {route.path.replace(":path", "") for route in routes} - {"/"}
    assert {path for path in described if not path.startswith("/page/")} == told["paths"].keys()
    assert "/page/index.html" not in described, "its links are relative to the root"
    for route in routes:
        path = told["paths"].get(route.path.replace(":path", ""), {})
        assert {method.upper() for method in path} in ({*route.methods} - {"HEAD"}, set())
    assert told["components"]["schemas"]["Speech"]["properties"].keys() == speech_schema(4096).keys()


# clients that come and go


def hang_up_after(server: Served, text: str, n_bytes: int, **more: Any) -> None:
    """Ask over a bare socket, read so much, and go away."""
    body = json.dumps({"model": "tts-1", "input": text, "response_format": "pcm", **more}).encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as bare:
        bare.sendall(
            b"POST /v1/audio/speech HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        read = 0
        while read < n_bytes:
            read += len(bare.recv(4096))


def test_a_client_that_goes_away_is_cancelled(server: Served, client: httpx.Client) -> None:
    for n_bytes in (0, 1, 5000):
        done = len(server.entries)
        hang_up_after(server, LONG, n_bytes)
        until(lambda: server.speaker.n_orders == 0 and len(server.entries) > done)  # noqa: B023
        entry = server.entries[-1]
        assert entry.note == "the client went away"
        assert entry.details["pieces"] < 15
        until(lambda: server.speaker.n_at_work + server.speaker.n_waiting == 0)
    assert ask(client).status_code == 200


def test_a_slow_client_holds_up_nobody(server: Served, client: httpx.Client) -> None:
    body = json.dumps({"model": "tts-1", "input": LONG * 8, "response_format": "wav"}).encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(
            b"POST /v1/audio/speech HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        assert slow.recv(100)
        for n in range(8):
            assert ask(client, TEXTS[n % len(TEXTS)]).status_code == 200
        assert server.speaker.n_orders >= 1
    until(lambda: server.speaker.n_orders == 0)


def test_more_than_may_wait_are_told_when_to_come_again(tiny_model: Path) -> None:
    with served(tiny_model, batch_size=1, max_waiting=1) as server, server.client() as client:
        with ThreadPoolExecutor(8) as many:
            answers = list(many.map(lambda n: ask(client, LONG, seed=n), range(8)))
        statuses = [answer.status_code for answer in answers]
        assert set(statuses) == {200, 429}
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert 1 <= int(refused.headers["retry-after"]) <= 120
        assert refused.json()["error"]["code"] == "busy"
        assert ask(client).status_code == 200


def failing(folder: Path) -> Bark:
    """A Bark that fails in the middle of a long text."""
    found = Bark.load(folder, device="cpu", precision="fp32")
    plain, calls = found.model.backend.fine_logits, []

    def fail(requests: Any) -> Any:
        calls.append(requests)
        if len(calls) > 20:
            raise RuntimeError("secret detail")
        return plain(requests)

    found.model.backend.fine_logits = fail  # type: ignore[method-assign]
    return found


def test_an_error_in_the_middle_breaks_the_body(tiny_model: Path) -> None:
    def load() -> Bark:
        return failing(tiny_model)

    with served(tiny_model, load=load, batch_size=1) as server, server.client() as client:
        with pytest.raises(httpx.RemoteProtocolError):
            ask(client, LONG * 8, response_format="pcm", max_duration=None)
        response = ask(client)
        assert response.status_code == 500
        assert "secret" not in response.text
        until(lambda: len(server.entries) == 2)
        assert all("secret detail" in (entry.note or "") for entry in server.entries)


def test_an_error_in_the_middle_resets_a_connection_of_http_1_0(tiny_model: Path) -> None:
    body = json.dumps({"model": "tts-1", "input": LONG * 8, "response_format": "pcm"}).encode()
    with (
        served(tiny_model, load=lambda: failing(tiny_model), batch_size=1) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as old,
    ):
        old.sendall(
            b"POST /v1/audio/speech HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        assert old.recv(12) == b"HTTP/1.1 200"
        with pytest.raises(ConnectionResetError):  # its end alone would be that of a whole body
            b"".join(iter(lambda: old.recv(65_536), b""))


# security


def test_a_key_is_asked_for_where_there_is_one(tiny_model: Path) -> None:
    with served(tiny_model, key="a secret key") as server, server.client() as client:
        for path in ("/", "/health", "/ready", "/v1/models", "/v1/audio/voices", "/openapi.json"):
            assert client.get(path).status_code == 200, path
        assert client.get("/metrics").status_code == 401
        refused = ask(client)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
        for wrong in ("Bearer wrong", "Basic a secret key", "Bearer", "Bearer ä"):
            given = {"Authorization": wrong.encode()}
            assert client.post("/v1/audio/speech", json={}, headers=given).status_code == 401
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key="a secret key", max_retries=0) as own:
            assert own.audio.speech.create(model="tts-1", voice="alloy", input="hello").content
        with (
            openai.OpenAI(base_url=f"{server.url}/v1", api_key="wrong", max_retries=0) as other,
            pytest.raises(openai.AuthenticationError, match="API key is wrong"),
        ):
            other.audio.speech.create(model="tts-1", voice="alloy", input="hello")


def test_foreign_hosts_and_pages_are_refused(server: Served, client: httpx.Client) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "10.0.0.1"):
        assert client.get("/v1/models", headers={"Host": host}).status_code == 403, host
    for host in ("localhost", "LOCALHOST:1", "[::1]:80", "127.0.0.1"):
        assert client.get("/v1/models", headers={"Host": host}).status_code == 200, host
    for origin in ("http://evil.example", "null", f"http://localhost:{server.port}", "file://"):
        assert client.get("/v1/models", headers={"Origin": origin}).status_code == 403, origin
    own = client.get("/v1/models", headers={"Origin": server.url})
    assert own.status_code == 200
    assert "access-control-allow-origin" not in own.headers


def test_a_page_that_is_named_may_ask(tiny_model: Path) -> None:
    friend = "http://friend.example:3000"
    with served(tiny_model, origins=[friend]) as server, server.client() as client:
        asked = {"Origin": friend, "Access-Control-Request-Method": "POST"}
        allowed = client.options("/v1/audio/speech", headers=asked)
        assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (204, friend)
        assert client.get("/v1/models", headers={"Origin": friend}).headers["vary"] == "Origin"
        assert client.options("/v1/models", headers={"Origin": "http://other"}).status_code == 403


def test_only_json_of_some_size_is_taken(client: httpx.Client) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        response = client.post("/v1/audio/speech", content=b"{}", headers={"content-type": kind})
        assert response.status_code == 415
    plain = {"content-type": "application/json; charset=utf-8"}
    large = client.post("/v1/audio/speech", content=b"x" * 100_000, headers=plain)
    assert (large.status_code, large.json()["error"]["code"]) == (413, "body_too_large")

    def endless() -> Iterator[bytes]:
        for _ in range(1000):
            yield b"x" * 1000

    with suppress(httpx.NetworkError, httpx.RemoteProtocolError):  # refused while it was still being sent
        assert client.post("/v1/audio/speech", content=endless(), headers=plain).status_code == 413
    assert client.get("/health").text == "OK"


def test_http_1_0_and_connections_that_are_used_again(server: Served) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as old:
        old.sendall(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")
        answer = b"".join(iter(lambda: old.recv(4096), b""))
        assert answer.endswith(b"OK")
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as again:
        for _ in range(3):
            again.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = b""
            while not answer.endswith(b"OK"):
                answer += again.recv(4096)
        again.sendall(b"NONSENSE\r\n\r\n")
        assert again.recv(4096).startswith(b"HTTP/1.1 400")


ENDLESS = (
    b"POST /v1/audio/speech HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"
)


def test_nonsense_after_an_answer_ends_the_connection_without_a_trace(
    server: Served, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as one:
        one.sendall(ENDLESS.replace(b"application/json", b"text/html"))
        assert one.recv(13) == b"HTTP/1.1 415 "
        one.sendall(b"\r\nno length of a chunk\r\n")
        assert b'"error"' in b"".join(iter(lambda: one.recv(65_536), b""))
    assert not caplog.records


def test_a_thousand_idle_slow_and_endless_connections_keep_nobody_out(
    server: Served, client: httpx.Client
) -> None:
    allow_many_connections()
    with ExitStack() as held:
        crowd = [
            held.enter_context(socket.create_connection(("127.0.0.1", server.port))) for _ in range(1000)
        ]
        for one in crowd[:300]:
            one.sendall(b"POST /v1/audio/speech HTTP/1.1\r\nHost: loc")
        for one in crowd[300:600]:
            one.sendall(ENDLESS)
        for n in range(8):
            for one in crowd[n:300:8]:
                one.sendall(b"a")  # the name of a host that never ends
            for one in crowd[300 + n : 600 : 8]:
                one.sendall(b"1\r\n \r\n")
            assert client.get("/health").text == "OK"
        assert ask(client).status_code == 200


def test_who_asks_for_nothing_or_never_comes_to_an_end_is_shown_out(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bark_cli.server.run._REQUEST_S", 0.2)
    monkeypatch.setattr("bark_cli.server.access._BODY_S", 0.2)
    with served(tiny_model) as server:
        for sent, answer in ((b"", b""), (b"GET / HTTP/1.1\r\nHo", b""), (ENDLESS, b"HTTP/1.1 408 ")):
            with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as one:
                one.sendall(sent)
                assert one.recv(13) == answer
        with server.client() as client:
            assert ask(client).status_code == 200


def test_an_answer_that_nobody_takes_holds_its_connection_only_for_a_while(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("speech._PATIENCE_S", "run._REQUEST_S", "run._UNREAD_S"):
        monkeypatch.setattr(f"bark_cli.server.{name}", 0.2)
    text = "hello. [pause 60s] bark."
    body = json.dumps({"model": "tts-1", "input": text, "response_format": "pcm", **SHORT}).encode()
    with served(tiny_model) as server:
        server.server._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as deaf:
            deaf.sendall(
                b"POST /v1/audio/speech HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
            )
            until(lambda: bool(server.entries))
            assert server.entries[0].note == "the client takes nothing"
            until(lambda: not server.server.server_state.connections)


# the model comes and goes


def test_an_idle_model_is_let_go_and_comes_back(tiny_model: Path) -> None:
    loaded: list[threading.Thread] = []

    def load() -> Bark:
        loaded.append(threading.current_thread())
        return Bark.load(tiny_model, device="cpu", precision="fp32")

    with served(tiny_model, load=load, keep_alive_s=0.05) as server, server.client() as client:
        until(lambda: server.speaker.state == "resting")
        assert client.get("/ready").json()["status"] == "resting"
        with ThreadPoolExecutor(4) as many:
            answers = list(many.map(lambda n: ask(client, seed=n), range(4)))
        assert [answer.status_code for answer in answers] == [200] * 4
        assert len(loaded) == 2
        until(lambda: server.speaker.state == "resting")


def test_a_model_that_could_not_be_read_again_is_tried_for_the_next_who_asks(tiny_model: Path) -> None:
    faults: list[Exception | None] = [None, BarkError("its disk is gone"), OSError("secret detail"), None]

    def load() -> Bark:
        if (fault := faults.pop(0)) is not None:
            raise fault
        return Bark.load(tiny_model, device="cpu", precision="fp32")

    with served(tiny_model, load=load, keep_alive_s=0.05) as server, server.client() as client:
        until(lambda: server.speaker.state == "resting")
        refused = ask(client)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "failed")
        assert "its disk is gone" in refused.json()["error"]["message"]
        assert refused.headers["retry-after"] == "2"
        stray = ask(client)
        assert stray.status_code == 500
        assert "secret" not in stray.text
        assert client.get("/ready").json()["status"] == "resting"
        assert ask(client).status_code == 200


def test_a_server_ends_while_its_model_is_read(tiny_model: Path) -> None:
    go_on = threading.Event()

    def load() -> Bark:
        go_on.wait(PATIENCE_S)
        raise BarkError("nobody wants it any more")

    try:
        with served(tiny_model, load=load, wait=False) as server:
            until(lambda: server.server.started)
    finally:
        go_on.set()


def test_a_model_that_is_removed_while_it_is_served_is_told_of(tiny_model: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_model, tmp_path / "tiny")
    with served(tmp_path / "tiny") as server, server.client() as client:
        assert ask(client).status_code == 200
        (tmp_path / "tiny").rename(tmp_path / "elsewhere")
        for voice in ("alloy", None):
            refused = ask(client, voice=voice)
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "model_gone")
        (tmp_path / "elsewhere").rename(tmp_path / "tiny")
        assert ask(client).status_code == 200


def test_while_the_model_is_loaded_clients_are_told_to_wait(tiny_model: Path) -> None:
    go_on = threading.Event()

    def load() -> Bark:
        assert go_on.wait(PATIENCE_S)
        return Bark.load(tiny_model, device="cpu", precision="fp32")

    with served(tiny_model, load=load, wait=False) as server, server.client() as client:
        assert client.get("/health").text == "OK"
        assert client.get("/ready").status_code == 503
        early = ask(client)
        assert (early.status_code, early.headers["retry-after"]) == (503, "2")
        assert early.json()["error"]["code"] == "loading"
        go_on.set()
        until(lambda: client.get("/ready").status_code == 200)
        assert ask(client).status_code == 200
