"""`bark batch`, end to end on the tiny model: killed, interrupted, run twice, and misused."""

from __future__ import annotations

import io
import json
import os
import random
import re
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import mutagen
import pytest
import soundfile
from conftest import tiny_voice, write_voice
from epubs import PNG
from fork_server import Command, ForkServer, wait_until
from rich.console import Console

from bark_cli.audio import read_provenance
from bark_cli.cli import main
from bark_cli.cli.batch.progress import BatchBar, Tally
from bark_cli.cluster.status import WorkerStatus
from bark_cli.errors import TextError
from bark_cli.hearing import judge as hearing
from bark_cli.model.config import BarkConfig
from bark_cli.pipeline import Bark
from bark_cli.takes import attempt
from bark_cli.takes.expected import Expected
from bark_cli.takes.verdict import Verdict

WORDS = ("hello", "bark", "my", "name", "is", "i", "can", "speak", "the", "a")
MANY, BAD = 300, "part 0/150.txt"
FEW = ("--batch-size", "2")  # at once, where a test must be in time to meet it at work


@pytest.fixture(scope="module")
def batch(talkative: Path) -> list[str]:
    """The command, as far as its paths."""
    how = ["--precision", "fp32", "--max-duration", "0.05", "--top-k", "12", "--batch-size", "32"]
    return ["batch", "-m", str(talkative), *how]


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what needs none."""

    def load(*arguments: object, **options: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr(Bark, "load", load)


def write_texts(folder: Path, count: int) -> Path:
    """Short ones, all different; every tenth is said in several pieces."""
    stream = random.Random(count)
    letters = "abcdefghijklmnopqrstuvwxyz"
    for i in range(count):
        path = folder / f"part {i % 3}" / f"{i}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        words = stream.choices(WORDS, k=4 if i % 10 == 0 else 0)
        path.write_text(" ".join([*words, letters[i // 26] + letters[i % 26]]), "utf-8")
    return folder


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    return write_texts(tmp_path / "texts", 6)


def visible(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in (".bark-batch.jsonl", ".bark-batch.lock")
    }


def lines(folder: Path) -> int:
    try:
        return (folder / ".bark-batch.jsonl").read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def summary(capsys: pytest.CaptureFixture[str], arguments: list[str], code: int = 0) -> dict[str, object]:
    capsys.readouterr()
    assert main([*arguments, "--json"]) == code
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


# Faults


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Many texts, of which one cannot be read."""
    folder = write_texts(tmp_path_factory.mktemp("many"), MANY)
    (folder / BAD).write_bytes(b"\xff\xfe\xfd")
    return folder


@pytest.fixture(scope="module")
def whole(
    batch: list[str], many: Path, server: ForkServer, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Command]:
    """What becomes of them where nothing disturbs, and the command that did it."""
    folder = tmp_path_factory.mktemp("whole")
    command = server.start([*batch, str(many), "--json", "-o", str(folder)])
    command.wait()
    return folder, command


def test_one_bad_item_among_many(whole: tuple[Path, Command], many: Path) -> None:
    folder, command = whole
    assert command.code == 1
    found = json.loads(command.out)
    assert (found["items"], found["made"], found["unchanged"]) == (MANY, MANY - 1, 0)
    [failed] = found["failed"]
    assert failed["source"] == str(many / BAD)
    assert command.err.startswith(f"bark: {many / BAD}: it is not ")
    texts = {path.relative_to(many).with_suffix(".flac").as_posix() for path in many.rglob("*.txt")}
    assert visible(folder).keys() == texts - {BAD.replace(".txt", ".flac")}


