"""`bark say`, end to end on the tiny model: what it makes, what it prints, and how it can be misused."""

from __future__ import annotations

import contextlib
import inspect
import io
import json
import os
import re
import subprocess
import sys
import types
import wave
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from conftest import in_int8, tiny_voice, write_voice
from rich.console import Console

from bark_cli.audio import Provenance
from bark_cli.cli import main
from bark_cli.cli.help import _texts_last
from bark_cli.cli.say.command import say as say_command
from bark_cli.cli.say.progress import PieceLine, StageLines
from bark_cli.cli.say.request import say_request
from bark_cli.errors import OptionError
from bark_cli.hearing import judge as hearing
from bark_cli.model.config import BarkConfig
from bark_cli.model.options import SamplingOptions, StageSampling
from bark_cli.model.published import published_config
from bark_cli.pipeline import Bark
from bark_cli.settings import Settings
from bark_cli.settings.apply import sampling_options
from bark_cli.stages.progress import Progress
from bark_cli.takes import attempt
from bark_cli.takes.verdict import Verdict

SPEED = r"(\d+(\.\d)?x (slower|faster) than|as fast as) real time"
STAGES = ["semantic", "coarse", "fine", "codec"]


class Terminal(io.StringIO):
    """A stream that a human sits at."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="module")
def tiny_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return in_int8(tiny_model, tmp_path_factory.mktemp("int8") / "tiny")


@pytest.fixture(autouse=True)
def nobody_types(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe_in(monkeypatch, b"")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.wav"


@pytest.fixture
def say(tiny_model: Path) -> list[str]:
    return ["say", "-m", str(tiny_model)]


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what must be found wrong before the model is loaded."""

    def load(*arguments: object, **options: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(Bark, "load", load)


def pipe_in(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def samples(path: Path) -> np.ndarray[Any, Any]:
    data, rate = soundfile.read(path)
    assert rate == 24_000
    assert data.ndim == 1
    return data


def test_a_file_and_the_record_of_it(
    say: list[str], out: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = ["--max-duration", "0.2"]  # not up to the model's limit, of which there would be another line
    assert main([*say, "hello", "bark", "-o", str(out), "--seed", "3", "-v", "ann", "--json", *short]) == 0
    captured = capsys.readouterr()
    record = json.loads(captured.out)
    with wave.open(str(out)) as file:
        assert file.getparams()[:3] == (1, 2, 24_000)
        seconds = file.getnframes() / 24_000
    assert list(record) == [
        "path",
        "seconds",
        "complete",
        "sample_rate",
        "model",
        "voice",
        "seed",
        "real_time_factor",
        "stages",
        "pieces",
    ]
    assert record["path"] == str(out)
    assert record["seconds"] == pytest.approx(seconds, abs=0.001)
    assert (record["sample_rate"], record["model"], record["seed"]) == (24_000, "tiny", 3)
    assert record["voice"] == "tiny/ann"
    assert record["real_time_factor"] > 0
    assert list(record["stages"]) == STAGES
    for stage in record["stages"].values():
        assert set(stage) == {"seconds", "tokens"}
        assert stage["tokens"] > 0
    line = rf"bark: {re.escape(str(out))}: {seconds:.1f} s of speech, {SPEED}\n"
    assert re.fullmatch(line, captured.err)


def test_speech_that_ran_into_the_models_limit_is_told(
    say: list[str], out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def spoken(*options: str) -> tuple[bool, bool]:
        """Whether the record calls it complete, and whether a line says it may be cut off."""
        assert main([*say, "hello bark", "-o", str(out), "--force", "--json", *options]) == 0
        captured = capsys.readouterr()
        line = "bark: the speech reached this model's limit of 0.8 s and may be cut off; shorten the text\n"
        assert "cut off" not in captured.err.replace(line, "")
        return json.loads(captured.out)["complete"], line in captured.err

    until_the_limit = [
        "--seed",
        "1",
        "--semantic-temperature",
        "0",
        "--min-eos-p",
        "1",
        "--precision",
        "fp32",
    ]
    assert spoken(*until_the_limit) == (False, True)
    assert spoken(*until_the_limit, "--max-duration", "0.1") == (False, False)  # they asked for it
    assert spoken(*until_the_limit, "-q") == (False, False)
    assert spoken("--seed", "5") == (True, False)


def test_the_command_is_five_lines_of_python(say: list[str], out: Path, tiny_model: Path) -> None:
    assert main([*say, "hello bark", "-o", str(out), "--seed", "3", "-q"]) == 0
    Bark.load(tiny_model).say("hello bark", seed=3).save(out.with_name("same.wav"))
    assert out.read_bytes() == out.with_name("same.wav").read_bytes()


def test_the_drawn_seed_is_printed_and_repeats_it(
    say: list[str], out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*say, "hello bark", "-o", str(out)]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    seed = captured.err.split("--seed ")[1].split()[0]
    assert main([*say, "hello bark", "-o", str(out.with_name("b.wav")), "--seed", seed]) == 0
    assert "bark: seed" not in capsys.readouterr().err
    np.testing.assert_array_equal(samples(out), samples(out.with_name("b.wav")))


def test_text_from_everywhere_is_the_same_text(
    say: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = tmp_path / "text.txt"
    text.write_bytes("\ufeffhello\r\n  bark\n".encode())  # a byte order mark and Windows lines are no text

    def spoken(*arguments: str) -> bytes:
        output = tmp_path / "a.wav"
        assert main([*say, *arguments, "-o", str(output), "--seed", "1", "-q", "--force"]) == 0
        return output.read_bytes()

    expected = spoken("hello", "bark")
    assert spoken("hello bark") == expected
    assert spoken("-f", str(text)) == expected
    for arguments in ([], ["-"], ["-f", "-"]):
        pipe_in(monkeypatch, b"hello bark\n")
        assert spoken(*arguments) == expected
    pipe_in(monkeypatch, b"something else")
    assert spoken("hello bark") == expected  # a pipe does not matter where words are given
    assert spoken("bark") != expected


def test_a_saved_voice_can_speak(say: list[str], out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    voice = out.with_name("me.npz")
    assert main([*say, "hello bark", "-o", str(out), "--save-voice", str(voice), "--seed", "1"]) == 0
    capsys.readouterr()
    again = ["-v", str(voice), "-o", str(out.with_name("b.wav")), "--seed", "1", "--json"]
    assert main([*say, "hello bark", *again]) == 0
    assert json.loads(capsys.readouterr().out)["voice"] == "me"
    assert out.read_bytes() != out.with_name("b.wav").read_bytes()


def test_only_tags_are_legal(say: list[str], out: Path) -> None:
    assert main([*say, "[laughs]", "-o", str(out), "-q", "--seed", "1"]) == 0
    assert len(samples(out))


def test_quiet_prints_nothing_and_verbose_the_stages(
    say: list[str], out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*say, "hello", "-o", str(out), "-q"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main([*say, "hello", "-o", str(out), "--verbose", "--force"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.search(r"bark: model tiny from .* on \S+( \(.+\))? in (fp|bf|int)\d+\n", captured.err)
    for stage in STAGES:
        assert f"bark: {stage}: " in captured.err


def test_without_m_it_says_which_model_speaks(
    out: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bark_cli.store.nano_folder", lambda: tiny_model)
    assert main(["say", "hello", "-o", str(out), "--seed", "1", "--retries", "0"]) == 0
    first, second = capsys.readouterr().err.splitlines()
    assert first == "bark: speaking with nano; for Suno's own Bark, `bark download small`"
    assert second.startswith(f"bark: {out}: ")


# what is drawn while a human watches


def test_progress_only_where_a_human_watches(
    say: list[str], out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stderr_of(terminal: io.StringIO, *arguments: str) -> str:
        monkeypatch.setattr(sys, "stderr", terminal)
        assert main([*say, "hello bark", "-o", str(out), "--force", "--seed", "1", *arguments]) == 0
        return terminal.getvalue()

    words = ["loading the model", "thinking", "voicing", "refining", "sounding"]
    for stages, arguments in ((words, []), (STAGES, ["--verbose"])):
        drawn = stderr_of(Terminal(), *arguments)
        assert [drawn.index(stage) for stage in stages] == sorted(drawn.index(stage) for stage in stages)
        assert "s of speech" in drawn
    for undrawn in (stderr_of(io.StringIO()), stderr_of(Terminal(), "--json")):
        assert not [word for word in (*words, *STAGES) if word in undrawn]
        assert "loading" not in undrawn
    assert stderr_of(Terminal(), "-q") == ""


def test_a_line_holds_tokens_seconds_and_factor() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with StageLines(console, verbose=True) as lines:
        lines(Progress("semantic", 0, 768, 0.0))
        lines(Progress("semantic", 155, 155, 6.2, audio_s=3.1))
        lines(Progress("fine", 3, 6, 1.0, audio_s=2.0))
    drawn = console.file.getvalue()  # type: ignore[attr-defined]
    *_, semantic = (line for line in drawn.splitlines() if "semantic" in line)
    *_, fine = (line for line in drawn.splitlines() if "fine" in line)
    assert "155 tokens" in semantic
    assert "3.1 s of speech, 2.0x slower than real time" in semantic
    assert "3 passes" in fine
    assert "2.0x faster than real time" in fine


@pytest.mark.parametrize("verbose", [False, True])
def test_fifty_columns_hold_all_that_is_drawn(verbose: bool) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=50, color_system=None)
    with StageLines(console, verbose=verbose) as lines:
        for stage in STAGES:
            lines(Progress(stage, 1234, 1234, 99.0, audio_s=123.4))
    with PieceLine([20.0] * 200, console) as line:
        for n in range(200):
            line(Progress("coarse", 900, 900, 5.0, utterance=n, audio_s=20.0))
            line(Progress("codec", 1, 1, 5.0, utterance=n, audio_s=20.0))
    drawn = console.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in drawn
    assert drawn.count("123.4 s of speech") >= 4
    assert ("1234 tokens" in drawn) == verbose
    assert "200 of 200" in drawn
    assert "4000 s of speech" in drawn


WATCH = """
import sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            print("TORCH", file=sys.stderr, flush=True)
sys.meta_path.insert(0, Finder())
from bark_cli.cli import main
if "--mute" in sys.argv:
    sys.argv.remove("--mute")
    sys.modules["sounddevice"] = None  # cannot be imported
sys.exit(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a pty is POSIX's")
def test_something_is_shown_before_torch_is_imported(say: list[str], out: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    fp32 = ["--precision", "fp32"]  # int8 needs no torch
    command = [sys.executable, "-c", WATCH, *say, "hello", "-o", str(out), "--seed", "3", *fp32]
    with subprocess.Popen(command, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE) as process:
        os.close(theirs)
        drawn = b""
        with contextlib.suppress(OSError):  # the other end is closed
            while part := os.read(ours, 4096):
                drawn += part
        os.close(ours)
        assert process.wait() == 0, drawn
    assert 0 <= drawn.find(b"loading the model") < drawn.find(b"TORCH")


def test_a_missing_loudspeaker_is_told_before_torch_is_imported(say: list[str]) -> None:
    command = [sys.executable, "-c", WATCH, *say, "hello", "--mute"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "-o FILE" in done.stderr


# playing


class Loudspeaker(types.ModuleType):
    PortAudioError = RuntimeError

    def __init__(self) -> None:
        super().__init__("sounddevice")
        self.played: list[np.ndarray[Any, Any]] = []

    def query_devices(self, kind: str) -> dict[str, Any]:
        return {"name": kind}

    def OutputStream(self, rate: int, **options: Any) -> Loudspeaker:  # noqa: N802
        assert rate == 24_000
        return self

    def __enter__(self) -> Loudspeaker:
        return self

    def __exit__(self, *_: object) -> None: ...

    def write(self, samples: np.ndarray[Any, Any]) -> None:
        self.played.append(samples[:, 0].copy())

    def stop(self) -> None: ...


@pytest.fixture
def speaker(monkeypatch: pytest.MonkeyPatch) -> Loudspeaker:
    fake = Loudspeaker()
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


@pytest.mark.parametrize("exact", [True, False])
def test_without_o_it_plays(
    say: list[str],
    tiny_model: Path,
    speaker: Loudspeaker,
    capsys: pytest.CaptureFixture[str],
    exact: bool,
) -> None:
    flags = ["--exact"] if exact else []
    assert main([*say, "hello bark", "--seed", "3", "--json", *flags]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["path"] is None
    assert record["first_sound_seconds"] > 0
    stream = Bark.load(tiny_model).stream("hello bark", seed=3, exact=exact)
    expected = np.clip(stream.speech.audio.samples, -1, 1)
    heard = [block for block in speaker.played if block.any()]  # between them the player may have waited
    # the processor may sum a long row otherwise than the short ones before it
    np.testing.assert_allclose(np.concatenate(heard), expected, atol=1e-5)
    assert record["seconds"] == pytest.approx(len(expected) / 24_000, abs=0.001)


@pytest.mark.usefixtures("speaker")
def test_verbose_says_when_the_first_sound_was_heard(
    say: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*say, "hello bark", "--seed", "3", "--verbose"]) == 0
    assert re.search(r"bark: first sound \d+\.\d\d s after the start\n", capsys.readouterr().err)


@pytest.mark.usefixtures("speaker")
def test_who_is_played_can_be_kept(say: list[str], tmp_path: Path) -> None:
    voice = tmp_path / "me.npz"
    assert main([*say, "hello bark", "--seed", "3", "-q", "--save-voice", str(voice)]) == 0
    with np.load(voice) as kept:
        assert kept["fine_prompt"].shape[0] == 8


# a pipe


def piped(tiny_model: Path, *flags: str) -> list[str]:
    """`bark say ... -o -` as a process of its own."""
    command = [sys.executable, "-m", "bark_cli", "say", "-m", str(tiny_model), "hello bark", "-o", "-"]
    return [*command, "--seed", "3", *flags]


def test_a_pipe_gets_one_wav_and_nothing_else(tiny_model: Path, out: Path) -> None:
    exact = subprocess.run(piped(tiny_model, "--exact", "--verbose"), capture_output=True)
    assert exact.returncode == 0, exact.stderr
    assert all(line.startswith(b"bark: ") for line in exact.stderr.splitlines())
    assert b"standard output: " in exact.stderr
    Bark.load(tiny_model).say("hello bark", seed=3).save(out)
    np.testing.assert_allclose(as_wav(exact.stdout, out), samples(out), atol=2 / 32_768)
    early = subprocess.run(piped(tiny_model, "-q"), capture_output=True)
    assert (early.returncode, early.stderr) == (0, b"")
    # its length was not known when it began, so that it ends on a whole block, in silence
    sound = as_wav(early.stdout, out)
    whole = len(samples(out))
    assert whole <= len(sound) < whole + 2048
    assert not sound[whole:].any()


def as_wav(data: bytes, beside: Path) -> np.ndarray[Any, Any]:
    path = beside.with_name("piped.wav")
    path.write_bytes(data)
    return samples(path)


def test_a_reader_that_goes_away_ends_it_quietly(tiny_model: Path) -> None:
    with subprocess.Popen(piped(tiny_model), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read()
    assert process.returncode == 0
    assert errors == b""


def test_sound_is_not_written_to_a_terminal(
    say: list[str], no_model: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert main([*say, "hello", "-o", "-"]) == 2
    assert capsys.readouterr().err.startswith("bark: -o - writes sound, and a terminal cannot show it; pipe")


@pytest.mark.usefixtures("no_model")
def test_without_a_device_nothing_is_generated(
    say: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert main([*say, "hello"]) == 1
    assert capsys.readouterr().err.startswith(
        "bark: cannot play sound: PortAudio is missing; install it (apt"
    )


# misuse: the line it prints and its code


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize("dry", [["--dry-run"], []])
def test_a_voice_that_is_none_is_told_before_the_model_is_loaded(
    say: list[str], tmp_path: Path, dry: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.npz"
    bad.write_bytes(b"no voice at all")
    foreign = write_voice(tmp_path / "foreign.npz", tiny_voice(published_config()))
    mistakes = {
        ("-v", str(bad)): "is damaged or not a voice file",
        ("-v", str(foreign)): "was made for another model",
        ("--dialogue-voice", "nope"): "no voice 'nope'",  # though nobody speaks in it
    }
    for words, complaint in mistakes.items():
        assert main([*say, "hello", *words, "-o", str(tmp_path / "x.wav"), *dry]) == 2
        assert complaint in capsys.readouterr().err


def test_numbers_of_a_text_whose_language_nobody_says_are_told_to_be_english(
    say: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    how = [*say, "I am 3", "-v", "none", "--read-numbers", "--dry-run"]
    assert main(how) == 0
    assert "numbers are spelled in English where nobody says the language" in capsys.readouterr().err
    for told in (["--language", "de"], ["-q"]):
        assert main([*how, *told]) == 0
        assert "spelled in English" not in capsys.readouterr().err


def test_no_text_on_a_terminal_shows_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal())
    assert main(["say"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("Usage: bark say")


@pytest.mark.parametrize("words", [["-"], ["-f", "-"]])
def test_a_pipe_that_is_closed_is_told_in_a_line(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", None)  # as after <&-
    assert main(["say", *words]) == 2
    assert capsys.readouterr().err.startswith("bark: - reads from a pipe, and standard input is closed")


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        ([""], 2, "the text is empty; give some words"),
        ([" \t\n\u3000"], 2, "the text is empty"),
        ([], 2, "the text is empty"),  # an empty pipe
        (["-f", "empty.txt"], 2, "the text is empty"),
        (["hello", "-f", "text.txt"], 2, "the text is given twice, as words and with -f"),
        (["-f", "gone.txt"], 2, "cannot read text file gone.txt: No such file or directory"),
        (["-f", "."], 2, "cannot read text file .: Is a directory"),
        (["-f", "latin1.txt"], 2, "latin1.txt is not UTF-8 text (byte 3 is 0xe9); save it as UTF-8"),
        (["-f", "nul.txt"], 2, "nul.txt holds a NUL byte at byte 2"),
        (["a\udce9"], 2, "the text is not valid UTF-8 at line 1, column 2"),
        (["hello", "-v", "an"], 2, "no voice 'an'; did you mean tiny/ann"),
        (["hello", "-v", "gone.npz"], 2, "there is no voice file gone.npz"),
        (["hello", "-m", "no/such"], 1, "no/such is not a folder"),
        (["hello", "-m", "lagre"], 1, "there is no model 'lagre'"),
        (["hello", "-o", "old.wav"], 1, "old.wav exists; use --force to write over it"),
        (
            ["hello", "-o", "a.aac"],
            2,
            "a.aac ends in .aac, which is not a known format; use one of .wav, .flac",
        ),
        (["hello", "-o", "a"], 2, "a has no ending that says its format; use one of .wav"),
        (["hello", "-o", "a.raw"], 2, "a.raw ends in .raw: --raw asks for samples without a header"),
        (["hello", "-o", "folder"], 1, "folder is a folder; give the name of a file in it"),
        (["hello", "-l", "english"], 2, "--language takes a code such as en or pt-BR, not 'english'"),
        (["hello", "-v", "TINY/ANN"], 2, "no voice 'TINY/ANN'; did you mean tiny/ann"),
        (["hello", "-o", "dir.wav"], 1, "dir.wav is a folder; give the name of a file in it"),
        (["hello", "-o", "no/a.wav"], 1, "cannot write no/a.wav: no does not exist; create it first"),
        (["hello", "-o", "x" * 300 + ".wav"], 1, "cannot write xxx"),
        (["hello", "-o", "/dev/null"], 1, "/dev/null is not an ordinary file; -o - writes to a pipe"),
        (["hello", "-o", ""], 2, "-o is empty; give it a name"),
        (["hello", "-o", "old.wav/a.wav"], 1, "cannot write old.wav/a.wav: old.wav is not a folder"),
        (["hello", "-o", "-", "--json"], 2, "--json and -o - cannot share standard output"),
        (
            ["-f", "play.md", "--cast", "ANN=ann"],
            2,
            "--cast is for scripts, and play.md is not one; add --input",
        ),
        (
            ["-f", "text.srt", "-o", "text.wav", "--subtitles", "srt", "--force"],
            2,
            "text.srt is the text that",
        ),
        (["hello", "--raw", "--format", "mp3"], 2, "--raw and --format mp3 do not go together"),
        (["hello", "--fresh", "--keep-partial"], 2, "--fresh throws away what --keep-partial is to write"),
        (["hello", "--cast", "ANN"], 2, "--cast ANN is not NAME=VOICE"),
        (["hello", "--save-voice", "v.wav"], 2, "a voice file must end in .npz"),
        (["hello", "--save-voice", "v.npz", "--fine-codebooks", "4"], 2, "a draft is no voice"),
        (["hello", "--fine-codebooks", "1"], 2, "--fine-codebooks takes a whole number from 2 to 8, not 1"),
        (["hello", "--save-voice", "no/v.npz"], 1, "cannot write no/v.npz: no does not exist"),
        (["hello", "--temperature", "-1"], 2, "--temperature takes a number from 0 to 10"),
        (["hello", "--coarse-temperature", "nan"], 2, "--coarse-temperature takes a number from 0 to 10"),
        (["hello", "--fine-temperature", "inf"], 2, "--fine-temperature takes a number from 0 to 10"),
        (["hello", "--top-k", "-1"], 2, "--top-k takes a whole number from 0"),
        (["hello", "--top-p", "0"], 2, "--top-p takes a number above 0 to 1"),
        (["hello", "--min-eos-p", "0"], 2, "--min-eos-p takes a number above 0 to 1, not 0.0"),
        (["hello", "--min-eos-p", "2"], 2, "--min-eos-p takes a number above 0 to 1"),
        (["hello", "--max-duration", "0"], 2, "--max-duration takes a number above 0"),
    ],
    ids=lambda value: " ".join(value).encode("unicode_escape").decode() if isinstance(value, list) else None,
)
def test_misuse_is_found_before_the_model_is_loaded(
    say: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    line: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, data in {
        "empty.txt": b"",
        "text.txt": b"hello",
        "text.srt": b"00:00:00,000 --> 00:00:01,000\nhello",
        "play.md": b"ANN: hello",
        "latin1.txt": b"caf\xe9",
        "nul.txt": b"he\0llo",
        "old.wav": b"old",
    }.items():
        Path(name).write_bytes(data)
    for folder in ("dir.wav", "folder"):
        Path(folder).mkdir()
    before = sorted(tmp_path.rglob("*"))
    output = [] if "-o" in arguments else ["-o", "out.wav"]
    assert main([*say, *arguments, *output]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"bark: {line}")
    assert captured.err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before
    assert Path("old.wav").read_bytes() == b"old"


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"hello \xff", "standard input is not UTF-8 text (byte 6 is 0xff)"),
        ("hello".encode("utf-16-le"), "standard input looks like UTF-16 without its mark"),
        (bytes(17 * 2**20), "standard input is larger than 16 MiB"),
    ],
    ids=["latin", "utf-16", "long"],
)
def test_a_pipe_of_no_text(
    say: list[str],
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    data: bytes,
    line: str,
) -> None:
    pipe_in(monkeypatch, data)
    assert main([*say, "-o", str(out)]) == 2
    assert capsys.readouterr().err.startswith(f"bark: {line}")


def test_subtitles_follow_no_link_that_somebody_else_put_there(
    say: list[str], out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out.with_suffix(".srt").symlink_to("profile")
    for force in ([], ["--force"]):
        assert main([*say, "hello", "-o", str(out), "--subtitles", "srt", *force]) == 1
        assert "out.srt is a link to nothing; remove it" in capsys.readouterr().err
    out.with_suffix(".srt").with_name("profile").write_text("mine")
    assert main([*say, "hello", "-o", str(out), "--subtitles", "srt", "--force"]) == 1
    assert out.with_name("profile").read_text() == "mine"
    assert not out.exists()


def test_a_long_text_is_said_in_pieces(say: list[str], out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "The bark. A name. I can. " * 5
    # no second try: whether a take of random weights is good is decided by the last bits of a CPU
    how = ["--seed", "1", "--min-eos-p", "1", "--pause", "0.5", "--retries", "0"]
    assert main([*say, text, "-o", str(out), "--json", "--subtitles", "srt", *how]) == 0
    record = json.loads(capsys.readouterr().out)
    pieces = record["pieces"]
    assert len(pieces) > 5
    assert " ".join(piece["text"] for piece in pieces) == text.strip()
    assert pieces[0]["seed"] == 1
    assert len({piece["seed"] for piece in pieces}) == len(pieces)
    gaps = [round(after["start"] - before["end"], 2) for before, after in pairwise(pieces)]
    assert set(gaps) == {0.0, 0.5}  # within a sentence, and after it
    sound = samples(out)
    assert len(sound) / 24_000 == pytest.approx(record["seconds"], abs=0.001)
    first = gaps.index(0.5)
    begin, end = (round(s * 24_000) for s in (pieces[first]["end"], pieces[first + 1]["start"]))
    assert not sound[begin + 30 : end - 30].any()
    assert out.with_suffix(".srt").read_text().startswith("1\n00:00:00,000 --> 00:00:00,")


def test_a_script_is_cast_and_paused(
    say: list[str], out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "play.txt"
    script.write_text("# a comment\nANN: hello\n[pause 1.5s]\nBEN: a bark\n")
    cast = ["--cast", "ANN=ann", "--cast", "BEN=none"]
    assert main([*say, "-f", str(script), *cast, "-o", str(out), "--json", "--seed", "3"]) == 0
    first, second = json.loads(capsys.readouterr().out)["pieces"]
    assert (first["text"], first["voice"]) == ("hello", "tiny/ann")
    assert (second["text"], second["voice"]) == ("a bark", None)
    assert second["start"] - first["end"] == pytest.approx(1.5, abs=0.002)
    assert main([*say, "-f", str(script), "--cast", "ANN=ann", "-o", str(out), "--force"]) == 2
    assert "BEN" in capsys.readouterr().err


def test_tags_are_checked(say: list[str], out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*say, "hello [laugh]", "-o", str(out), "--seed", "3"]) == 0
    assert "[laugh] is not a tag this model knows; [laughs] is\n" in capsys.readouterr().err
    assert main([*say, "hello [laugh]", "-o", str(out), "--force", "--strict"]) == 2
    assert "[laughs] is; --strict forbids it" in capsys.readouterr().err


def test_a_dry_run_says_what_would_be_said(
    say: list[str], tmp_path: Path, no_model: None, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "The bark. A name. I can. " * 5
    assert main([*say, text, "--dry-run", "--json", "--seed", "1"]) == 0
    outline = json.loads(capsys.readouterr().out)
    assert "".join(piece["text"] for piece in outline["pieces"]) == text.strip()
    assert all(0 < piece["tokens"] <= 32 for piece in outline["pieces"])
    assert main([*say, text, "--dry-run"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("PIECE  TOKENS  SECONDS  VOICE  TEXT\n1 ")
    assert f"bark: {len(outline['pieces'])} pieces, about" in captured.err
    assert "of work" not in captured.err  # it has never spoken here
    assert main([*say, text, "--dry-run", "-v", "an"]) == 2
    assert "no voice 'an'; did you mean tiny/ann" in capsys.readouterr().err
    assert outline["work_seconds"] is None
    assert not list(tmp_path.iterdir())


def test_a_dry_run_knows_how_long_the_work_takes_once_it_was_done(
    say: list[str], out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # five seconds of speech at least, for a shorter run tells nothing
    long = "The bark. A name. I can. " * 8
    assert main([*say, long, "-o", str(out), "-q", "--seed", "3", "--min-eos-p", "1", "--retries", "0"]) == 0
    assert main([*say, "hello bark " * 100, "--dry-run", "--json"]) == 0  # of two words it may round to none
    outline = json.loads(capsys.readouterr().out)
    assert outline["work_seconds"] > 0
    assert main([*say, "hello bark", "--dry-run", "--takes", "3"]) == 0
    assert "of work as fast as it has spoken here, and " in capsys.readouterr().err


def test_a_file_says_how_it_was_made_and_is_made_again(
    say: list[str], out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    how = ["-v", "ann", "--seed", "3", "--temperature", "0.5", "--max-duration", "0.3"]
    assert main([*say, "hello bark", "-o", str(out), *how]) == 0
    again = out.with_name("again.wav")
    assert main([*say, "hello bark", "--like", str(out), "-o", str(again)]) == 0
    assert again.read_bytes() == out.read_bytes()
    other = out.with_name("other.wav")
    assert main([*say, "hello bark", "--like", str(out), "--seed", "4", "-o", str(other)]) == 0
    assert other.read_bytes() != out.read_bytes()
    monkeypatch.setenv("BARK_TOP_K", "3")  # what is the custom now was not when the file was made
    assert main([*say, "hello bark", "--like", str(out), "-o", str(again), "--force"]) == 0
    assert again.read_bytes() == out.read_bytes()
    monkeypatch.delenv("BARK_TOP_K")
    bare = out.with_name("bare.wav")
    assert main([*say, "hello bark", "--no-metadata", "-o", str(bare), *how]) == 0
    assert np.array_equal(samples(bare), samples(out))
    capsys.readouterr()
    assert main([*say, "hello bark", "--like", str(bare), "-o", str(other), "--force"]) == 2
    assert "does not say how it was made" in capsys.readouterr().err


def test_speech_is_made_slower_and_its_subtitles_with_it(
    say: list[str], out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    how = ["--seed", "1", "--min-eos-p", "1", "--retries", "0", "--subtitles", "srt", "--json"]
    assert main([*say, "The bark. A name. I can.", "-o", str(out), *how]) == 0
    usual = json.loads(capsys.readouterr().out)
    slow, again = out.with_name("slow.wav"), out.with_name("again.wav")
    assert main([*say, "The bark. A name. I can.", "-o", str(slow), *how, "--speed", "0.5"]) == 0
    slower = json.loads(capsys.readouterr().out)
    assert slower["seconds"] == pytest.approx(2 * usual["seconds"], abs=0.002)
    for one, other in zip(usual["pieces"], slower["pieces"], strict=True):
        assert (other["start"], other["end"]) == pytest.approx((2 * one["start"], 2 * one["end"]), abs=0.002)
    assert len(samples(slow)) / 24_000 == pytest.approx(slower["seconds"], abs=0.001)
    last = slow.with_suffix(".srt").read_text().split(" --> ")[-1]
    assert last.startswith(f"00:00:{slower['pieces'][-1]['end']:06.3f}".replace(".", ","))
    assert main([*say, "The bark. A name. I can.", "--like", str(slow), "-o", str(again)]) == 0
    assert np.array_equal(samples(again), samples(slow))
    assert main([*say, "hello", "-o", str(out), "--force", "--speed", "5"]) == 2
    assert "--speed takes a number from 0.25 to 4, not 5.0\n" in capsys.readouterr().err


def test_like_brings_the_models_of_stages_and_asks_for_no_level(monkeypatch: pytest.MonkeyPatch) -> None:
    noted = {"normalize": "peak", "temperature": 0.5}
    made = Provenance("nano+coarse:small", None, 3, "0" * 64, "0.1.0", noted)
    monkeypatch.setattr("bark_cli.audio.read_provenance", lambda path: made)
    given: dict[str, Any] = dict.fromkeys(inspect.signature(say_command).parameters)
    given |= {
        "like": "a.wav",
        "fresh": False,
        "keep_pieces": False,
        "input_format": "auto",
        "no_metadata": False,
    }
    request = say_request(given)  # without -o it is played
    assert request.models == ["nano", "small"]
    assert request.stage_models["coarse_model"] == "small"
    assert (request.seed, request.settings.voice, request.settings.temperature) == (3, "none", 0.5)
    assert request.delivery.normalize == "off"
    assert say_request({**given, "coarse_model": "large"}).stage_models["coarse_model"] == "large"


def test_redo_says_one_piece_again_and_leaves_the_others(
    say: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "three.txt"
    text.write_text("Hello bark.\n\nMy name is bark.\n\nI can speak.\n")
    say = [*say, "-f", str(text), "--retries", "0", "--max-duration", "0.5", "--json"]
    first, second, third = (tmp_path / f"{n}.wav" for n in (1, 2, 3))

    def made(*flags: str | Path) -> list[str]:
        assert main([*say, *map(str, flags)]) == 0
        shown = json.loads(capsys.readouterr().out)
        sound = samples(Path(shown["path"]))
        bounds = [(round(p["start"] * 24_000), round(p["end"] * 24_000)) for p in shown["pieces"]]
        return [sound[begin:end].tobytes().hex() for begin, end in bounds]

    a = made("-o", first, "--seed", "7", "--keep-pieces")
    assert len(list((tmp_path / ".1.wav.pieces").iterdir())) == len(a) >= 3
    as_before = [number != 1 for number in range(len(a))]
    b = made("-o", second, "--like", first, "--redo", "2")
    assert [x == y for x, y in zip(a, b, strict=True)] == as_before
    c = made("-o", third, "--like", second, "--redo", "2")
    assert [x == y for x, y in zip(b, c, strict=True)] == as_before
    assert c[1] != a[1]
    assert made("-o", third, "--like", second, "--force") == b  # what was redone is part of how it was made
    assert main([*say, "--like", str(first), "-o", str(third), "--force", "--redo", "99"]) == 2
    assert f"--redo 99: the text has {len(a)} pieces" in capsys.readouterr().err
    text.write_text("Hello bark.\n\nMy name is not bark.\n\nI can speak.\n")
    assert main([*say, "--like", str(first), "-o", str(third), "--force", "--redo", "2"]) == 2
    assert "--redo needs the text that --like FILE was made from" in capsys.readouterr().err


def test_redo_needs_to_know_what_was_made(
    say: list[str], no_model: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*say, "hello", "-o", "a.wav", "--redo", "1"]) == 2
    assert "add --like FILE, or the --seed of its making" in capsys.readouterr().err


def test_the_best_of_several_takes_is_kept_and_told(
    say: list[str], out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    how = ["--takes", "3", "--retries", "0", "--seed", "5", "--json"]
    assert main([*say, "hello bark", "-o", str(out), *how]) == 0
    captured = capsys.readouterr()
    [piece] = json.loads(captured.out)["pieces"]
    assert [take["seed"] for take in piece["takes"]] == [5, 6, 7]
    worth = {take["seed"]: ("," in take["reason"], take["score"] or 0.0) for take in piece["takes"]}
    assert worth[piece["seed"]] == max(worth.values())
    [kept] = [take for take in piece["takes"] if take["seed"] == piece["seed"]]
    assert f"piece 1: kept seed {kept['seed']} ({kept['reason']}) of 3; not " in captured.err


def test_what_was_said_again_and_what_stays_in_doubt_are_told(
    say: list[str], out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    twice = Verdict(
        length=1.0, variety=1.0, sound=1.0, clean=1.0, problem=None, doubt="it says something twice"
    )
    monkeypatch.setattr(attempt, "judge", lambda *_, **__: twice)
    monkeypatch.setattr(hearing, "_found", lambda: "there is none")
    assert main([*say, "hello bark", "-o", str(out), "--retries", "1", "--seed", "5", "--json"]) == 0
    captured = capsys.readouterr()
    [piece] = json.loads(captured.out)["pieces"]
    assert [take["seed"] for take in piece["takes"]] == [5, 6]
    assert piece["doubt"] == "it says something twice"
    assert 'at 0:00.0 "hello bark" is in doubt: it says something twice' in captured.err


def test_settings_count_where_no_flag_is_given(
    say: list[str],
    out: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bark.toml").write_text('voice = "ann"\nseed = 8\n')
    assert main([*say, "hello", "-o", str(out), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["voice"], record["seed"]) == ("tiny/ann", 8)
    monkeypatch.setenv("BARK_SEED", "9")
    assert main([*say, "hello", "-v", "none", "-o", str(out), "--json", "--force"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["voice"], record["seed"]) == (None, 9)


@pytest.mark.parametrize("kind", ["loudness", "peak"])
def test_the_level_is_brought_to_what_was_asked_for(say: list[str], out: Path, kind: str) -> None:
    from bark_cli.audio import Audio, LoudnessMeter

    text = ["hello bark my name is bark", "--seed", "1", "--min-eos-p", "1"]
    assert main([*say, *text, "-o", str(out), "--normalize", kind]) == 0
    sound = samples(out)
    peak = float(np.abs(sound).max())
    meter = LoudnessMeter(24_000)
    meter.put(Audio(sound.astype(np.float32), 24_000))
    assert peak == pytest.approx(10 ** (-1 / 20), abs=0.001) or (
        kind == "loudness" and abs(meter.lufs() + 16) < 0.1
    )


def test_a_voice_with_a_pickle_is_not_read(
    say: list[str], out: Path, tiny_config: BarkConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    voice = tiny_voice(tiny_config)
    path = out.with_name("evil.npz")
    semantic = np.array(voice.semantic, dtype=object)
    np.savez(path, semantic_prompt=semantic, coarse_prompt=voice.coarse, fine_prompt=voice.fine)
    assert main([*say, "hello", "-v", str(path), "-o", str(out)]) == 2
    assert "holds Python objects (a pickle), which can run code; it was not read\n" in capsys.readouterr().err
    assert not out.exists()


def test_a_voice_of_another_model_is_refused(
    say: list[str], out: Path, tiny_config: BarkConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    voice = tiny_voice(tiny_config)
    voice.semantic[0] = 9_999
    path = write_voice(out.with_name("big.npz"), voice)
    assert main([*say, "hello", "-v", str(path), "-o", str(out)]) == 2
    assert (
        "bark: voice big was made for another model: it holds semantic token 9999" in capsys.readouterr().err
    )


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder closed even to root")
def test_a_folder_that_takes_no_files(say: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*say, "hello", "-o", "/proc/a.wav"]) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("bark: cannot write /proc/a.wav: ")


def test_force_writes_over(say: list[str], out: Path) -> None:
    out.write_bytes(b"old")
    assert main([*say, "hello bark", "-o", str(out), "--force", "-q", "--seed", "1"]) == 0
    assert len(samples(out))
    assert [path.name for path in out.parent.iterdir()] == ["out.wav"]


def test_a_real_pipe_into_a_real_process(tiny_model: Path, out: Path) -> None:
    """Nothing but the record on stdout, whatever the libraries have to say."""
    command = [
        sys.executable,
        "-m",
        "bark_cli",
        "say",
        "-m",
        str(tiny_model),
        "-o",
        str(out),
        "--json",
        "--verbose",
    ]
    done = subprocess.run(command, input=b"hello bark", capture_output=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["path"] == str(out)
    assert all(line.startswith(b"bark: ") for line in done.stderr.splitlines())


# the flags over the model's own defaults


def test_flags_over_the_models_defaults() -> None:
    own = SamplingOptions(
        semantic=StageSampling(temperature=0.6, top_k=50),
        coarse=StageSampling(temperature=0.8, top_k=40, top_p=0.9),
        fine=StageSampling(temperature=0.1),
        min_eos_p=0.05,
    )
    assert sampling_options(Settings(), own) == own
    changed = sampling_options(
        Settings(temperature=1.0, coarse_temperature=0.0, top_k=0, max_duration=2.0), own
    )
    assert changed == SamplingOptions(
        semantic=StageSampling(temperature=1.0),
        coarse=StageSampling(temperature=0.0, top_p=0.9),
        fine=StageSampling(temperature=0.1),
        min_eos_p=0.05,
        max_duration_s=2.0,
    )
    assert sampling_options(Settings(top_p=0.5, fine_temperature=0.0, min_eos_p=1.0), own) == SamplingOptions(
        semantic=StageSampling(temperature=0.6, top_k=50, top_p=0.5),
        coarse=StageSampling(temperature=0.8, top_k=40, top_p=0.5),
        fine=StageSampling(temperature=0.0),
        min_eos_p=1.0,
    )
    with pytest.raises(OptionError):
        sampling_options(Settings(temperature=11.0), own)


def test_the_flags_reach_the_stages(say: list[str], out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def tokens(*flags: str) -> int:
        arguments = [*say, "hello bark", "-o", str(out), "--force", "--no-metadata", "--json"]
        assert main([*arguments, "--seed", "1", *flags]) == 0
        return int(json.loads(capsys.readouterr().out)["stages"]["semantic"]["tokens"])

    free = tokens("--min-eos-p", "1")
    assert tokens("--min-eos-p", "1", "--max-duration", "0.1") == 6 < free  # the first beyond 5 at 50 Hz
    greedy = out.read_bytes() if tokens("--temperature", "0", "--fine-temperature", "0") else b""
    assert greedy  # and the same seed or not, the likeliest token is the likeliest
    tokens("--temperature", "0", "--fine-temperature", "0", "--seed", "9")
    assert out.read_bytes() == greedy


@pytest.mark.parametrize("words", [["- hello bark"], ["-- hello"], ["-hello my name"], ["hello", "- bark"]])
def test_text_that_begins_with_a_dash_is_text(
    say: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*say, *words, "--dry-run", "--json", "--seed", "1"]) == 0
    said = "".join(piece["text"] for piece in json.loads(capsys.readouterr().out)["pieces"])
    assert [*filter(str.isalpha, said)] == [*filter(str.isalpha, "".join(words))]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (["-30 degrees", "--seed", "1"], ["--seed", "1", "--", "-30 degrees"]),
        (["-30"], ["--", "-30"]),
        (
            ["-30", "degrees", "-qv", "ann", "are", "cold"],
            ["-qv", "ann", "--", "-30", "degrees", "are", "cold"],
        ),
        (["-oa.wav", "--voice=ann", "5", "-3"], ["-oa.wav", "--voice=ann", "--", "5", "-3"]),
        (["-o", "-30", "hello"], ["-o", "-30", "hello"]),
        (["-q", "-v", "ann", "hello", "-"], ["-q", "-v", "ann", "hello", "-"]),
        (["--seed=1 2", "--voice=a b"], ["--seed=1 2", "--voice=a b"]),
        (["--", "-30"], ["--", "-30"]),
    ],
)
def test_what_can_be_no_option_goes_behind_the_options(given: list[str], wanted: list[str]) -> None:
    assert _texts_last(given, {"-o", "-v", "--seed"}) == wanted


def test_an_option_that_is_mistyped_is_none_of_the_text(
    say: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*say, "hello", "--sead", "1"]) == 2
    assert "No such option" in capsys.readouterr().err
    assert main([*say, "-x"]) == 2
    assert "No such option: -x; text that begins with a dash goes behind --" in capsys.readouterr().err
    assert main([*say, "hello", "--voice"]) == 2
    assert "requires an argument.\n" in capsys.readouterr().err
    assert main([*say, "--seed", "1", "--dry-run", "--", "-x"]) == 0
    assert main([*say, "hello", "-o", "- no name.bark", "--dry-run"]) in (
        0,
        2,
    )  # a value, whatever it begins with
    assert "No such option" not in capsys.readouterr().err
