"""Wyoming through a real socket: its own client, as Home Assistant asks, and others as nobody should."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import PATIENCE_S, Served, served
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.event import Event, read_event
from wyoming.info import Describe, Info, TtsVoice
from wyoming.ping import Ping
from wyoming.tts import (
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    SynthesizeStopped,
    SynthesizeVoice,
)

from bark_cli.pipeline import Bark
from bark_cli.server.wyoming import door
from bark_cli.server.wyoming.door import MOST_CLIENTS
from bark_cli.server.wyoming.incoming import ready

ANN = SynthesizeVoice(name="tiny/ann")
BITS = ["Hello ba", "rk. My na", "me is bark", ". ", "I can speak the name."]  # as a language model writes


@pytest.fixture(scope="module")
def server(tiny_model: Path) -> Iterator[Served]:
    with served(tiny_model, batch_size=4, wyoming=True) as found:
        yield found


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BARK_MAX_DURATION", "0.2")  # random weights know no end
    monkeypatch.setattr(door, "draw_seed", lambda: 1)  # with one in some thousands they say nothing


def client(server: Served) -> AsyncTcpClient:
    assert server.wyoming_port is not None
    return AsyncTcpClient("127.0.0.1", server.wyoming_port)


async def heard(own: AsyncTcpClient, end: Callable[[str], bool]) -> list[Event]:
    """What comes, to the event that ends it."""
    events: list[Event] = []
    while not events or not end(events[-1].type):
        event = await asyncio.wait_for(own.read_event(), PATIENCE_S)
        assert event is not None, events[-1:]
        assert not Error.is_type(event.type), event.data
        events.append(event)
    return events


async def describe(server: Served) -> Info:
    """As Home Assistant's load_wyoming_info, which waits for one second."""
    async with client(server) as own:
        await own.write_event(Describe().event())
        event = await asyncio.wait_for(
            own.read_event(), 1.0 if server.speaker.state == "ready" else PATIENCE_S
        )
        assert event is not None
        return Info.from_event(event)


async def say(server: Served, text: str, voice: SynthesizeVoice | None = ANN) -> list[Event]:
    """As Home Assistant's async_get_tts_audio."""
    async with client(server) as own:
        await own.write_event(Synthesize(text=text, voice=voice).event())
        return await heard(own, AudioStop.is_type)


async def say_bits(server: Served, bits: list[str]) -> list[Event]:
    """As Home Assistant's async_stream_tts_audio: the bits, all of it again, and the end."""
    async with client(server) as own:
        await own.write_event(SynthesizeStart(voice=ANN).event())
        for bit in bits:
            await own.write_event(SynthesizeChunk(bit).event())
        await own.write_event(Synthesize("".join(bits), voice=ANN).event())
        await own.write_event(SynthesizeStop().event())
        return await heard(own, SynthesizeStopped.is_type)


def seconds(events: list[Event]) -> float:
    return sum(AudioChunk.from_event(event).seconds for event in events if AudioChunk.is_type(event.type))


def until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def test_home_assistant_learns_of_one_program_with_voices_that_have_languages(server: Served) -> None:
    info = asyncio.run(describe(server))
    [program] = info.tts
    assert program.installed
    assert program.supports_synthesize_streaming
    assert program.attribution.name == "bark_cli"
    assert "tiny/ann" in [voice.name for voice in program.voices]
    assert all(
        isinstance(voice, TtsVoice) and voice.languages and voice.installed for voice in program.voices
    )


def test_a_whole_text_is_one_sound_with_its_rate(server: Served) -> None:
    events = asyncio.run(say(server, "hello bark"))
    assert [event.type for event in events[:1] + events[-1:]] == ["audio-start", "audio-stop"]
    start = AudioStart.from_event(events[0])
    assert (start.rate, start.width, start.channels) == (24_000, 2, 1)
    assert {event.type for event in events[1:-1]} == {"audio-chunk"}
    assert all(event.payload and len(event.payload) % 2 == 0 for event in events[1:-1])
    assert 0 < seconds(events) < 0.5


def test_a_streamed_text_is_said_once_and_its_end_is_told(server: Served) -> None:
    before = len(server.entries)
    asyncio.run(say(server, "".join(BITS)))
    events = asyncio.run(say_bits(server, BITS))
    kinds = [event.type for event in events]
    assert kinds[0] == "audio-start"
    assert kinds[-2:] == ["audio-stop", "synthesize-stopped"]
    assert [kinds.count(kind) for kind in ("audio-start", "audio-stop", "synthesize-stopped")] == [1, 1, 1]
    until(lambda: len(server.entries) == before + 2)
    whole, entry = server.entries[before:]
    assert (entry.method, entry.status) == ("WYOMING", 200)
    n_pieces = whole.details["pieces"]
    assert n_pieces <= entry.details["pieces"] < 2 * n_pieces  # which the text said twice would have
    assert entry.details["sound"] == f"{seconds(events):.2f}"
    assert "hello" not in entry.as_line().lower()