def test_ten_kills_and_every_output_once_as_if_there_had_been_none(
    batch: list[str], many: Path, whole: tuple[Path, Command], out: Path, server: ForkServer
) -> None:
    dice, killed = random.Random(5), 0
    command = [*batch, str(many), "-q", "-o"]
    while killed < 10:
        before, more = lines(out), dice.choice((0, 1, dice.randrange(40)))
        running = server.start([*command, str(out)])
        wait_until(lambda enough=before + more: lines(out) >= enough)
        time.sleep(dice.uniform(0.0, 0.05))
        running.kill()
        assert running.wait() == -signal.SIGKILL, running.err
        killed += 1
        assert all(name.startswith((".bark-batch.parts/", "part ")) for name in visible(out))
    left = lines(out)
    assert left < MANY - 1
    assert server.start([*command, str(out)]).wait() == 1  # for the bad one
    undisturbed = visible(whole[0])
    assert visible(out) == undisturbed
    assert MANY - 1 <= lines(out) <= MANY - 1 + killed  # a line may have been written and its file not
    assert len(set(undisturbed.values())) > MANY // 2  # they are different sounds


def test_ctrl_c_loses_nothing(batch: list[str], tmp_path: Path, out: Path, server: ForkServer) -> None:
    texts = write_texts(tmp_path / "texts", 60)
    running = server.start([*batch, *FEW, str(texts), "-o", str(out)])
    wait_until(lambda: lines(out) >= 5)
    running.kill(signal.SIGINT)
    assert running.wait() == 130
    done = visible(out)
    assert 5 <= len(done) < 60
    assert lines(out) == len(done)
    told = running.err.splitlines()[-1]
    assert told == f"bark: {len(done)} of 60 done; run the same command again to go on"
    assert "Traceback" not in running.err
    again = server.start([*batch, str(texts), "-o", str(out), "--json"])
    assert again.wait() == 0
    assert json.loads(again.out)["unchanged"] == len(done)
    assert done.items() <= visible(out).items()
    assert len(visible(out)) == 60


def test_two_at_once(batch: list[str], tmp_path: Path, out: Path, server: ForkServer) -> None:
    texts = write_texts(tmp_path / "texts", 60)
    running = server.start([*batch, *FEW, str(texts), "-o", str(out)])
    wait_until(lambda: lines(out) >= 1)
    os.kill(running.pid, signal.SIGSTOP)
    try:
        errors = io.StringIO()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stderr", errors)
            assert main([*batch, str(texts), "-o", str(out)]) == 1
        assert errors.getvalue() == f"bark: another `bark batch` is writing to {out}; wait for its end\n"
    finally:
        os.kill(running.pid, signal.SIGCONT)
    assert running.wait() == 0
    assert len(visible(out)) == 60


