"""Where `bark say` puts its sound, and what becomes of it there: pipes cut or closed, disks full, kills."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from conftest import in_int8

from bark_cli.audio import Audio, Provenance, save
from bark_cli.cli import main
from bark_cli.cli.say.outlets import Enough, Outlets
from bark_cli.stages.progress import Progress

SENTENCES = 12
SHORT = ("--max-duration", "0.2")  # of each piece: not up to the model's limit, which would be told


@pytest.fixture(scope="module")
def tiny_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return in_int8(tiny_model, tmp_path_factory.mktemp("int8") / "tiny")


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """A text of many pieces, whose sound no pipe holds at once."""
    path = tmp_path / "long.txt"
    path.write_text("Hello bark my name is bark i can speak. " * SENTENCES)
    return path


def say(model: Path, *arguments: str) -> list[str]:
    command = [sys.executable, "-m", "bark_cli", "say", "-m", str(model), *SHORT]
    return [*command, "--seed", "3", *arguments]


def shell(script: str, command: list[str], folder: Path) -> subprocess.CompletedProcess[bytes]:
    """Run a line of bash in which "$@" is the command; its stdout is buffered, as a user's is."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(
        ["bash", "-c", script, "bash", *command],
        cwd=folder, env=environment, capture_output=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip


# pipes


@pytest.mark.parametrize("flags", [["--raw"], ["--verbose"]])
def test_a_reader_that_has_enough(tiny_model: Path, long: Path, tmp_path: Path, flags: list[str]) -> None:
    command = say(tiny_model, "-f", str(long), "-o", "-", *flags)
    done = shell('"$@" | head -c 1000 | wc -c; echo ${PIPESTATUS[0]}', command, tmp_path)
    assert done.stdout.split() == [b"1000", b"0"], done.stderr
    assert all(line.startswith(b"bark: model ") for line in done.stderr.splitlines())  # of --verbose
    assert [path.name for path in tmp_path.iterdir()] == ["long.txt"]


def test_raw_is_the_samples_and_nothing_else(tiny_model: Path, long: Path, tmp_path: Path) -> None:
    command = say(tiny_model, "-f", str(long), "-o", "-", "--exact", "--verbose")
    wav, raw = (subprocess.run([*command, *flags], capture_output=True) for flags in ([], ["--raw"]))
    assert (wav.returncode, raw.returncode) == (0, 0)
    samples = np.frombuffer(raw.stdout, "<i2")
    decoded, rate = soundfile.read(io.BytesIO(wav.stdout), dtype="int16")
    assert rate == 24_000
    np.testing.assert_array_equal(samples, decoded[: len(samples)])  # byte-clean, though --verbose prints
    assert len(decoded) - len(samples) < 2048  # silence, up to a whole block
    assert not decoded[len(samples) :].any()
    lines = raw.stderr.decode().splitlines()
    assert all(line.startswith("bark: ") for line in lines)
    assert lines[-1].startswith(f"bark: standard output: {len(samples) / rate:.1f} s of speech")
    assert "Traceback" not in raw.stderr.decode()


@pytest.mark.parametrize(
    ("redirection", "arguments", "code", "line"),
    [
        (">&-", ["-o", "-"], 2, "-o - writes to standard output, which is closed; use -o FILE"),
        (">/dev/full", ["-o", "-"], 1, "cannot write to standard output: No space left on device; use -o"),
        ("<&- >&-", ["-o", "out.wav"], 0, "out.wav: "),
    ],
)
def test_standard_output_that_takes_nothing(
    tiny_model: Path, tmp_path: Path, redirection: str, arguments: list[str], code: int, line: str
) -> None:
    done = shell(f'"$@" {redirection}; echo $? >&2', say(tiny_model, "hello bark", *arguments), tmp_path)
    *_, last, status = done.stderr.decode().splitlines()
    assert (status, last.startswith(f"bark: {line}")) == (str(code), True), last
    assert (tmp_path / "out.wav").exists() == (code == 0)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [["--help"], ["tags", "--json"], ["voices", "ls"]])