def test_the_first_sentence_sounds_before_the_text_has_ended(server: Served) -> None:
    async def ask() -> None:
        async with client(server) as own:
            await own.write_event(SynthesizeStart(voice=ANN).event())
            await own.write_event(SynthesizeChunk("Hello bark. My na").event())
            first = await heard(own, AudioChunk.is_type)
            assert first[0].type == "audio-start"
            await own.write_event(SynthesizeChunk("me is bark.").event())
            await own.write_event(SynthesizeStop().event())
            assert seconds(await heard(own, SynthesizeStopped.is_type)) > 0  # with the pause

    asyncio.run(ask())


def test_twenty_clients_at_once_and_several_texts_on_one_connection(server: Served) -> None:
    async def ask() -> None:
        whole = [say(server, f"{'my name is ' * (n % 3)}bark") for n in range(10)]
        for events in await asyncio.gather(*whole, *(say_bits(server, BITS) for _ in range(10))):
            assert seconds(events) > 0
        async with client(server) as own:
            for _ in range(3):
                await own.write_event(Ping("are you there").event())
                assert (await heard(own, lambda kind: kind == "pong"))[0].data == {"text": "are you there"}
                await own.write_event(Event("transcribe"))  # unknown here, and passed over
                await own.write_event(Synthesize("hello", voice=ANN).event())
                await heard(own, AudioStop.is_type)

    asyncio.run(ask())


@pytest.mark.parametrize("voice", [None, SynthesizeVoice(language="de"), SynthesizeVoice(name="alloy")])
def test_a_voice_may_be_left_out_or_meant_by_language(server: Served, voice: SynthesizeVoice | None) -> None:
    assert seconds(asyncio.run(say(server, "hello", voice))) > 0


def test_a_text_without_words_is_no_sound_and_ends(server: Served) -> None:
    for bits in (["  ", "\n"], []):
        kinds = [event.type for event in asyncio.run(say_bits(server, bits))]
        assert kinds == ["audio-start", "audio-stop", "synthesize-stopped"]
    assert seconds(asyncio.run(say_bits(server, ["Hello bark. ", "*** ", "My name."]))) > 0


def refusals(server: Served, *frames: bytes) -> list[dict[str, Any]]:
    """The errors that are told until the connection is closed."""
    assert server.wyoming_port is not None
    address = ("127.0.0.1", server.wyoming_port)
    with socket.create_connection(address, timeout=PATIENCE_S) as bare, bare.makefile("rb") as stream:
        bare.sendall(b"".join(frames))
        found = []
        while (event := read_event(stream)) is not None:
            found.append(event.data)
        return found


def frame(kind: Any, data: Any = None, **more: Any) -> bytes:
    return json.dumps({"type": kind, "data": data, **more}).encode() + b"\n"


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (frame("synthesize", data_length=10**12), "data_length is 1000000000000"),
        (frame("describe", payload_length=2**20), "payload_length is 1048576"),
        (frame("describe", data_length=-1), "data_length must be"),
        (frame("describe", data_length=1.5), "data_length must be"),
        (b"a" * 2**15, "the first line of an event"),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n", "must be a JSON object"),
        (b'{"type": ' + b"[" * 5_000 + b"\n", "must be a JSON object"),
        (b"[]\n", "must be a JSON object"),
        (frame(3), "must have a type"),
        (frame("describe", []) + frame("describe", "x"), "its data must be"),
        (frame("synthesize", {"text": 3}), "must have a text"),
        (frame("synthesize", {"text": "hello", "text_format": "ssml"}), "SSML"),
        (frame("synthesize", {"text": "hello", "voice": 3}), "voice must have"),
        (frame("synthesize", {"text": "hello", "voice": {"name": "tiny/anne"}}), "did you mean tiny/ann"),
        (frame("synthesize", {"text": "hello", "voice": {"name": "/etc/passwd"}}), "there is no voice"),
        (frame("synthesize", {"text": "***"}), "nothing to say"),
        (frame("synthesize", {"text": "a" * 4_097}), "more than 4096 characters"),
        (frame("synthesize-start") + 3 * frame("synthesize-chunk", {"text": "a" * 2_000}), "4096"),
        (2 * frame("synthesize", {"text": "hello bark " * 40}), "another text is being said"),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else value,
)
def test_what_is_wrong_is_told_and_the_connection_closed(server: Served, sent: bytes, words: str) -> None:
    told = refusals(server, sent)
    assert words in told[-1]["text"]
    until(lambda: server.speaker.n_orders == 0)