def test_a_full_disk_stops_it_with_a_line(
    batch: list[str],
    texts: Path,
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fsync, calls = os.fsync, 0

    def full(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls > 4:  # two files with their lines
            raise OSError(28, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    assert main([*batch, str(texts), "-q", "-o", str(out)]) == 1
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "bark: 2 of 6 done; run the same command again to go on"
    assert "No space left on device" in told[1]
    assert len(told) == 2
    done = visible(out)
    assert len(done) == 2
    monkeypatch.undo()
    assert main([*batch, str(texts), "-q", "-o", str(out)]) == 0
    assert done.items() <= visible(out).items()
    assert len(visible(out)) == 6


def test_nobody_reads_what_it_prints(batch: list[str], texts: Path, out: Path) -> None:
    import subprocess

    code = "import sys; from bark_cli.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, *batch, str(texts), "-o", str(out), "--json"]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
    assert len(visible(out)) == 6


def test_nobody_reads_its_lines(
    batch: list[str], texts: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Gone())
    assert main([*batch, str(texts), "-o", str(out)]) == 0
    assert len(visible(out)) == 6


# What is asked for, and what is said


def test_a_dry_run_shows_what_would_be_made_and_loads_no_model(
    batch: list[str], texts: Path, out: Path, capsys: pytest.CaptureFixture[str], no_model: None
) -> None:
    assert main([*batch, str(texts), "-o", str(out), "--dry-run"]) == 0
    shown = capsys.readouterr()
    assert shown.out.count("\nnew") == 6
    assert "6 of 6 to make, about" in shown.err
    assert not out.exists()


def test_a_dry_run_that_finds_what_cannot_be_made_exits_with_1(
    batch: list[str], texts: Path, out: Path, capsys: pytest.CaptureFixture[str], no_model: None
) -> None:
    (texts / "empty.txt").write_text("")
    for options in ([], ["--json"]):
        assert main([*batch, str(texts), "-o", str(out), "--dry-run", *options]) == 1
    assert "6 of 7 to make" in capsys.readouterr().err


def test_a_dry_run_finds_what_the_model_cannot_say(
    tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str], no_model: None
) -> None:
    """With nano, which knows no Russian; the tiny model has no letters to spell anything with."""
    lines = [
        {"text": "Hello."},
        {"text": "Привет, мир."},
        {"text": "Hello. 🙂"},
        {"text": "🙂", "id": "smile"},
    ]
    source = tmp_path / "list.jsonl"
    source.write_text("\n".join(map(json.dumps, lines)))
    command = ["batch", str(source), "-m", "nano", "-o", str(out), "--dry-run"]
    assert main([*command, "--json"]) == 1
    states = [row["state"] for row in json.loads(capsys.readouterr().out)]
    assert states == ["new", "failed", "new", "failed"]
    assert main(command) == 1
    said = capsys.readouterr()
    assert 'the text holds nothing this model can read (line 1: "Привет, мир.")' in said.out
    assert f"{source}:3: left out: what it does not know: 🙂" in said.err
    assert "2 of 4 to make" in said.err


def test_again_is_done_without_a_model(
    batch: list[str],
    texts: Path,
    out: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command = [*batch, str(texts), "-o", str(out), "--join"]
    first = summary(capsys, command)
    monkeypatch.setattr(Bark, "load", None)
    again = summary(capsys, command)
    assert (first["made"], first["unchanged"]) == (6, 0)
    assert (again["made"], again["unchanged"]) == (0, 6)
    assert first["joined"] == again["joined"] == str(out / "all.flac")
    assert [f["source"] for f in again["files"]] == [  # type: ignore[attr-defined]
        str(texts / f"part {i % 3}" / f"{i}.txt") for i in (0, 3, 1, 4, 2, 5)
    ]


@pytest.mark.parametrize(
    "change", [["--pause", "1"], ["--temperature", "0.9"], ["-v", "ann"], ["--seed", "3"], ["--takes", "2"]]
)
def test_another_setting_makes_all_anew(
    change: list[str], batch: list[str], texts: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*batch, str(texts / "part 0"), "-o", str(out)]
    assert summary(capsys, command)["made"] == 2
    assert summary(capsys, [*command, *change])["made"] == 2
    assert summary(capsys, [*command, *change])["made"] == 0


@pytest.mark.parametrize("same", [["--batch-size", "1"], ["--device", "cpu"], ["--offline"], ["-q"]])
def test_what_is_not_heard_makes_nothing_anew(
    same: list[str], batch: list[str], texts: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*batch, str(texts / "part 0"), "-o", str(out)]
    assert summary(capsys, command)["made"] == 2
    assert summary(capsys, [*command, *same])["made"] == 0


def test_another_format_has_the_same_seed(
    batch: list[str], texts: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*batch, str(texts / "part 0"), "-o", str(out)]
    flac = summary(capsys, command)["files"]
    wav = summary(capsys, [*command, "--format", "wav"])["files"]
    assert [f["seed"] for f in flac] == [f["seed"] for f in wav]  # type: ignore[attr-defined]
    assert len(visible(out)) == 4


def test_a_file_of_a_batch_is_the_one_that_say_makes(batch: list[str], texts: Path, out: Path) -> None:
    one = texts / "part 1" / "4.txt"
    assert main([*batch, str(one), "-o", str(out), "--seed", "7", "-q"]) == 0
    said = out / "said.flac"
    assert main(["say", *batch[1:], "-f", str(one), "-o", str(said), "--seed", "7", "-q"]) == 0
    assert said.read_bytes() == (out / "4.flac").read_bytes()
    found = read_provenance(said)
    assert found is not None
    assert found.seed == 7


def test_lines_of_json_from_a_pipe(
    batch: list[str],
    out: Path,
    tmp_path: Path,
    tiny_config: BarkConfig,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    voice = write_voice(tmp_path / "own.npz", tiny_voice(tiny_config))
    rows = [
        {"text": "hello", "voice": str(voice), "output": "a/one.wav", "seed": 5},
        {"text": "hello", "id": "two"},
        {"text": "hello", "voice": "nobody"},
        {"txt": "hello"},
        {"text": ""},
    ]
    data = "\n".join(map(json.dumps, rows)).encode()

    def piped() -> io.TextIOWrapper:
        return io.TextIOWrapper(io.BytesIO(data))

    monkeypatch.setattr(sys, "stdin", piped())
    found = summary(capsys, [*batch, "-", "--jsonl", "-o", str(out)], 1)
    assert set(visible(out)) == {"a/one.wav", "two.flac"}
    assert [one["source"] for one in found["failed"]] == [  # type: ignore[attr-defined]
        "standard input:3",
        "standard input:4",
        "standard input:5",
    ]
    assert read_provenance(out / "a/one.wav").seed == 5  # type: ignore[union-attr]
    monkeypatch.setattr(sys, "stdin", piped())
    assert main([*batch, "-", "--jsonl", "-o", str(out)]) == 1
    told = capsys.readouterr().err
    assert "no voice 'nobody'" in told
    assert "bark: 2 of 5 done, 2 of them before, 3 failed\n" in told


def test_a_line_that_asks_for_what_cannot_be_fails_alone_and_a_dry_run_says_so(
    batch: list[str], out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [
        {"text": "hello", "output": "../mine.wav"},
        {"text": "hello", "output": "x" * 300},
        {"text": "cut \ud83d"},
        {"text": "hello", "output": "good.wav"},
        {"text": "hello", "voice": "nobody"},
    ]
    jsonl = tmp_path / "list.jsonl"
    jsonl.write_text("\n".join(map(json.dumps, given)))
    for dry_run in (["--dry-run"], []):
        assert main([*batch, str(jsonl), "-o", str(out), *dry_run]) == 1
        said = capsys.readouterr()
        for line, why in enumerate(("leads out of", "is too long (xxx", "half a character"), 1):
            assert why in said.out + said.err, dry_run
            assert dry_run or f"list.jsonl:{line}: " in said.err
    assert "1 of 5 done, 4 failed" in said.err
    assert (out / "good.wav").is_file()
    assert not (tmp_path / "mine.wav").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["nowhere"], "there is no nowhere"),
        (["{texts}", "-v", "nobody"], "no voice 'nobody'"),
        (["{texts}", "--cast", "ANN=nobody"], "no voice 'nobody'"),
        (["{texts}", "--format", "raw", "--join"], "use --format wav"),
        (["{twice}"], "would both be written to"),
    ],
)
def test_bad_usage_is_found_before_any_work(
    more: list[str],
    said: str,
    batch: list[str],
    texts: Path,
    out: Path,
    tmp_path: Path,
    no_model: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    twice = tmp_path / "twice"
    twice.mkdir()
    (twice / "a.txt").write_text("hello")
    (twice / "a.md").write_text("hello")
    filled = [one.format(texts=texts, twice=twice) for one in more]
    assert main([*batch, *filled, "-o", str(out)]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
    assert not out.exists()


def test_a_dash_is_no_folder(batch: list[str], texts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*batch, str(texts), "-o", "-"]) == 2
    assert "-o takes a folder" in capsys.readouterr().err


def test_strict_tags_are_an_error_of_their_file(
    batch: list[str], texts: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (texts / "part 0" / "0.txt").write_text("hello [laugh]")
    found = summary(capsys, [*batch, str(texts), "-o", str(out), "--strict"], 1)
    assert found["made"] == 5
    assert "[laugh] is not a tag" in found["failed"][0]["error"]  # type: ignore[index]
    assert summary(capsys, [*batch, str(texts), "-o", str(out)])["made"] == 1


def test_documents_are_read_as_what_they_are(batch: list[str], tmp_path: Path, out: Path) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "a.md").write_text("# *hello*\n\n[bark](http://example.com)")
    (folder / "b.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nhello\n")
    (folder / "c.script").write_text("---\ncast:\n  ANN: ann\n---\nANN: hello\n[pause 500ms]\nANN: bark\n")
    assert main([*batch, str(folder), "-o", str(out), "-q"]) == 0
    assert set(visible(out)) == {"a.flac", "b.flac", "c.flac"}
    samples, rate = soundfile.read(out / "b.flac")
    assert not samples[:rate].any()
    assert samples[rate:].any()


def test_subtitles_lie_beside_and_are_made_anew_with_their_sound(
    batch: list[str], texts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Even where the texts lie in the same folder: what was made is no text."""
    folder = texts / "part 0"
    (folder / "kept.log").write_text("mine")
    command = [*batch, str(folder), "-o", str(folder), "--subtitles", "srt"]
    assert summary(capsys, command)["made"] == 2
    assert set(visible(folder)) == {"0.txt", "0.flac", "0.srt", "3.txt", "3.flac", "3.srt", "kept.log"}
    cue = (folder / "0.srt").read_text()
    assert cue.startswith("1\n00:00:00,000 --> 00:00:00,")
    assert all(word in cue for word in (folder / "0.txt").read_text().split())
    assert summary(capsys, command)["unchanged"] == 2
    (folder / "0.srt").unlink()
    assert summary(capsys, command)["made"] == 1
    assert summary(capsys, command)["unchanged"] == 2


def test_subtitles_of_others_are_theirs(
    batch: list[str], texts: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out.mkdir()
    (out / "0.srt").write_text("mine")
    found = summary(capsys, [*batch, str(texts / "part 0"), "-o", str(out), "--subtitles", "srt"], 1)
    assert "was not made by this batch" in found["failed"][0]["error"]  # type: ignore[index]
    assert set(visible(out)) == {"0.srt", "3.flac", "3.srt"}
    assert (out / "0.srt").read_text() == "mine"


def test_all_are_brought_to_one_level(
    batch: list[str], texts: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*batch, str(texts / "part 0"), "-o", str(out)]
    first = summary(capsys, command)["files"]
    levelled = summary(capsys, [*command, "--normalize", "peak"])
    assert levelled["made"] == 2
    assert [f["seed"] for f in levelled["files"]] == [f["seed"] for f in first]  # type: ignore[attr-defined]
    for name in ("0", "3"):
        samples, _ = soundfile.read(out / f"{name}.flac")
        assert abs(samples).max() == pytest.approx(10 ** (-1 / 20), abs=0.001)


def test_all_are_spoken_faster(
    batch: list[str], texts: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*batch, str(texts / "part 0"), "-o", str(out)]
    first = summary(capsys, command)["files"]
    assert summary(capsys, [*command, "--speed", "1"])["made"] == 0
    faster = summary(capsys, [*command, "--speed", "2"])["files"]
    assert [f["seed"] for f in faster] == [f["seed"] for f in first]  # type: ignore[attr-defined]
    for one, other in zip(first, faster, strict=True):  # type: ignore[call-overload]
        assert other["seconds"] == pytest.approx(one["seconds"] / 2, abs=0.002)


def test_an_unknown_tag_is_told_once(
    batch: list[str], texts: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("0", "3"):
        (texts / "part 0" / f"{name}.txt").write_text("hello [laugh] bark [laugh]")
    assert main([*batch, str(texts / "part 0"), "-o", str(out)]) == 0
    assert capsys.readouterr().err.count("[laugh] is not a tag") == 1


def test_the_joined_file_says_what_it_is(batch: list[str], texts: Path, out: Path) -> None:
    assert main([*batch, str(texts), "-o", str(out), "--join", "-q"]) == 0
    found = read_provenance(out / "all.flac")
    assert found is not None
    assert found.model == "tiny"
    assert soundfile.info(out / "all.flac").duration == pytest.approx(
        sum(soundfile.info(out / name).duration for name in visible(out) if name != "all.flac") + 5 * 0.5
    )


def test_nothing_is_joined_where_something_failed(
    batch: list[str], texts: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (texts / "part 0" / "0.txt").write_text("")
    assert main([*batch, str(texts), "-o", str(out), "--join"]) == 1
    assert "all.flac was not made" in capsys.readouterr().err
    assert not (out / "all.flac").exists()


def test_join_says_what_it_wrote(
    batch: list[str], texts: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*batch, str(texts), "-o", str(out), "--join"]) == 0
    seconds = soundfile.info(out / "all.flac").duration
    assert f"bark: {out / 'all.flac'}: 6 files joined, {seconds:.1f} s\n" in capsys.readouterr().err


def test_fifty_columns_hold_the_bar_of_a_batch(texts: Path) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=50, color_system=None)
    tally = Tally()
    tally.audio_s, tally.failed = 1234.0, [("a", "b", TextError("c"))] * 10
    with BatchBar(tally, console) as bar:
        bar._bars.update(bar._task, total=10, completed=5, count=bar._count(), audio=bar._audio())
    assert "…" not in console.file.getvalue()  # type: ignore[attr-defined]


def test_the_bar_shows_as_many_workers_as_there_is_room_for_those_that_live_first() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, height=8, color_system=None)
    workers = [WorkerStatus(n, "working", host="oak", node="a1b2c3d4", made=n) for n in range(1, 11)]
    workers[0].state = "lost"
    for verbose in (True, False):
        with BatchBar(Tally(workers=workers), console, verbose=verbose):
            pass
        shown = console.file.getvalue()  # type: ignore[attr-defined]
        assert ("and 6 more" in shown, "5       oak a1b2c3  working  5" in shown) == (verbose, verbose)
        assert "lost" not in shown
        console.file = io.StringIO()


def test_every_file_has_a_line_and_the_end_another(
    batch: list[str], texts: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*batch, str(texts), "-o", str(out)]) == 0
    shown = capsys.readouterr()
    assert shown.out == ""
    told = shown.err.splitlines()
    assert len(told) == 7
    assert all(line.startswith(f"bark: {n} of 6: part ") for n, line in enumerate(told[:6], 1))
    assert told[6].startswith("bark: 6 of 6 done, ")
    assert re.search(r" s of speech, (\d+(\.\d)?x (slower|faster) than|as fast as) real time$", told[6])
    assert main([*batch, str(texts), "-o", str(out), "-q"]) == 0
    assert capsys.readouterr().err == ""


def test_the_bar_counts_to_its_end(
    batch: list[str], texts: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bark_cli.cli.batch import making

    console, bars = Console(file=io.StringIO(), force_terminal=True, width=100), []

    class Watched(io.StringIO):
        def isatty(self) -> bool:
            return True

    def bar(tally: Tally, *, verbose: bool) -> BatchBar:
        bars.append(BatchBar(tally, console, verbose=verbose))
        return bars[0]

    monkeypatch.setattr(making, "BatchBar", bar)
    monkeypatch.setattr(sys, "stderr", Watched())
    (texts / "part 0" / "0.txt").write_text("\x07")
    assert main([*batch, str(texts), "-o", str(out)]) == 1
    [task] = bars[0]._bars.tasks
    assert task.completed == pytest.approx(task.total)
    drawn = console.file.getvalue()  # type: ignore[attr-defined]
    assert "5 of 6 files, 1 failed" in drawn
    assert "real time" in drawn


def test_pieces_that_stay_in_doubt_are_listed_with_their_time(
    batch: list[str],
    tmp_path: Path,
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fine = Verdict(length=1.0, variety=1.0, sound=1.0, clean=1.0, problem=None)
    twice = replace(fine, doubt="it says something twice")

    def judge(*_: object, expected: Expected, **__: object) -> Verdict:
        return twice if expected.words == 1 else fine

    monkeypatch.setattr(attempt, "judge", judge)
    monkeypatch.setattr(hearing, "_found", lambda: "there is none")
    (tmp_path / "two.txt").write_text("hello bark [pause 0.5s] speak")
    how = ["--retries", "1", "--json"]
    capsys.readouterr()
    assert main([*batch, str(tmp_path / "two.txt"), "-o", str(out), *how]) == 0
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    [doubt] = told["doubtful"]
    assert '"speak" is in doubt: it says something twice' in captured.err
    assert doubt["output"] == "two.flac"
    assert doubt["text"] == "speak"
    assert doubt["reason"] == "it says something twice"
    assert doubt["start"] > 0


def test_every_file_has_the_tags_and_the_cover(batch: list[str], tmp_path: Path, out: Path) -> None:
    (tmp_path / "a.txt").write_text("Hello.")
    (tmp_path / "c.png").write_bytes(PNG)
    asked = [*batch, str(tmp_path / "a.txt"), "-o", str(out), "-q", "--format", "opus", "--join"]
    assert main([*asked, "--tag", "album=Tales", "--cover", str(tmp_path / "c.png")]) == 0
    for name in ("a.opus", "all.opus"):
        tags = mutagen.File(out / name).tags
        assert tags["ALBUM"] == ["Tales"]
        assert tags["METADATA_BLOCK_PICTURE"]
    assert main([*asked, "--tag", "album=Other"]) == 0  # other tags make another file
    assert mutagen.File(out / "a.opus").tags["ALBUM"] == ["Other"]
    assert (
        main(
            [
                *batch,
                str(tmp_path / "a.txt"),
                "-o",
                str(out),
                "--format",
                "wav",
                "--cover",
                str(tmp_path / "c.png"),
            ]
        )
        == 2
    )


def test_a_sheet_of_another_encoding_is_read_where_that_is_said(
    batch: list[str], tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = tmp_path / "sheet.tab"
    sheet.write_bytes("text\tvoice\nhello bark \u2013 caf\xe9\t\n".encode("cp1252"))
    assert main([*batch, str(sheet), "-o", str(out), "--dry-run"]) == 2
    assert "sheet.tab is not UTF-8 text (near line 1)" in (said := capsys.readouterr().err)
    assert "as in --encoding cp1252" in said
    for encoding in ("cp1252", "latin-1"):  # which has a dash from there, as in texts
        assert main([*batch, str(sheet), "-o", str(out), "--dry-run", "--encoding", encoding]) == 0
    assert "sheet-00002.flac" in capsys.readouterr().out
    assert main([*batch, str(sheet), "-o", str(out), "--dry-run", "--encoding", "nonsense"]) == 2
    assert "there is no text encoding nonsense" in capsys.readouterr().err


def test_a_column_that_a_line_has_not_is_named(
    batch: list[str], tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (lines := tmp_path / "list.jsonl").write_text(
        '{"text": "hello"}\n{"caption": "hello", "language": "english"}\n'
    )
    assert main([*batch, str(lines), "-o", str(out), "--column", "text=caption"]) == 1
    said = capsys.readouterr().err
    assert "list.jsonl:1: it has no 'caption', where --column says that its text is" in said
    assert "list.jsonl:2: its language 'english' is no code such as en" in said
    assert not out.exists()  # nothing was made


def test_a_file_is_no_folder_to_write_to(
    batch: list[str], texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (mine := tmp_path / "mine").write_text("mine")
    assert main([*batch, str(texts), "-o", str(mine)]) == 1
    assert f"bark: {mine} is a file; give -o a folder for the files\n" in capsys.readouterr().err
    assert mine.read_text() == "mine"