def test_a_list_that_nothing_takes_is_one_line(tmp_path: Path, arguments: list[str], unbuffered: str) -> None:
    done = shell(
        f'PYTHONUNBUFFERED={unbuffered} "$@" >/dev/full',
        [sys.executable, "-m", "bark_cli", *arguments],
        tmp_path,
    )
    told = b" to standard output: No space left on device\n"
    if unbuffered:  # then it is not known whose the disk is
        told = b": No space left on device; standard output, or a file, is on a full disk\n"
    assert done.stderr == b"bark: cannot write" + told
    assert done.returncode == 1


@pytest.mark.parametrize(("text", "code"), [("hello bark", 0), ("", 2)])
def test_without_stderr_nothing_is_printed_on_stdout_instead(
    tiny_model: Path, tmp_path: Path, text: str, code: int
) -> None:
    script = '"$@" 2>&-; echo $? >status'
    done = shell(script, say(tiny_model, text, "-o", "-", "--raw", "--exact"), tmp_path)
    assert done.returncode == 0
    assert (tmp_path / "status").read_text() == f"{code}\n"
    # the words that are missing here would be there
    assert (len(done.stdout) > 1_000, b"bark: " in done.stdout) == (code == 0, False)


@pytest.fixture
def foreign(tmp_path: Path) -> dict[str, str]:
    """A text, a sound and a folder of texts whose words and names are in no encoding but UTF-8."""
    texts = tmp_path / "тексты"
    texts.mkdir()
    (texts / "♪.txt").write_text("Привет ♪ 你好", "utf-8")
    sound = tmp_path / "你好.wav"
    noted = Provenance(model="бас", voice="голос", seed=7, text_hash="ab" * 32, version="1", settings={})
    save(Audio(np.zeros(24_000, np.float32), 24_000), sound, metadata=noted)
    return {"texts": str(texts), "text": str(texts / "♪.txt"), "sound": str(sound)}


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "shift_jis", "utf-8"])
@pytest.mark.parametrize(
    "line",
    [
        *(
            "tags",
            "tags --json",
            "show {sound}",
            "show {sound} --json",
            "inspect {sound}",
            "voices ls",
            "--help",
        ),
        *(
            "say -m nano -f {text} --dry-run",
            "batch -m nano {texts} -o out --dry-run",
            "config ls",
            "cache ls",
        ),
        *("say -m nano hello -v 你好", "show {sound}♪", "你好", "cache verify 你好", "voices rm ♪"),
    ],
)
def test_every_command_prints_into_any_encoding(
    line: str, encoding: str, foreign: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    printed = [io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2)]
    for name, stream in zip(("stdout", "stderr"), printed, strict=True):
        monkeypatch.setattr(sys, name, stream)
    code = main([word.format(**foreign) for word in line.split()])
    for stream in printed:
        stream.flush()
    # the parser of the command line takes ASCII for a mistake, and writes UTF-8
    text = b"".join(stream.buffer.getvalue() for stream in printed).decode(encoding, "replace")  # type: ignore[attr-defined]
    assert text
    assert code in (0, 2) or "你" in line or "♪" in line or "batch" in line  # nano knows no such text
    assert "unexpected" not in text
    if encoding == "cp1252" and line == "tags":
        assert "\\u266a" in text  # what it has no letter for can be told apart, and typed