def test_a_client_that_goes_away_is_cancelled(server: Served) -> None:
    text = " ".join(["My name is bark."] * 40)

    async def leave(n_events: int, streamed: bool) -> None:
        async with client(server) as own:
            if streamed:
                await own.write_event(SynthesizeStart(voice=ANN).event())
                await own.write_event(SynthesizeChunk(text).event())
            else:
                await own.write_event(Synthesize(text, voice=ANN).event())
            for _ in range(n_events):
                await own.read_event()
            until(lambda: server.speaker.n_orders == 1) if not n_events else None

    for n_events in (0, 1, 3):
        for streamed in (False, True):
            before = len(server.entries)
            asyncio.run(leave(n_events, streamed))
            until(lambda: server.speaker.n_orders == 0 and len(server.entries) > before)  # noqa: B023
            assert server.entries[-1].note == "the client went away"
            assert server.entries[-1].details.get("pieces", 0) < 40
            until(lambda: server.speaker.n_at_work + server.speaker.n_waiting == 0)
    assert seconds(asyncio.run(say(server, "hello"))) > 0


def test_who_takes_nothing_of_what_is_said_is_shown_out(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "_QUIET_S", 0.2)
    with served(tiny_model, wyoming=True) as server:
        assert server.server._wyoming is not None
        server.server._wyoming._listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        n_open = len(os.listdir("/dev/fd"))  # noqa: PTH208
        with socket.create_connection(("127.0.0.1", server.wyoming_port), timeout=PATIENCE_S) as deaf:
            deaf.sendall(frame("synthesize", {"text": "hello. [pause 60s] bark."}))
            until(lambda: bool(server.entries))
            until(lambda: len(os.listdir("/dev/fd")) == n_open + 1)  # noqa: PTH208


def test_no_more_connections_than_may_be(server: Served) -> None:
    assert server.wyoming_port is not None
    address = ("127.0.0.1", server.wyoming_port)
    held = [socket.create_connection(address, timeout=PATIENCE_S) for _ in range(MOST_CLIENTS)]
    try:
        with socket.create_connection(address, timeout=PATIENCE_S) as one_more:
            assert one_more.recv(1) == b""
    finally:
        for one in held:
            one.close()

    def is_let_in() -> bool:  # as soon as the server has seen that they are gone
        with socket.create_connection(address, timeout=PATIENCE_S) as again:
            again.sendall(frame("describe", {}))
            return again.recv(1) != b""

    until(is_let_in)
    assert [program.name for program in asyncio.run(describe(server)).tts] == ["bark"]


def test_while_the_model_is_read_voices_are_told_and_texts_refused(tiny_model: Path) -> None:
    go = threading.Event()

    def load() -> Bark:
        assert go.wait(PATIENCE_S)
        return Bark.load(tiny_model, device="cpu", precision="fp32")

    with served(tiny_model, wyoming=True, wait=False, load=load) as server:
        until(lambda: server.server.started)
        assert asyncio.run(describe(server)).tts
        [told] = refusals(server, frame("synthesize", {"text": "hello"}))
        assert "is being loaded" in told["text"]
        go.set()
        until(lambda: server.speaker.state == "ready")
        assert seconds(asyncio.run(say(server, "hello", None))) > 0


def test_what_is_being_said_has_time_to_end_when_the_server_stops(tiny_model: Path) -> None:
    async def ask(server: Served) -> list[Event]:
        async with client(server) as own:
            await own.write_event(Synthesize("Hello bark. My name is.", voice=ANN).event())
            first = await heard(own, AudioStart.is_type)
            server.server.should_exit = True
            return first + await heard(own, AudioStop.is_type)

    with served(tiny_model, wyoming=True) as server:
        assert seconds(asyncio.run(ask(server))) > 0


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("Hello", ""),
        ("Hello.", ""),  # it may be a name: Hello.com
        ("Hello. I", "Hello. "),
        ("One. Two. Thr", "One. Two. "),
        ("It is Dr. B", ""),
        ("[a. b. C", ""),
        ("Hi! ♪ La la. La la. ♪ A", "Hi! "),
        ("你好。我", "你好。"),
    ],
)
def test_only_whole_sentences_are_ready(text: str, part: str) -> None:
    assert text[: ready(text)] == part
