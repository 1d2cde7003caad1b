"""`bark say` through a server of the same user: the same bytes as without, and no reason to fail."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving import PATIENCE_S, served

from bark_cli.cli import main
from bark_cli.cli.say import served as say_served
from bark_cli.errors import BarkError, CancelledError, TextError
from bark_cli.hearing import judge as hearing
from bark_cli.model.options import SamplingOptions
from bark_cli.narration.narrate import Narration, Piece, narrate, narrate_soon
from bark_cli.pipeline import Bark
from bark_cli.remote import wire
from bark_cli.remote.client import RemoteBark
from bark_cli.remote.identity import config_digest, identity
from bark_cli.remote.reach import RefusedError, ask_status, reach
from bark_cli.remote.wire import receive
from bark_cli.speech import Speech, SpeechRequest
from bark_cli.store import resolve_model
from bark_cli.system.runtime import runtime_folder, socket_path
from bark_cli.takes.take import Attempts, Take
from bark_cli.takes.verdict import Verdict

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="a system without Unix sockets")
TEXT = "The bark. A name. I can. My name is bark. " * 2
SHORT = replace(SamplingOptions(), min_eos_p=None, max_duration_s=0.5)
HOW = ["--seed", "4", "--min-eos-p", "1", "--retries", "0", "--pause", "0.1"]


@pytest.fixture
def say(tiny_model: Path) -> list[str]:
    return ["say", "-m", str(tiny_model), "--precision", "fp32", "--verbose"]


@pytest.fixture(autouse=True)
def deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes are compared without Whisper, which would take most of the time."""
    monkeypatch.setattr(hearing, "_found", lambda: "there is none")


@pytest.fixture
def bark(tiny_model: Path) -> Bark:
    return Bark.load(tiny_model, device="cpu", precision="fp32")


def who(model: Path) -> dict[str, str]:
    return identity(resolve_model(model), size=None, device="auto", precision="fp32")


def no_load() -> Any:
    raise AssertionError("a Bark of our own was loaded")


@contextmanager
def remote(model: Path, bark: Bark, load: Callable[[], Any] = no_load) -> Iterator[RemoteBark]:
    path = socket_path()
    assert path is not None
    found = reach(path, who(model), lambda: bark.model, load, lambda words: None)
    try:
        yield found
    finally:
        found.close()


def same(one: Speech, other: Speech) -> bool:
    arrays = [(x.audio.samples, x.tokens.semantic, x.tokens.coarse, x.tokens.fine) for x in (one, other)]
    facts = [(x.text, x.model, x.voice, x.seed, x.complete, x.takes) for x in (one, other)]
    return facts[0] == facts[1] and all(np.array_equal(a, b) for a, b in zip(*arrays, strict=True))


# what goes over the wire


def test_requests_and_speech_arrive_as_they_were(bark: Bark) -> None:
    request = SpeechRequest(
        text="hello \U0001f600",
        voice=bark.model.find_voice("ann"),
        seed=2**32 - 1,
        options=SHORT,
        attempts=Attempts(takes=2, retries=1),
        language="de",
        streaming="early",
    )
    facts, arrays = wire.request_parts(request)
    found = wire.request_in(read(wire.packed("submit", facts, arrays)))
    assert replace(found, voice=None) == replace(request, voice=None)
    assert found.voice.name == request.voice.name  # type: ignore[union-attr]
    assert np.array_equal(found.voice.tokens.fine, request.voice.tokens.fine)  # type: ignore[union-attr]
    verdict = Verdict(length=0.5, variety=1.0, sound=1.0, clean=1.0, words=None, problem="short", n_words=2)
    speech = bark.say("hello", seed=1, options=SHORT)
    speech = replace(speech, takes=(Take(seed=1, verdict=verdict), Take(seed=2, verdict=None)))
    facts, arrays = wire.speech_parts(speech)
    again = wire.speech_in(read(wire.packed("speech", facts, arrays)))
    assert same(again, speech)
    assert again.doubt == "short"
    assert again.stages == speech.stages


def read(frame: bytes) -> wire.Message:
    n_facts, n_arrays = wire.lengths(frame[:8])
    assert len(frame) == 8 + n_facts + n_arrays
    return wire.unpacked(frame[8 : 8 + n_facts], frame[8 + n_facts :])