def test_a_real_pipe_of_another_encoding(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "bark_cli", "tags"]
    done = subprocess.run(command, env=environment, capture_output=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"[laughs]" in done.stdout


def test_a_terminal_of_ascii_alone_is_printed_to(tmp_path: Path) -> None:
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-m", "bark_cli", "say", "♪ hello", "--dry-run", "-q"]
    done = subprocess.run(command, env=environment, capture_output=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert b"\\u266a hello" in done.stdout


# files


def is_writing(folder: Path) -> bool:
    """Whether some of the new file is on the disk already."""
    try:
        return any(part.stat().st_size > 0 for part in folder.glob(".bark-*.part"))
    except FileNotFoundError:  # it got its final name while we looked
        return False


def wait_until(condition: Callable[[], Any], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("name", "number", "code"), [("old.mp3", signal.SIGKILL, -9), ("old.wav", signal.SIGINT, 130)]
)
def test_the_old_file_outlives_a_death_in_mid_write(
    tiny_model: Path, long: Path, tmp_path: Path, name: str, number: int, code: int
) -> None:
    long.write_text(long.read_text() * 20)
    target = tmp_path / name
    target.write_bytes(b"old")
    # one at a time, so that writing begins long before the end
    command = say(tiny_model, "-f", str(long), "-o", str(target), "--force", "--batch-size", "1")
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        wait_until(lambda: is_writing(tmp_path) or process.poll() is not None)
        process.send_signal(number)
        _, errors = process.communicate()
    assert process.returncode == code, errors
    assert target.read_bytes() == b"old"
    assert b"Traceback" not in errors
    # what was spoken is kept, to go on with
    left = {path.name for path in tmp_path.iterdir()} - {name, "long.txt", f".{name}.pieces"}
    assert all(part.startswith(".bark-") for part in left)
    assert len(left) == (number == signal.SIGKILL)  # nothing can tidy up after that


FULL_DISK = """
import os, sys
from bark_cli.cli import main
target, arguments = sys.argv[1], sys.argv[2:]
with open(target, "wb") as old:
    old.write(b"old")
code = main(["say", *arguments, "-o", target, "--force"])
assert open(target, "rb").read() == b"old"
print(code, os.listdir(os.path.dirname(target)))
"""


@pytest.mark.parametrize("flags", [[], ["--normalize", "peak"]])
def test_a_disk_that_fills_up_in_mid_write(
    tiny_model: Path, long: Path, tmp_path: Path, flags: list[str]
) -> None:
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("only in a namespace of one's own may anybody mount a disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size=100k none "$0" && exec "$@"', str(disk)]
    command = [sys.executable, "-c", FULL_DISK, str(disk / "old.wav"), "-m", str(tiny_model), *SHORT, *flags]
    done = subprocess.run(
        [*mounted, *command, "-f", str(long), "-q"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "1 ['old.wav']\n"
    expected = f"bark: cannot write {disk / 'old.wav'}: No space left on device; choose another place\n"
    assert done.stderr == expected


# who listens


class Loudspeaker:
    """A player that says what it was told."""

    def __init__(self) -> None:
        self.heard: list[Audio] = []
        self.is_stopped = False
        self.left: list[float] = []

    def put(self, sound: Audio) -> None:
        self.heard.append(sound)

    def drain(self, left_s: float = 0.0) -> bool:
        self.left.append(left_s)
        return not self.is_stopped


class Keeper:
    def __init__(self) -> None:
        self.kept: list[Audio] = []

    def put(self, sound: Audio) -> None:
        self.kept.append(sound)


SOUND = Audio(np.ones(10, np.float32), 24_000)
STEP = Progress("semantic", 1, 2, 0.0)


def test_what_only_plays_goes_no_further_than_the_player_needs() -> None:
    player = Loudspeaker()
    outlets = Outlets([], player)  # type: ignore[arg-type]
    outlets.put(SOUND)
    assert (player.heard, player.left) == ([SOUND], [120.0])
    assert outlets.first_sound_s is not None
    seen: list[Progress] = []
    listener = outlets.watched(seen.append)
    assert listener is not None
    listener(STEP)
    assert seen == [STEP]
    player.is_stopped = True
    with pytest.raises(Enough):
        listener(STEP)


def test_a_file_is_made_to_its_end_whoever_listens() -> None:
    player, keeper = Loudspeaker(), Keeper()
    outlets = Outlets([keeper], player)  # type: ignore[arg-type, list-item]
    assert outlets.watched(None) is None
    outlets.put(SOUND)
    player.is_stopped = True
    outlets.put(SOUND)
    assert (len(keeper.kept), len(player.heard), player.left) == (2, 1, [])
