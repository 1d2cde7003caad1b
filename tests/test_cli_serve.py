"""`bark serve` as a process: what it says, what it refuses, how it ends."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import httpx2 as httpx
import pytest
from wyoming.client import AsyncTcpClient
from wyoming.info import Describe, Info

from bark_cli.cli import main
from bark_cli.cli.serve.command import parse_aliases, parse_time
from bark_cli.cli.serve.door import read_key
from bark_cli.cli.serve.run import Telling
from bark_cli.errors import OptionError
from bark_cli.server.accounts import LogEntry


async def describe(port: int) -> Info:
    async with AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(Describe().event())
        event = await client.read_event()
        assert event is not None
        return Info.from_event(event)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_it_says_where_it_listens_and_ends_when_told(tiny_model: Path, number: int, code: int) -> None:
    command = [
        sys.executable,
        "-m",
        "bark_cli",
        "serve",
        "-m",
        str(tiny_model),
        "--port",
        "0",
        "--log",
        "json",
        *("--wyoming", "--wyoming-port", "0"),
    ]
    process = subprocess.Popen(
        [*command, "--precision", "fp32"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        first = process.stderr.readline()
        assert first.startswith("bark: tiny speaks at http://127.0.0.1:")
        url = first.split()[4].rstrip(";")
        wyoming = int(process.stderr.readline().removeprefix("bark: and speaks Wyoming on port "))
        assert asyncio.run(describe(wyoming)).tts[0].installed
        assert httpx.get(f"{url}/ready", timeout=60).json()["status"] == "ready"
        body = {"model": "tiny", "input": "hello", "max_duration": 0.2}
        assert httpx.post(f"{url}/v1/audio/speech", json=body, timeout=60).status_code == 200
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, stdout) == (code, "")
    assert '"path": "/v1/audio/speech", "status": 200' in stderr
    assert "hello" not in stderr
    assert "Traceback" not in stderr


@pytest.mark.parametrize("options", [["--port"], ["--port", "0", "--wyoming", "--wyoming-port"]])
def test_a_port_in_use_is_one_line(
    tiny_model: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        assert main(["serve", "-m", str(tiny_model), *options, port]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"bark: cannot listen on 127.0.0.1 port {port}: ")
    assert f"give {options[-1]} another number" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "0.0.0.0"], "add --api-key-file FILE, or --insecure"),
        (["--host", "no.such.invalid", "--insecure"], "is not an address of this machine"),
        (["--keep-alive", "soon"], "--keep-alive soon is not a time"),
        (["--voice-alias", "alloy"], "is not NAME=VOICE"),
        (["--voice-alias", "alloy=nobody"], "there is no voice"),
        (["--api-key-file", "missing.txt"], "cannot read the key in missing.txt"),
        (["-m", "no-such-model"], "no-such-model"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_read(
    tiny_model: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main(["serve", "-m", str(tiny_model), "--port", "0", *arguments]) in (1, 2)
    error = capsys.readouterr().err.splitlines()
    assert words in error[-1]


def test_a_key_does_not_open_wyoming_to_other_machines(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "key").write_text("a-secret-key")
    command = ["serve", "-m", str(tiny_model), "--host", "0.0.0.0", "--api-key-file", str(tmp_path / "key")]
    assert main([*command, "--wyoming"]) == 2
    assert "Wyoming has no keys" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk here is always full")
@pytest.mark.parametrize("log", ["text", "json"])
def test_a_full_disk_of_the_log_is_no_fault_of_a_request(log: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w", buffering=1) as full:
        monkeypatch.setattr(sys, "stderr", full)
        telling = Telling(log=log, quiet=False, open_page=False)
        telling.tell(LogEntry("1", "GET", "/health"))
        telling.note("it speaks")
        with suppress(OSError):
            full.close()


def test_times_aliases_and_keys(tmp_path: Path) -> None:
    assert [parse_time(text) for text in ("forever", "90", "90s", "5m", "2h")] == [None, 90, 90, 300, 7200]
    for wrong in ("", "m", "-5m", "1.5m", "0", "5 m"):
        with pytest.raises(OptionError):
            parse_time(wrong)
    assert parse_aliases(["a=nano/anna", " b = c "]) == {"a": "nano/anna", "b": "c"}
    key = tmp_path / "key"
    key.write_text("a-secret-key\n")
    assert read_key(str(key)) == "a-secret-key"
    for wrong in ("", "short", "two words here", "ä" * 10, "x" * 5000):
        key.write_text(wrong, encoding="utf-8")
        with pytest.raises(OptionError):
            read_key(str(key))