def test_damaged_frames_are_found(bark: Bark) -> None:
    draw = random.Random(0)
    facts, arrays = wire.request_parts(
        SpeechRequest(text="hello", voice=bark.model.find_voice("ann"), seed=1)
    )
    whole = wire.packed("submit", facts, arrays)
    n_facts, _ = wire.lengths(whole[:8])
    n_found = 0
    for _ in range(500):
        told = bytearray(whole[8 : 8 + n_facts])
        for _ in range(draw.randint(1, 6)):
            told[draw.randrange(len(told))] = draw.choice(b'0123456789{}[]",:-.eE<>f4i8 null\xff\x00')
        try:
            wire.request_in(wire.unpacked(bytes(told), whole[8 + n_facts :]))
        except (wire.WireError, BarkError):
            n_found += 1
    assert n_found > 300
    with pytest.raises(wire.WireError, match="too long"):
        wire.lengths(wire.HEAD.pack(2**31, 0))


# the same as without


def test_what_is_said_through_it_is_what_is_said_without(tiny_model: Path, bark: Bark) -> None:
    pieces = tuple(
        Piece(text=text, seed=n, voice=bark.model.find_voice("ann"))
        for n, text in enumerate(("hello", "my name is bark", "i can speak"))
    )
    narration = Narration(pieces=pieces, options=SHORT, attempts=Attempts(takes=2))
    with served(tiny_model, local=True), remote(tiny_model, bark) as other:
        for how in ({}, {"continuity": "previous"}):
            told = replace(narration, **how)
            here, there = (list(narrate(one, [told])) for one in (bark, other))
            assert all(same(a.result, b.result) for a, b in zip(here, there, strict=True))  # type: ignore[arg-type]
        for exact in (False, True):
            told = replace(narration, attempts=Attempts())
            heard = [
                np.concatenate([s.sound.samples for s in narrate_soon(one, told, exact=exact) if s.sound])
                for one in (bark, other)
            ]
            assert np.array_equal(*heard)


def test_progress_errors_and_cancelling_are_as_in_a_session(tiny_model: Path, bark: Bark) -> None:
    request = SpeechRequest(text="hello", seed=1, options=SHORT, voice="none")
    with served(tiny_model, local=True) as server, remote(tiny_model, bark) as other:
        seen: list[Any] = []
        other.submit(request, number=5, on_progress=seen.append).result(PATIENCE_S)
        stages = ["semantic", "coarse", "fine", "codec"]
        assert [one.stage for one in seen if one.done == one.total] == stages
        assert {one.utterance for one in seen} == {5}
        with pytest.raises(TextError, match="empty"):
            other.submit(replace(request, text=" ")).result(PATIENCE_S)

        def stop(progress: Any) -> None:
            raise KeyError("enough")

        with pytest.raises(KeyError, match="enough"):
            other.submit(request, on_progress=stop).result(PATIENCE_S)
        handle = other.submit(replace(request, options=replace(SHORT, max_duration_s=None)))
        handle.cancel()
        with pytest.raises(CancelledError):
            handle.result(PATIENCE_S)
        other.submit(request).result(PATIENCE_S)
        assert server.speaker.n_orders == 1
    deadline = time.monotonic() + PATIENCE_S
    while server.speaker.n_orders and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.speaker.n_orders == 0


@pytest.mark.parametrize("how", [[], ["--takes", "2"], ["--continuity", "previous"], ["--speed", "1.5"]])
def test_a_file_has_the_same_bytes(
    tiny_model: Path, say: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], how: list[str]
) -> None:
    text = tmp_path / "text.md"
    text.write_text(f"# The bark\n\n{TEXT}\n")
    command = [*say, "-f", str(text), *HOW, *how, "--json", "--subtitles", "srt"]
    with served(tiny_model, local=True):
        assert main([*command, "-o", str(tmp_path / "a.flac")]) == 0
        through = capsys.readouterr()
        assert main([*command, "-o", str(tmp_path / "b.flac"), "--no-server"]) == 0
        alone = capsys.readouterr()
    assert "bark: through the server (process " in through.err
    assert "server" not in alone.err
    assert (tmp_path / "a.flac").read_bytes() == (tmp_path / "b.flac").read_bytes()
    assert (tmp_path / "a.srt").read_bytes() == (tmp_path / "b.srt").read_bytes()
    one, other = json.loads(through.out), json.loads(alone.out)
    assert one["pieces"] == other["pieces"]
    assert one.keys() == other.keys()


