"""`bark mcp`: the SDK's own client asks it, as a process of its own and in this one."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from sound_server import SoundServer, as_samples, sound_server  # noqa: F401  (a fixture)
from test_player import FakePortAudio, speaker  # noqa: F401  (a fixture)

from bark_cli.audio import read_provenance
from bark_cli.cli import main
from bark_cli.pipeline import Bark
from bark_cli.server.listing import Listing
from bark_cli.server.mcp import MOST_TEXT, Assistant
from bark_cli.server.speaker import Speaker


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BARK_MAX_DURATION", "0.3")  # random weights know no end


def parameters(model: Path, *options: str, env: dict[str, str] | None = None) -> StdioServerParameters:
    return StdioServerParameters(
        command=sys.executable,
        args=["-m", "bark_cli", "mcp", "-m", str(model), "--precision", "fp32", "-q", *options],
        env={**os.environ, **(env or {})},
    )


def assistant(model: Path, folder: Path | None = None) -> Assistant:
    def make() -> Speaker:
        return Speaker(lambda: Bark.load(model, device="cpu", precision="fp32"), lazy=True)

    return Assistant(listing=Listing(model=model.name, folder=model), make_speaker=make, folder=folder)


def text_of(result: Any, *, is_error: bool = False) -> str:
    assert bool(result.is_error) is is_error, result.content
    return str(result.content[0].text)


async def until(happened: Callable[[], bool]) -> None:
    for _ in range(3_000):
        if happened():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it did not happen")


def test_a_process_lists_saves_and_says_what_is_wrong(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "speech"

    async def ask() -> None:
        async with Client(parameters(tiny_model, "-o", str(folder))) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert list(tools) == ["speak", "save_speech", "list_voices", "list_tags"]
            assert all(tool.description for tool in tools.values())
            voices = (await client.call_tool("list_voices")).structured_content
            assert "tiny/ann" in [voice["name"] for voice in voices["result"]]  # type: ignore[index]
            tags = (await client.call_tool("list_tags")).structured_content
            assert "[laughs]" in [tag["tag"] for tag in tags["result"]]  # type: ignore[index]
            wish = {"text": "Hello bark.", "file_name": "a.wav", "voice": "tiny/ann"}
            said = text_of(await client.call_tool("save_speech", wish))
            assert said.startswith(f"Saved {folder / 'a.wav'}: 0.")
            assert "voice tiny/ann" in said
            again = text_of(await client.call_tool("save_speech", wish), is_error=True)
            assert "exists" in again
            assert "choose another name" in again
            unknown = await client.call_tool("save_speech", {**wish, "file_name": "b.wav", "voice": "anne"})
            assert "did you mean tiny/ann" in text_of(unknown, is_error=True)

    asyncio.run(ask())
    assert [path.name for path in folder.iterdir()] == ["a.wav"]
    assert 0 < soundfile.info(folder / "a.wav").duration < 3
    made = read_provenance(folder / "a.wav")
    assert made is not None
    assert made.voice == "tiny/ann"


def test_standard_output_is_the_protocols_alone(tiny_model: Path, tmp_path: Path) -> None:
    asked = [
        {
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "test", "version": "1"},
            },
        },
        {"method": "notifications/initialized"},
        {
            "id": 2,
            "method": "tools/call",
            "params": {"name": "save_speech", "arguments": {"text": "hello", "file_name": "a.mp3"}},
        },
    ]
    command = ["mcp", "-m", str(tiny_model), "-o", str(tmp_path)]
    # whatever a library prints while the model is at work
    code = (
        "import sys, bark_cli.cli, bark_cli.cli.mcp as m; load = m.load\n"
        "def noisy(*given, **more):\n    print('noise'); return load(*given, **more)\n"
        f"m.load = noisy; sys.exit(bark_cli.cli.main({command}))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        for message in asked:
            process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        process.stdin.flush()
        answers = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.stdin.close()
        left, told = process.stdout.read(), process.stderr.read()
        assert process.wait(60) == 0
    assert [answer["id"] for answer in answers] == [1, 2]
    assert "Saved" in answers[1]["result"]["content"][0]["text"]
    assert left == b""
    assert b"noise" in told
    assert b"Traceback" not in told


def test_what_it_says_is_heard(tiny_model: Path, sound_server: SoundServer) -> None:  # noqa: F811
    async def ask() -> str:
        async with Client(parameters(tiny_model, env=sound_server.environment)) as client:
            names = [tool.name for tool in (await client.list_tools()).tools]
            assert names == ["speak", "list_voices", "list_tags"]
            return text_of(await client.call_tool("speak", {"text": "hello", "voice": "tiny/ann"}))

    with sound_server.recording() as data:
        said = asyncio.run(ask())
    assert said.startswith("Said in 0.")
    assert len(np.flatnonzero(as_samples(data))) > 500


def test_nothing_is_read_before_it_is_needed_and_then_once(
    tiny_model: Path,
    speaker: FakePortAudio,  # noqa: F811
) -> None:
    own, made = assistant(tiny_model), []
    make = own.make_speaker
    own.make_speaker = lambda: made.append(make()) or made[-1]  # type: ignore[func-returns-value]

    async def ask() -> None:
        async with Client(own.server()) as client:
            await client.call_tool("list_voices")
            assert not made
            for text in ("hello", "my name"):
                assert text_of(await client.call_tool("speak", {"text": text})).startswith("Said in")
            assert made[0].state == "ready"
        assert made[0].state == "stopped"  # with the connection

    asyncio.run(ask())
    assert len(made) == 1
    assert len(speaker.heard) > 500


def test_a_call_that_is_given_up_falls_silent(
    tiny_model: Path,
    speaker: FakePortAudio,  # noqa: F811
) -> None:
    speaker.pace_s = 0.05
    own = assistant(tiny_model)

    async def ask() -> None:
        async with Client(own.server()) as client:
            call = asyncio.create_task(client.call_tool("speak", {"text": "My name is bark. " * 60}))
            await until(speaker.wrote.is_set)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            assert own._speaker is not None
            await until(lambda: own._speaker.n_orders == 0 and "abort" in speaker.calls)  # type: ignore[union-attr]
            assert text_of(await client.call_tool("speak", {"text": "hello"})).startswith("Said in")

    asyncio.run(ask())


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"file_name": "../a.wav"}, "plain file name"),
        ({"file_name": "/tmp/a.wav"}, "plain file name"),
        ({"file_name": ".a.wav"}, "plain file name"),
        ({"file_name": "con.wav"}, "plain file name"),
        ({"file_name": "a\n.wav"}, "plain file name"),
        ({"file_name": "a.txt"}, "not a known format"),
        ({"file_name": "link.wav"}, "exists"),
        ({"text": ""}, "text"),
        ({"text": "a" * (MOST_TEXT + 1)}, "text"),
        ({"text": "***"}, "nothing to say"),
        ({"language": "deutsch"}, "language"),
        ({"voice": "/etc/passwd"}, "there is no voice"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else value,
)
def test_what_cannot_be_is_told_and_leaves_nothing(
    tiny_model: Path, tmp_path: Path, wish: dict[str, str], words: str
) -> None:
    folder = tmp_path / "speech"
    folder.mkdir()
    (folder / "link.wav").symlink_to(tmp_path / "elsewhere.wav")

    async def ask() -> None:
        async with Client(assistant(tiny_model, folder).server()) as client:
            given = {"text": "hello", "file_name": "a.wav", **wish}
            assert words in text_of(await client.call_tool("save_speech", given), is_error=True)

    asyncio.run(ask())
    assert [path.name for path in tmp_path.rglob("*")] == ["speech", "link.wav"]


def test_without_the_extra_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["mcp"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "bark: bark mcp needs the package mcp, version 2; run: pip install 'bark-cli[mcp]'"
    ]


def test_a_model_that_is_not_there_is_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mcp", "-m", "no-such-model"]) in (1, 2)
    assert "no-such-model" in capsys.readouterr().err