def test_a_pipe_has_the_same_bytes(
    tiny_model: Path, say: list[str], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    with served(tiny_model, local=True):
        assert main([*say, TEXT, *HOW, "-o", "-"]) == 0
        through = capfdbinary.readouterr()
        assert main([*say, TEXT, *HOW, "-o", "-", "--no-server"]) == 0
        alone = capfdbinary.readouterr()
    assert b"through the server" in through.err
    assert through.out == alone.out
    assert len(through.out) > 1000


def test_torch_is_not_imported_where_a_server_has_it(
    tiny_model: Path, say: list[str], tmp_path: Path
) -> None:
    code = (
        "import sys\nfrom bark_cli.cli import main\ncode = main(sys.argv[1:])\n"
        "print([name for name in ('torch', 'starlette', 'asyncio') if name in sys.modules])\nsys.exit(code)"
    )
    with served(tiny_model, local=True):
        command = [sys.executable, "-c", code, *say, TEXT, *HOW, "-o", str(tmp_path / "a.wav")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "through the server" in done.stderr
    assert done.stdout == "[]\n"


# where it is not used


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (["--precision", "bf16"], "computes in another precision"),
        (["--device", "cpu", "--size", "small"], "speaks with another model"),
        (["--fine-model", "nano"], "stages are of several models"),
    ],
)
def test_any_doubt_and_it_works_alone(
    tiny_model: Path, say: list[str], capsys: pytest.CaptureFixture[str], how: list[str], words: str
) -> None:
    with served(tiny_model, local=True):
        request = say_request([*say, "hello", *how])
        assert say_served.served(request) is None
    error = capsys.readouterr().err
    assert error.startswith("bark: not through the server: ")
    assert words in error


def say_request(arguments: list[str]) -> Any:
    """What `bark say` would be asked for."""
    from bark_cli.cli.say import command

    found: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "speak", lambda script, request: found.append(request))
        patch.setattr(command, "check_player", lambda delivery: None)
        assert main(arguments) == 0
    return found[0]


def test_a_model_whose_files_changed_is_another(
    tiny_model: Path, say: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    request = say_request([*say, "hello"])
    with served(tiny_model, local=True):
        config = tiny_model / "config.json"
        status = config.stat()
        os.utime(config, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
        assert say_served.served(request) is None
        assert "files are others" in capsys.readouterr().err


def test_a_folder_that_others_can_look_into_is_not_used(tiny_model: Path) -> None:
    folder = runtime_folder(make=True)
    assert folder is not None
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o755)
    assert socket_path() is None
    folder.rmdir()
    folder.symlink_to("/")
    assert socket_path(make=True) is None


def test_of_two_servers_the_first_has_the_socket(tiny_model: Path, bark: Bark) -> None:
    path = socket_path(make=True)
    assert path is not None
    with served(tiny_model, local=True) as first:
        with served(tiny_model, local=True) as second:
            assert path.stat().st_mode & 0o777 == 0o600
            facts, connection = ask_status(path)  # type: ignore[misc]
            connection.close()
            assert facts["address"] == first.url != second.url
            assert facts["process"] == os.getpid()
        assert path.exists()
    assert not path.exists()


def test_a_full_server_is_left_alone(tiny_model: Path, bark: Bark) -> None:
    with (
        served(tiny_model, local=True, batch_size=1, max_waiting=0),
        remote(tiny_model, bark),
        pytest.raises(RefusedError, match="which is the limit"),
        remote(tiny_model, bark),
    ):
        pass


@contextmanager
def listening(answer: Callable[[socket.socket], None]) -> Iterator[None]:
    """A server that does what it likes with the first connection."""
    path = socket_path(make=True)
    assert path is not None
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join(PATIENCE_S)
    path.unlink()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n" * 3,
        wire.HEAD.pack(3, 0) + b"[1]",
        wire.packed("welcome", {}),
        wire.packed("welcome", {"config": "another"}),
        wire.packed("refusal", {"why": "no"}),
        wire.packed("waking") + b"x",
    ],
)
def test_a_server_that_answers_nonsense_is_not_used(
    tiny_model: Path, say: list[str], capsys: pytest.CaptureFixture[str], answer: bytes
) -> None:
    request = say_request([*say, "hello"])
    with listening(lambda connection: (receive(connection), connection.sendall(answer))):  # type: ignore[arg-type,return-value]
        assert say_served.served(request) is None
    assert capsys.readouterr().err.startswith("bark: not through the server: ")


def test_a_server_that_does_not_answer_is_not_waited_for(
    tiny_model: Path, say: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bark_cli.remote.reach._ANSWER_S", 0.05)
    request, over = say_request([*say, "hello"]), threading.Event()
    with listening(lambda connection: (over.wait(PATIENCE_S), None)[1]):
        assert say_served.served(request) is None
        over.set()


# where it is lost


def test_what_a_lost_server_owes_is_said_alone_from_where_it_was(
    tiny_model: Path, bark: Bark, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the first sound comes from the server, which then falls silent."""
    request = SpeechRequest(text="hello my name", seed=1, options=SHORT, voice="none", streaming="exact")
    whole = bark.submit(request).result().audio.samples
    half = len(whole) // 2
    told: list[str] = []
    welcome = {"batch_size": 2, "process": 1, "device": "cpu", "precision": "fp32"}
    welcome |= {"config": config_digest(bark.config)}
    monkeypatch.setattr("bark_cli.remote.reach._SILENCE_S", 0.2)
    over = threading.Event()

    def answer(connection: socket.socket) -> None:
        receive(connection)
        connection.sendall(wire.packed("welcome", welcome))
        first, _ = receive(connection), receive(connection)
        facts = {"id": first.facts["id"], "rate": 24_000}
        connection.sendall(wire.packed("sound", facts, {"samples": whole[:half]}))
        over.wait(PATIENCE_S)

    path = socket_path(make=True)
    assert path is not None
    with listening(answer):
        other = reach(path, who(tiny_model), lambda: bark.model, lambda: bark, told.append)
        streamed, plain = other.submit(request), other.submit(replace(request, streaming="whole", seed=2))
        heard = np.concatenate([piece.samples for piece in streamed])
        assert np.array_equal(heard, whole)
        assert same(plain.result(PATIENCE_S), bark.say("hello my name", seed=2, options=SHORT, voice="none"))
        assert same(
            other.submit(replace(request, seed=3)).result(PATIENCE_S),
            bark.submit(replace(request, seed=3)).result(),
        )
        over.set()
        other.close()
    assert len(told) == 1
    assert told[0].startswith("the server is lost (")


@pytest.fixture
def process(tiny_model: Path) -> Iterator[subprocess.Popen[str]]:
    """A server of its own."""
    command = [sys.executable, "-m", "bark_cli", "serve", "-m", str(tiny_model), "--port", "0"]
    started = subprocess.Popen([*command, "--precision", "fp32"], stderr=subprocess.PIPE, text=True)
    try:
        assert started.stderr is not None
        assert "speaks at" in started.stderr.readline()
        yield started
    finally:
        started.kill()
        started.communicate()


def test_a_server_that_is_killed_is_not_missed(
    process: subprocess.Popen[str], say: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """kill -9 in the middle of a text: the same bytes; its socket is no obstacle to anybody."""
    path = socket_path()
    assert path is not None
    text = "My name is bark. " * 6
    how = ["--seed", "4", "--min-eos-p", "1", "--retries", "0", "--batch-size", "1"]

    def kill() -> None:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            found = ask_status(path)
            if found is not None:
                found[1].close()
                if found[0]["at_work"]:
                    break
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    assert main([*say, text, *how, "-o", str(tmp_path / "a.wav")]) == 0
    killer.join()
    error = capsys.readouterr().err
    assert "through the server" in error
    assert "bark: the server is lost (" in error
    assert path.exists()  # which nobody could sweep
    assert main([*say, text, *how, "-o", str(tmp_path / "b.wav")]) == 0
    assert "not through the server: " in capsys.readouterr().err
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()
    assert main(["serve", "--status"]) == 1


# a server in the background


def test_a_server_in_the_background(
    tiny_model: Path, say: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = socket_path(make=True)
    assert path is not None
    path.touch()  # as a killed one leaves it
    assert main(["serve", "--stop"]) == 1
    command = ["serve", "-m", str(tiny_model), "--precision", "fp32", "--port", "0", "--background"]
    try:
        assert main(command) == 0
        error = capsys.readouterr().err
        assert "is ready at http://127.0.0.1:" in error
        assert main(command) == 1
        assert "a server runs already: " in capsys.readouterr().err
        assert main(["serve", "--status"]) == 0
        assert capsys.readouterr().out.startswith(f"{tiny_model.name} is ready at http://")
        assert main([*say, "hello", "-o", str(tmp_path / "a.wav"), "--max-duration", "0.2"]) == 0
        assert "through the server" in capsys.readouterr().err
    finally:
        assert main(["serve", "--stop"]) == 0
    assert not path.exists()
    assert main(["serve", "--status"]) == 1
    assert "no server of yours runs here" in capsys.readouterr().err


def test_what_keeps_a_server_from_starting_is_told(
    tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "-m", str(tiny_model), "--background", "--voice-alias", "alloy=nobody"]) == 1
    error = capsys.readouterr().err
    assert "--voice-alias alloy=nobody: there is no voice" in error
    assert error.count("\n") == 1
    assert main(["serve", "--stop", "--status"]) == 2
