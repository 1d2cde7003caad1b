"""Many texts to many files: what is asked for, what is left to do, what is made, and what a fault leaves."""

from __future__ import annotations

import errno
import gzip
import io
import json
import os
import signal
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePath

import numpy as np
import pyarrow
import pytest
import soundfile
from conftest import tiny_voice, write_voice
from pyarrow import parquet

from bark_cli.audio import Provenance, hash_text, read_provenance
from bark_cli.batch import lists
from bark_cli.batch.gather import Sources, gather, natural
from bark_cli.batch.identity import Maker, model_identity
from bark_cli.batch.index import Index, LedgerLine
from bark_cli.batch.items import Item
from bark_cli.batch.join import Joint, join_files
from bark_cli.batch.ledger import LEDGER_FILE, LOCK_FILE, Entry, Ledger, hold
from bark_cli.batch.make import Failed, Making, Said
from bark_cli.batch.make import make as make_files
from bark_cli.batch.manner import Manner
from bark_cli.batch.outlook import Outlook
from bark_cli.batch.outputs import Outputs, Task, assign, check_inside
from bark_cli.batch.plan import Batch, Planned, planned
from bark_cli.batch.run import Event, Made, run
from bark_cli.errors import BarkError, OutputError, TextError, UsageError
from bark_cli.model.config import BarkConfig
from bark_cli.model.options import SamplingOptions
from bark_cli.narration.narrate import Narration, Piece, piece_seed
from bark_cli.pipeline import Bark
from bark_cli.settings import Settings
from bark_cli.store import ModelRef
from bark_cli.system.interrupts import uninterrupted

OPTIONS = SamplingOptions(max_duration_s=0.3, may_end=False)


@pytest.fixture(scope="module")
def bark(tiny_model: Path) -> Bark:
    return Bark.load(tiny_model, device="cpu", precision="fp32")


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    for name in ("10.txt", "2.txt", "part 1/1.md", "part 1/notes.log", ".hidden/3.txt", ".4.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"hello bark {len(name)}", "utf-8")
    return folder


def read(item: Item) -> str:
    return item.text if item.file is None else item.file.read_text("utf-8")


def compose(item: Item, text: str, seed: int) -> Narration:
    """One piece for each line."""
    pieces = [
        Piece(text=line, seed=piece_seed(seed, i), voice=item.voice, pause_s=0.1)
        for i, line in enumerate(text.splitlines())
    ]
    return Narration(pieces=pieces, options=OPTIONS)


def maker(model: Path, **changed: object) -> Maker:
    values = {"models": [ModelRef(name="tiny", folder=model)], "voice": None, "seed": None, "settings": {}}
    return Maker(**values | changed)  # type: ignore[arg-type]


def plan(tasks: Iterable[Task], ledger: Ledger, who: Maker, *, overwrite: bool = False) -> list[Planned]:
    batch = Batch(ledger=ledger, maker=who, read=read, overwrite=overwrite)
    return [planned(task, batch) for task in tasks]


def make(bark: Bark, items: list[Item], out: Path, *, format: str = "flac", **how: object) -> list[Event]:
    """One whole run: what a command does."""
    overwrite = bool(how.pop("overwrite", False))
    who = maker(bark.folder, **how)
    tasks = assign(items, out, format)
    with hold(out) as (ledger, scratch):
        rows = plan(tasks, ledger, who, overwrite=overwrite)
        batch = Batch(ledger=ledger, maker=who, read=read, overwrite=overwrite)
        making = Making(speaker=bark, scratch=scratch, compose=compose, batch_size=4)
        made = list(run(batch, (one.task for one in rows if one.is_due), partial(make_files, making)))
        return [*(Failed(task=one.task, error=one.error) for one in rows if one.error is not None), *made]


def of(events: list[Event], kind: type[Made] | type[Failed]) -> list[str]:
    return sorted(event.task.output for event in events if isinstance(event, kind))


def files(folder: Path) -> dict[str, bytes]:
    """All that a user sees there."""
    visible = [p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".bark-")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in visible}


def spoken(*names: str) -> list[Item]:
    return [Item(source=name, name=name, text=f"hello bark {name}") for name in names]


# What is asked for


def test_a_folder_gives_its_texts_in_natural_order(texts: Path, out: Path) -> None:
    items = gather(Sources(paths=[str(texts)]))
    assert [item.name for item in items] == ["2", "10", "part 1/1"]
    assert [task.output for task in assign(items, out, "mp3")] == ["2.mp3", "10.mp3", "part 1/1.mp3"]
    assert [i.name for i in gather(Sources(paths=[str(texts)], pattern="*.log"))] == ["part 1/notes"]
    assert [i.name for i in gather(Sources(paths=[str(texts)], pattern="part*/*"))] == [
        "part 1/1",
        "part 1/notes",
    ]


def test_files_and_patterns(texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [i.name for i in gather(Sources(paths=[str(texts / "part 1" / "notes.log")]))] == ["notes"]
    assert [i.name for i in gather(Sources(paths=[f"{texts}/p*/*.md"]))] == ["part 1/1"]
    monkeypatch.chdir(texts)
    assert [i.name for i in gather(Sources(paths=["*.txt", "part 1"]))] == ["2", "10", "1"]
    odd = texts / "a[b].txt"
    odd.write_text("hello")
    assert [i.name for i in gather(Sources(paths=[str(odd)]))] == ["a[b]"]


def test_numbers_in_names_count_as_numbers() -> None:
    names = ["ch10/2", "ch9/1", "ch9", "Ch1/b", "ch1/a", "x", "007", "7a", "²"]
    assert sorted(names, key=lambda name: natural(PurePath(name)))[:2] == ["007", "7a"]
    assert sorted(names[:3], key=lambda name: natural(PurePath(name))) == ["ch9", "ch9/1", "ch10/2"]


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        (["nowhere"], "there is no nowhere"),
        (["no*where"], "no file matches no[*]where"),
        (["empty"], r"there is nothing to say in empty \(looked for"),
        (["empty.jsonl"], "there is nothing to say in empty.jsonl; write a text into each line or row"),
        (["-"], "add --jsonl"),
    ],
)
def test_nothing_to_do_is_bad_usage(
    paths: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(UsageError, match=said):
        list(gather(Sources(paths=paths)))


@pytest.mark.parametrize("pattern", ["", "."])
def test_a_pattern_that_is_none_is_bad_usage(pattern: str, texts: Path) -> None:
    with pytest.raises(UsageError, match="--glob takes a pattern"):
        gather(Sources(paths=[str(texts)], pattern=pattern))


def test_a_folder_that_cannot_be_read_is_told(texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def refused(path: str) -> object:
        if str(path).endswith("part 1"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(TextError, match=r"cannot read folder .*part 1: Permission denied"):
        list(gather(Sources(paths=[str(texts)])))


def lines(*rows: object) -> list[Item]:
    data = b"\n".join(row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows)
    return list(gather(Sources(paths=["-"], is_jsonl=True, stdin=io.BytesIO(data))))


def test_lines_of_json(tmp_path: Path, out: Path) -> None:
    rows = [
        {"text": "hello", "voice": "ann", "output": "a/b.wav", "seed": 7},
        {"text": "hello", "id": 12},
        b"",
        {"text": "hello", "output": "c.v2"},
    ]
    items = lines(*rows)
    assert [(i.voice, i.seed) for i in items] == [("ann", 7), (None, None), (None, None)]
    assert [task.output for task in assign(items, out, "flac")] == ["a/b.wav", "12.flac", "c.v2.flac"]
    assert [task.format for task in assign(items, out, "flac")] == ["wav", "flac", "flac"]
    file = tmp_path / "list.jsonl"
    file.write_text('{"text": "hello"}\n{"text": "bark"}', "utf-8")
    assert [item.name for item in gather(Sources(paths=[str(file)]))] == ["list-00001", "list-00002"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (b"{", "not a line of JSON"),
        (b"\xff", "not a line of JSON"),
        (b"[1]", "it has no text"),
        ({"voice": "ann"}, "it has no text"),
        ({"text": 5}, "it has no text"),
        ({"text": "a", "voise": "ann"}, "an unknown field 'voise'"),
        ({"text": "a", "voice": 5}, "its voice is not a string"),
        ({"text": "a", "output": ["x"]}, "its output is not a string"),
        ({"text": "a", "seed": -1}, "its seed"),
        ({"text": "a", "seed": True}, "its seed"),
        ({"text": "a", "id": {}}, "its id"),
        (b"[" * 100_000, "not a line of JSON"),
    ],
)
def test_a_bad_line_is_a_problem_of_its_own(row: object, said: str) -> None:
    good, bad, other = lines({"text": "hello"}, row, {"text": "bark"})
    assert bad.source == "standard input:2"
    assert said in str(bad.problem)
    assert good.problem is other.problem is None


@pytest.mark.parametrize(
    "output",
    [
        "../x.wav",
        "/x.wav",
        "a/../../x.wav",
        "C:\\x.wav",
        "..\\x.wav",
        "\\\\host\\x.wav",
        "link/x.wav",
        "C:x.wav",
    ],
)
def test_no_line_writes_outside_of_the_folder(output: str, tmp_path: Path, out: Path) -> None:
    out.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (out / "link").symlink_to(tmp_path / "elsewhere")
    good, bad = assign(lines({"text": "a"}, {"text": "b", "output": output}), out, "flac")
    assert "leads out of" in str(bad.item.problem)
    assert good.item.problem is None
    with pytest.raises(UsageError, match="leads out of"):
        check_inside(output, out)
    assert assign(lines({"text": "b", "output": "a/..b/x.wav"}), out, "flac")


@pytest.mark.parametrize(
    ("output", "said"),
    [
        *((name, "is not a name for its output") for name in ("", ".", "a\n.wav", ".bark-batch.jsonl")),
        (".bark-batch.parts/x.wav", "is not a name for its output"),
        *((name, "a NUL or half a character") for name in ("a\0.wav", "a\ud83d.wav")),
        *((name, "is too long") for name in ("x" * 300, "\N{BELL}" * 80, "a/" * 2500 + "b.wav")),
        ("x" * 251 + ".wav", None),  # 255 bytes
    ],
)
def test_a_name_that_is_none_is_one_lines_problem(output: str, said: str | None, out: Path) -> None:
    for subtitles in (None, "srt"):
        given = lines({"text": "a"}, {"text": "b", "output": output})
        good, bad = assign(given, out, "flac", subtitles=subtitles)
        assert (bad.item.problem is None) if said is None else (said in str(bad.item.problem))
        assert good.item.problem is None


def test_a_text_whose_name_is_as_long_as_can_be_fails_alone(texts: Path, out: Path, tiny_model: Path) -> None:
    (texts / ("z" * 251 + ".txt")).write_text("hello")
    (texts / "loop.txt").symlink_to("loop.txt")
    os.mkfifo(texts / "pipe.txt")
    tasks = assign(gather(Sources(paths=[str(texts)])), out, "flac")
    assert [task.output for task in tasks if task.item.problem] == ["z" * 251 + ".flac"]
    assert not any("pipe" in task.output for task in tasks)
    readable = [task for task in tasks if "loop" not in task.output]
    made = {one.task.output: one for one in plan(readable, Ledger(out), maker(tiny_model))}
    assert made["z" * 251 + ".flac"].state == "failed"
    assert made["2.flac"].is_due


def test_a_line_that_says_its_text_twice_loses_none_of_it_silently(tmp_path: Path) -> None:
    file = tmp_path / "list.jsonl"
    file.write_text('{"text": "one", "text": "two"}\n{"text": "three"}\n')
    bad, good = gather(Sources(paths=[str(file)]))
    assert "it names 'text' twice" in str(bad.problem)
    assert (good.problem, good.text) == (None, "three")


@pytest.mark.parametrize("text", ["cut \ud83d", "a\0b"])
def test_half_a_character_in_a_text_is_that_lines_problem(text: str) -> None:
    good, bad = lines({"text": "hello"}, {"text": text})
    assert "its text holds a NUL or half a character" in str(bad.problem)
    assert good.problem is None


@pytest.mark.parametrize(("platform", "is_one"), [("darwin", True), ("linux", False)])
def test_names_that_a_mac_takes_for_one_are_told_before_any_work(
    platform: str, is_one: bool, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    names = ("Ann.wav", "ann.wav", "\u00e9.wav", "e\u0301.wav")
    given = lines(*({"text": "a", "output": name} for name in names))
    problems = [task.item.problem for task in assign(given, out, "wav")]
    assert [problem is not None for problem in problems] == [False, is_one, False, is_one]


def test_two_to_one_file_is_found_before_any_work(texts: Path, out: Path) -> None:
    (texts / "2.md").write_text("hello")
    with pytest.raises(UsageError, match=r"2\.md and .*2\.txt would both be written to 2\.flac"):
        assign(gather(Sources(paths=[str(texts)])), out, "flac")
    given = lines({"text": "a", "output": "x.wav"}, {"text": "b", "output": ".//x.wav"}, {"text": "c"})
    first, second, third = (task.item.problem for task in assign(given, out, "wav"))  # it fails alone
    assert (first, "would both be written to x.wav" in str(second), third) == (None, True, None)
    assert len(assign([*spoken("a", "b"), *spoken("a")], out, "wav")) == 2  # named twice, made once
    (out / "own").mkdir(parents=True)
    own = out / "own" / "a.srt"
    own.write_text("1\n00:00:00,000 --> 00:00:01,000\nhello\n")
    with pytest.raises(UsageError, match=r"own.a\.srt is one of the texts; give -o another folder"):
        assign(gather(Sources(paths=[str(own)])), own.parent, "flac", subtitles="srt")
    given = lines({"text": "a", "output": "x.wav"}, {"text": "b", "id": "x"})
    _, second = (task.item.problem for task in assign(given, out, "flac", subtitles="srt"))
    assert "would both be written to x.srt" in str(second)
    with pytest.raises(UsageError, match="--join and all"):
        assign(spoken("all"), out, "wav", joined="all.wav")


@pytest.mark.parametrize(
    ("names", "clash"),
    [
        (("x.wav", "x.wav/y.wav"), "x.wav"),
        (("b/c.wav/d/e.wav", "b/c.wav"), "b/c.wav"),
        (("b/c/d.wav", "b/c.wav"), None),
    ],
)
def test_a_name_that_would_be_a_file_and_a_folder_is_told_before_any_work(
    names: tuple[str, ...], clash: str | None, out: Path
) -> None:
    given = lines(*({"text": "a", "output": name} for name in names))
    first, second = (task.item.problem for task in assign(given, out, "wav"))
    assert first is None
    assert (second is None) == (clash is None)
    assert second is None or f"would make {clash} both a file and a folder; rename one of" in str(second)


# What decides how a sound comes out


def test_keys_tell_apart_all_that_is_heard(tiny_model: Path, tmp_path: Path) -> None:
    item, base = Item(source="a", name="a"), maker(tiny_model)
    keys = [
        base.sound_key(item, "hello"),
        base.sound_key(item, "hello "),
        base.sound_key(replace(item, voice="ann"), "hello"),
        base.sound_key(replace(item, seed=7), "hello"),
        maker(tiny_model, settings={"pause": 0.5}).sound_key(item, "hello"),
        maker(tiny_model, seed=8).sound_key(item, "hello"),
    ]
    assert len(set(keys)) == len(keys)
    assert maker(tiny_model).sound_key(replace(item, source="b", name="b"), "hello") == keys[0]
    assert maker(tiny_model, voice="ann").sound_key(item, "hello") == keys[2]
    assert maker(tiny_model, files={"metadata": False}).sound_key(item, "hello") == keys[0]
    assert len({base.file_key(keys[0], f) for f in ("wav", "flac")}) == 2
    assert base.seed_of(item, keys[0]) != base.seed_of(item, keys[1])
    assert base.seed_of(replace(item, seed=7), keys[0]) == 7


def test_another_voice_of_the_same_name_is_another(tiny_model: Path, tmp_path: Path, bark: Bark) -> None:
    voice, item = tmp_path / "v.npz", Item(source="a", name="a")
    found = set()
    for seed in (1, 2):
        write_voice(voice, tiny_voice(bark.config, seed=seed))
        found.add(maker(tiny_model, voice=str(voice)).sound_key(item, "hello"))
    assert len(found) == 2


def test_a_model_is_known_by_what_its_files_hold(tiny_model: Path, tmp_path: Path) -> None:
    import shutil

    copy = shutil.copytree(tiny_model, tmp_path / "copy", copy_function=shutil.copyfile)
    ref = ModelRef(name="tiny", folder=tiny_model)
    other = ModelRef(name="other", folder=copy)
    assert model_identity([ref]) == model_identity([other])
    weights = copy / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert model_identity([ref]) != model_identity([other])
    assert model_identity([ref]) != model_identity([ref, ref])


def test_large_files_are_sampled_from_their_first_byte_to_their_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bark_cli.batch import identity

    monkeypatch.setattr(identity, "_WHOLE", 100)
    monkeypatch.setattr(identity, "_SAMPLE", 4)
    file, found = tmp_path / "x.bin", set()
    for flipped in (None, 0, 999, 498):
        data = bytearray(1000)
        if flipped is not None:
            data[flipped] = 1
        file.write_bytes(data)
        found.add(identity._sampled(file))
    assert len(found) == 3 + (498 in sampled_places())


def sampled_places() -> set[int]:
    return {996 * i // 63 + k for i in range(64) for k in range(4)}


# What is made


def test_a_batch_makes_what_say_makes(bark: Bark, out: Path) -> None:
    events = make(bark, [Item(source="x", name="deep/er/x", text="hello\nmy name is bark")], out, seed=7)
    assert of(events, Made) == ["deep/er/x.flac"]
    one, two = (
        bark.say(t, seed=piece_seed(7, i), options=OPTIONS)
        for i, t in enumerate(["hello", "my name is bark"])
    )
    samples, rate = soundfile.read(out / "deep/er/x.flac", dtype="float32")
    assert rate == 24_000
    pause = round(0.1 * rate)
    first, last = len(one.audio.samples), len(two.audio.samples)
    assert len(samples) == first + pause + last + pause
    assert not samples[first : first + pause].any()
    edge = 200  # beyond the fade
    assert np.allclose(samples[: first - edge], one.audio.samples[: first - edge].clip(-1, 1), atol=1e-4)
    assert [type(e) for e in events] == [Said, Said, Made]


def test_doing_it_again_does_nothing(bark: Bark, out: Path) -> None:
    items = spoken("a", "b", "c/d")
    assert of(make(bark, items, out), Made) == ["a.flac", "b.flac", "c/d.flac"]
    before = files(out)
    assert make(bark, items, out) == []
    assert files(out) == before
    assert not (out / ".bark-batch.parts").exists()
    assert len((out / LEDGER_FILE).read_text().splitlines()) == 3


def changed_text(items: list[Item], out: Path) -> dict[str, object]:
    items[1] = replace(items[1], text="my name is")
    return {}


def changed_voice(items: list[Item], out: Path) -> dict[str, object]:
    items[1] = replace(items[1], voice="ann")
    return {}


def changed_seed(items: list[Item], out: Path) -> dict[str, object]:
    items[1] = replace(items[1], seed=3)
    return {}


def lost_output(items: list[Item], out: Path) -> dict[str, object]:
    (out / "b.flac").unlink()
    return {}


@pytest.mark.parametrize("change", [changed_text, changed_voice, changed_seed, lost_output])
def test_what_changed_is_made_anew_and_only_that(
    change: Callable[[list[Item], Path], dict[str, object]], bark: Bark, out: Path
) -> None:
    items = spoken("a", "b", "c")
    make(bark, items, out)
    change(items, out)
    assert of(make(bark, items, out), Made) == ["b.flac"]
    assert make(bark, items, out) == []


@pytest.mark.parametrize(
    "how", [{"settings": {"pause": 1}}, {"voice": "ann"}, {"seed": 5}, {"overwrite": True}]
)
def test_what_counts_for_all_makes_all_anew(how: dict[str, object], bark: Bark, out: Path) -> None:
    items = spoken("a", "b", "c")
    make(bark, items, out)
    assert len(of(make(bark, items, out, **dict(how)), Made)) == 3
    if "overwrite" not in how:
        assert make(bark, items, out, **dict(how)) == []


def test_a_changed_output_is_made_anew_and_kept(bark: Bark, out: Path) -> None:
    items = spoken("a", "b")
    make(bark, items, out)
    whole = (out / "a.flac").read_bytes()
    (out / "a.flac").write_bytes(whole[:100])
    [*_, made] = make(bark, items, out)
    assert isinstance(made, Made)
    assert made.kept == "a.flac.kept"
    assert (out / made.kept).read_bytes() == whole[:100]
    assert (out / "a.flac").read_bytes() == whole
    (out / "a.flac").write_bytes(b"again")
    [*_, failed] = make(bark, items, out)
    assert isinstance(failed, Failed)
    assert "was changed since it was made" in str(failed.error)
    assert (out / "a.flac").read_bytes() == b"again"


def test_a_copy_of_the_folder_is_done(bark: Bark, out: Path, tmp_path: Path) -> None:
    import shutil

    make(bark, spoken("a", "b"), out)
    copy = shutil.copytree(out, tmp_path / "copy", copy_function=shutil.copyfile)
    os.utime(copy / "a.flac", (1, 1))
    assert make(bark, spoken("a", "b"), copy) == []


def test_what_others_have_made_is_theirs(bark: Bark, out: Path) -> None:
    out.mkdir()
    (out / "a.flac").write_bytes(b"mine")
    events = make(bark, spoken("a", "b"), out)
    assert of(events, Made) == ["b.flac"]
    [failed] = [event for event in events if isinstance(event, Failed)]
    assert "was not made by this batch" in str(failed.error)
    assert (out / "a.flac").read_bytes() == b"mine"
    assert of(make(bark, spoken("a"), out, overwrite=True), Made) == ["a.flac"]
    assert make(bark, spoken("a", "b"), out) == []


def test_what_came_while_we_worked_is_theirs(bark: Bark, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bark_cli.batch import run as module

    place_all = module.place_all

    def late(sets: list[list[module.NewFile]], ledger: Ledger, *, overwrite: bool = False) -> object:
        (out / sets[0][0].output).write_bytes(b"mine")
        return place_all(sets, ledger, overwrite=overwrite)

    monkeypatch.setattr(module, "place_all", late)
    [*_, failed] = make(bark, spoken("a"), out)
    assert isinstance(failed, Failed)
    assert (out / "a.flac").read_bytes() == b"mine"
    assert not (out / LEDGER_FILE).exists()


def test_one_bad_among_many(bark: Bark, out: Path, tmp_path: Path) -> None:
    gone, folder = tmp_path / "gone.txt", tmp_path / "folder"
    (out / "7.flac").mkdir(parents=True)
    bad = [
        Item(source="1", name="1", text=" \n"),
        Item(source="2", name="2", text="hello", voice="nobody"),
        Item(source="3", name="3", text="hello\n\x07"),
        Item(source="4", name="4", problem=TextError("torn")),
        Item(source="7", name="7", text="hello"),
    ]
    assert not gone.exists()
    assert not folder.exists()
    good = spoken("5", "6")
    events = make(bark, [bad[0], good[0], *bad[1:], good[1]], out)
    assert of(events, Made) == ["5.flac", "6.flac"]
    reasons = {event.task.item.name: str(event.error) for event in events if isinstance(event, Failed)}
    assert set(reasons) == {"1", "2", "3", "4", "7"}
    assert "no text" in reasons["1"]
    assert "no voice 'nobody'" in reasons["2"]
    assert "control character" in reasons["3"]
    assert reasons["4"] == "torn"
    assert "is a folder" in reasons["7"]
    assert set(files(out)) == {"5.flac", "6.flac"}


def test_metadata_says_what_was_said_and_no_time(bark: Bark, out: Path) -> None:
    def tell(item: Item, narration: Narration, seed: int) -> Provenance:
        return Provenance("tiny", item.voice, seed, hash_text(narration.pieces[0].text), "1")

    for folder in (out, out / "again"):
        who = maker(bark.folder)
        with hold(folder) as (ledger, scratch):
            batch = Batch(ledger=ledger, maker=who, read=read)
            making = Making(speaker=bark, scratch=scratch, compose=compose, metadata=tell)
            list(run(batch, assign(spoken("a"), folder, "flac"), partial(make_files, making)))
    found = read_provenance(out / "a.flac")
    assert found is not None
    assert found.text_hash == hash_text("hello bark a")
    assert (out / "a.flac").read_bytes() == (out / "again" / "a.flac").read_bytes()


def test_tasks_are_taken_as_there_is_room(bark: Bark, out: Path) -> None:
    taken = 0

    def many() -> object:
        nonlocal taken
        for task in assign(spoken(*map(str, range(40))), out, "flac"):
            taken += 1
            yield task

    with hold(out) as (ledger, scratch):
        batch = Batch(ledger=ledger, maker=maker(bark.folder), read=read)
        making = Making(speaker=bark, scratch=scratch, compose=compose, batch_size=2)
        events = run(batch, many(), partial(make_files, making))  # type: ignore[arg-type]
        while not isinstance(next(events), Made):
            pass
        assert taken < 8
        assert sum(1 for path in scratch.iterdir()) <= 3
        events.close()
        assert not list(scratch.iterdir())


def test_a_full_disk_stops_the_batch_and_leaves_what_is_done(
    bark: Bark, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bark_cli.batch import run as module

    place_all, calls = module.place_all, 0

    def full(sets: list[list[module.NewFile]], ledger: Ledger, *, overwrite: bool = False) -> object:
        nonlocal calls
        calls += 1
        if calls > 2:
            try:
                raise OSError(errno.ENOSPC, "No space left on device")
            except OSError as error:
                raise OutputError("cannot write: No space left on device") from error
        return place_all(sets, ledger, overwrite=overwrite)

    monkeypatch.setattr(module, "place_all", full)
    names = [str(i) for i in range(12)]
    with pytest.raises(OutputError, match="No space left"):
        make(bark, spoken(*names), out)
    assert calls == 3
    assert len(files(out)) == 2
    monkeypatch.undo()
    assert len(of(make(bark, spoken(*names), out), Made)) == 10


# The ledger


def entry(output: str = "a.wav", key: str = "k") -> Entry:
    return Entry(output=output, key=key, source="a", seconds=1.0, seed=1, size=3, mtime_ns=0, sha256="")


def test_a_torn_line_is_ignored_and_not_gone_on_with(bark: Bark, out: Path) -> None:
    items = spoken("a", "b", "c")
    make(bark, items, out)
    whole = (out / LEDGER_FILE).read_bytes()
    for cut in (1, 20, 60):
        (out / LEDGER_FILE).write_bytes(whole[:-cut])
        remade = of(make(bark, items, out, overwrite=False), Made) or of(
            make(bark, items, out, overwrite=True), Made
        )
        assert remade
        assert make(bark, items, out) == []


def test_what_is_no_entry_is_ignored(out: Path) -> None:
    out.mkdir()
    good = Ledger(out)
    good.add(entry())
    with (out / LEDGER_FILE).open("ab") as stream:
        stream.write(b'{"output": "b.wav"}\n[1]\n"x"\n\xff\n' + b"[" * 100_000 + b"\n" + b'{"outp')
    Ledger(out).add(entry("c.wav"))
    again = Ledger(out)
    assert again.knows("a.wav")
    assert again.knows("c.wav")
    assert not again.knows("b.wav")


def test_a_line_alone_is_not_done(out: Path) -> None:
    """A kill between the line and the name: the file has still the old content, or is not there."""
    out.mkdir()
    (out / "a.wav").write_bytes(b"old")
    stat = (out / "a.wav").stat()
    old = replace(entry(key="old"), mtime_ns=stat.st_mtime_ns)
    ledger = Ledger(out)
    ledger.add(old)
    ledger.add(replace(entry(key="new"), sha256="of the new one"))
    assert Ledger(out).find("a.wav", "old") == old
    assert Ledger(out).find("a.wav", "new") is None
    assert Ledger(out).is_ours("a.wav")


def test_only_one_at_a_time(out: Path) -> None:
    with hold(out), pytest.raises(OutputError, match="another `bark batch` is writing"), hold(out):
        pass
    with hold(out):
        assert (out / LOCK_FILE).exists()


def test_what_a_kill_left_is_swept(out: Path) -> None:
    scratch = out / ".bark-batch.parts"
    scratch.mkdir(parents=True)
    (scratch / "0.flac").write_bytes(b"half")
    with hold(out) as (_, empty):
        assert empty == scratch
        assert not list(empty.iterdir())


def test_a_link_is_not_swept(out: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x").write_bytes(b"x")
    out.mkdir()
    (out / ".bark-batch.parts").symlink_to(tmp_path / "mine")
    with pytest.raises(OutputError, match="is a link"), hold(out):
        pass
    assert (tmp_path / "mine" / "x").exists()


# All in one


def test_joined_is_all_in_order(bark: Bark, out: Path) -> None:
    items = spoken("1", "2", "3")
    make(bark, items, out)
    tasks, who = assign(items, out, "flac"), maker(bark.folder)
    with hold(out) as (ledger, scratch):
        parts = [one.entry for one in plan(tasks, ledger, who) if one.entry is not None]
        joint = Joint(format="flac", pause_s=0.5)
        made = join_files(parts, joint, ledger, scratch)
        before = (out / "all.flac").stat().st_mtime_ns
        assert join_files(parts, joint, ledger, scratch) == made
        assert (out / "all.flac").stat().st_mtime_ns == before
        other = join_files(parts[:2], joint, ledger, scratch)
        assert other.seconds < made.seconds
    assert made.seconds == pytest.approx(sum(part.seconds for part in parts) + 1.0, abs=0.01)
    joined = [soundfile.read(out / f"{name}.flac")[0] for name in ("1", "2")]
    pause = np.zeros(12_000)
    assert np.array_equal(soundfile.read(out / "all.flac")[0], np.concatenate([joined[0], pause, joined[1]]))


def test_the_plan_says_why(bark: Bark, out: Path) -> None:
    make(bark, spoken("a", "b", "c"), out)
    (out / "a.flac").unlink()
    items = [*spoken("a", "b", "c", "d"), Item(source="e", name="e")]
    items[1] = replace(items[1], text="my name")
    found = plan(assign(items, out, "flac"), Ledger(out), maker(bark.folder))
    states: list[Planned] = list(found)
    assert [one.state for one in states] == ["gone", "changed", "done", "new", "failed"]
    assert [one.is_due for one in states] == [True, True, False, True, False]
    assert states[0].estimate_s > 0
    assert isinstance(states[4].error, BarkError)


# Ctrl-C


def test_an_interrupt_waits_for_the_end_of_the_block() -> None:
    done = []

    def work() -> None:
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            done.append("block")
        done.append("after")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["block"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_threads_have_no_interrupts() -> None:
    done = []

    def work() -> None:
        with uninterrupted():
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]


def test_who_ignores_interrupts_goes_on_doing_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


# Tables


@pytest.mark.parametrize(
    ("name", "between"), [("sheet.csv", ","), ("sheet.csv", ";"), ("sheet.tsv", "\t"), ("SHEET.CSV", ",")]
)
def test_a_table_is_read_by_its_header(tmp_path: Path, name: str, between: str) -> None:
    rows = [
        ["Voice", "text", "seed", "output", "notes"],
        ["nano/ben", '"Hello, you; there.\nBye."', "7", "a/hello.wav", "not spoken"],
        ["", "", "", "", ""],
        ["", "Second.", "", "", "x"],
        ["", "Third.", "minus one", "", ""],
        ["nano/ben", "", "", "", "no words"],
    ]
    file = tmp_path / name
    file.write_text("\ufeff" + "\n".join(between.join(row) for row in rows), encoding="utf-8")
    first, second, third, last = gather(Sources(paths=[str(file)]))
    assert (first.text, first.voice, first.seed) == ("Hello, you; there.\nBye.", "nano/ben", 7)
    assert (first.name, first.named) == ("a/hello.wav", True)
    assert (second.text, second.voice, second.seed, second.problem) == ("Second.", None, None, None)
    assert second.name == f"{file.stem}-00005"  # by its line, as in JSON Lines
    assert "its seed is not a whole number" in str(third.problem)
    assert "it has no text" in str(last.problem)


@pytest.mark.parametrize("content", ["a,b\n1,2\n", "", "just words\n"])
def test_a_table_without_a_column_of_texts_is_refused_by_name(tmp_path: Path, content: str) -> None:
    (tmp_path / "sheet.csv").write_text(content, encoding="utf-8")
    with pytest.raises(TextError, match=r'sheet\.csv has no column "text"'):
        list(gather(Sources(paths=[str(tmp_path / "sheet.csv")])))


# Lists, packed and in columns


def packed(name: str, data: bytes) -> bytes:
    """The bytes of a list as its name says."""
    if name.endswith(".gz"):
        return gzip.compress(data)
    return pyarrow.compress(data, "zstd", asbytes=True) if name.endswith(".zst") else data


@pytest.mark.parametrize("name", ["list.jsonl", "list.jsonl.gz", "list.jsonl.zst"])
def test_a_list_is_read_as_it_is_packed(name: str, tmp_path: Path) -> None:
    rows = [{"caption": f"text {i}", "text": "not this", "seed": i} for i in range(3000)]
    data = "\n".join(map(json.dumps, rows)).encode()
    (tmp_path / name).write_bytes(packed(name, data))
    items = list(gather(Sources(paths=[str(tmp_path / name)], columns={"text": "caption"})))
    assert [(item.text, item.seed) for item in items] == [(f"text {i}", i) for i in range(3000)]
    assert items[0].name == "list-00001"


def test_rows_of_parquet_are_items(tmp_path: Path) -> None:
    file = tmp_path / "list.parquet"
    columns = {"caption": ["one", "two", None], "output": ["a/b.wav", None, None], "seed": [7, None, 1]}
    parquet.write_table(pyarrow.table(columns | {"other": [1, 2, 3]}), file)
    first, second, third = gather(Sources(paths=[str(file)], columns={"text": "caption"}))
    assert (first.text, first.name, first.named, first.seed) == ("one", "a/b.wav", True, 7)
    assert (second.text, second.name, second.seed) == ("two", "list-00002", None)
    assert "it has no text" in str(third.problem)
    with pytest.raises(TextError, match='no column "text"'):
        list(gather(Sources(paths=[str(file)])))


def test_a_text_that_many_rows_of_parquet_share_is_in_memory_once(tmp_path: Path) -> None:
    file, text = tmp_path / "list.parquet", "word " * 200_000
    parquet.write_table(pyarrow.table({"text": pyarrow.array([text] * 1000)}), file, compression="zstd")
    assert file.stat().st_size < 2**20
    before = pyarrow.total_allocated_bytes()
    items = iter(gather(Sources(paths=[str(file)])))
    assert [next(items).text == text for _ in range(3)] == [True] * 3
    assert pyarrow.total_allocated_bytes() - before < 50 * len(text)


def test_a_column_of_parquet_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "list.parquet"
    parquet.write_table(pyarrow.table({"text": ["word " * 1000] * 10 + ["other " * 1000]}), file)
    monkeypatch.setattr(lists, "_MOST_IN_COLUMN", 5000)
    with pytest.raises(
        TextError, match=r"column text unpacks to .* in one row group, more than .*smaller ones"
    ):
        list(gather(Sources(paths=[str(file)])))


def test_a_text_of_parquet_that_is_too_long_fails_alone(tmp_path: Path) -> None:
    file = tmp_path / "list.parquet"
    parquet.write_table(pyarrow.table({"text": ["x" * (2**24 + 1), "two"]}), file)
    first, second = gather(Sources(paths=[str(file)]))
    assert "longer than 16 MiB" in str(first.problem)
    assert second.text == "two"


def test_a_column_of_a_table_goes_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("Caption,who\nHello.,ann\n")
    [item] = gather(Sources(paths=[str(file)], columns={"text": "Caption", "voice": "who"}))
    assert (item.text, item.voice) == ("Hello.", "ann")


def test_a_row_of_a_table_that_would_lose_words_fails_alone(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text(
        'text,voice\nHello, you, there\n5" pipe, none \nfine,,\n"one\ntwo",\n"never closed\nmore\n'
    )
    torn, whole, plain, lines_, open_ = gather(Sources(paths=[str(file)]))
    assert "it has 3 cells below 2 columns; put quotation marks around a text that holds ','" in str(
        torn.problem
    )
    assert [(item.text, item.voice, item.problem) for item in (whole, plain, lines_)] == [
        ('5" pipe', "none", None),
        ("fine", None, None),
        ("one\ntwo", None, None),
    ]
    assert "a quotation mark opens 1 lines before, and none closes it" in str(open_.problem)
    file.write_text('text,voice\n"Hello,\n"World",none\nlast,\n')
    merged, last = gather(Sources(paths=[str(file)]))
    assert "a quotation mark opens 1 lines before, and none closes it" in str(merged.problem)
    assert last.text == "last"
    file.write_text('text,voice\n6" nails,\n"open,none')  # in the last line, which nothing follows
    inches, open_ = gather(Sources(paths=[str(file)]))
    assert (inches.text, str(open_.problem)) == (
        '6" nails',
        "a quotation mark opens, and none closes it; close it",
    )
    file.write_text("text,Text\na,b\n")
    with pytest.raises(TextError, match='two columns "text"'):
        list(gather(Sources(paths=[str(file)])))
    file.write_text("text|voice\na, b|none\n")
    [item] = gather(Sources(paths=[str(file)]))
    assert (item.text, item.voice) == ("a, b", "none")


@pytest.mark.parametrize("name", ["list.jsonl.gz", "list.jsonl.zst", "list.parquet"])
def test_a_list_that_is_cut_short_is_told_in_a_line(name: str, tmp_path: Path) -> None:
    data = packed(name, b'{"text": "hello"}\n' * 5000)
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(TextError, match="list"):
        list(gather(Sources(paths=[str(tmp_path / name)])))


def test_a_packed_list_that_is_damaged_is_told_in_a_line(tmp_path: Path) -> None:
    data = bytearray(gzip.compress(b'{"text": "hello"}\n' * 5000))
    data[30:40] = b"\xff" * 10
    (tmp_path / "list.jsonl.gz").write_bytes(data)
    with pytest.raises(TextError, match=r"list\.jsonl\.gz is not whole, or not packed with gzip"):
        list(gather(Sources(paths=[str(tmp_path / "list.jsonl.gz")])))


# Rows with a language or a cast of their own


@pytest.mark.parametrize(
    "cast",
    [
        {"ANNA": "nano/anna"},
        {"ANNA": "nano/anna", "BEN": None},  # as rows of Parquet lack what others have
        "ANNA=nano/anna",
        [("ANNA", "nano/anna")],
        " ANNA = nano/anna, ",
    ],
)
def test_a_row_may_have_a_language_and_a_cast(cast: object, tmp_path: Path) -> None:
    [item] = lines({"text": "ANNA: Hello.", "cast": cast, "language": "de"})
    assert (item.language, item.cast, item.problem) == ("de", {"ANNA": "nano/anna"}, None)
    script = Manner(settings=Settings()).script(item, item.text)
    assert [(line.text, line.speaker) for line in script.lines] == [("Hello.", "ANNA")]
    assert script.cast == {"ANNA": "nano/anna"}


def test_a_cast_that_names_no_voices_is_that_rows_problem() -> None:
    for cast in ("ANNA", 7, {"ANNA": 7}, ["ANNA"]):
        [item] = lines({"text": "a", "cast": cast})
        assert "its cast does not name voices" in str(item.problem)


def test_another_language_or_cast_is_another_sound(
    tiny_model: Path, tiny_config: BarkConfig, tmp_path: Path
) -> None:
    voice = str(write_voice(tmp_path / "ann.npz", tiny_voice(tiny_config)))
    item, who = Item(source="a", name="a", text="ANN: hello"), maker(tiny_model)
    others = [item, replace(item, language="de"), replace(item, cast={"ANN": voice})]
    assert len({who.sound_key(one, one.text) for one in others}) == 3


# Without holding them


def test_a_list_is_gone_through_twice_and_must_stay_as_it_is(out: Path, tmp_path: Path) -> None:
    file = tmp_path / "list.jsonl"
    file.write_text('{"text": "a"}\n{"text": "b"}\n{"text": "c"}\n')
    items, outlook = gather(Sources(paths=[str(file)])), Outlook()
    outputs = Outputs(out, "wav")
    for n, item in enumerate(items):
        task = outputs.claim(item)
        assert task is not None
        outlook.add(task, Planned(task=task, state="new" if n else "done", estimate_s=n / 2))
    assert (outlook.due, outlook.due_s) == (2, 1.5)
    assert [(task.item.text, s) for task, s in outlook.tasks(items, outputs)] == [("b", 0.5), ("c", 1.0)]
    file.write_text('{"text": "a"}\n{"text": "b", "output": "other"}\n')
    with pytest.raises(TextError, match=r"list\.jsonl:2 was changed while it was read"):
        list(outlook.tasks(items, outputs))
    file.write_text('{"text": "a"}\n{"text": "b"}\n')
    with pytest.raises(TextError, match="there are fewer texts than when they were looked at"):
        list(outlook.tasks(items, outputs))


def test_no_room_for_names_is_told_in_a_line() -> None:
    index = Index()
    index._table.execute("PRAGMA max_page_count = 20")
    with pytest.raises(OutputError, match=r"full; set SQLITE_TMPDIR"):
        index.add(LedgerLine(f"a/long/name/{n:060d}", None, n, 1) for n in range(10_000))


def test_memory_does_not_grow_with_names_and_lines(out: Path) -> None:
    """What is kept of each in memory is a few bytes, not its names."""
    out.mkdir()
    row = json.dumps({"key": "k" * 64, "source": "s", "seconds": 1.0, "seed": 1, "size": 1, "mtime_ns": 1})
    with (out / LEDGER_FILE).open("w") as stream:
        stream.writelines(f'{row[:-1]}, "sha256": "0", "output": "{i:0200d}.wav"}}\n' for i in range(5000))
    outputs, held = Outputs(out, "wav"), list[int]()
    tracemalloc.start()
    try:
        for turn in range(3):  # Python's own table of names may grow in one of them
            before, _ = tracemalloc.get_traced_memory()
            ledger = Ledger(out)
            for i in range(5000):
                assert outputs.claim(Item(source=str(i), name=f"{turn}-{i:0200d}", text="a")) is not None
            held.append(tracemalloc.get_traced_memory()[0] - before)
    finally:
        tracemalloc.stop()
    assert ledger.knows(f"{4999:0200d}.wav")
    assert min(held) < 100 * 5000


@pytest.mark.parametrize("name", ["list.csv", "list.tsv"])
def test_a_table_is_read_a_line_at_a_time(name: str, tmp_path: Path) -> None:
    """It may be longer than any text, and its second row is there before its last."""
    file = tmp_path / name
    between = "," if name.endswith("csv") else "\t"
    with file.open("w", encoding="utf-16") as stream:
        stream.write(f"text{between}seed\n")
        stream.writelines(f'"{"hello " * 100}{i}"{between}{i}\n' for i in range(200))
    items = iter(gather(Sources(paths=[str(file)])))
    assert next(items).seed == 0
    assert sum(1 for _ in items) == 199
    file.write_bytes(b"text\nHello.\n" + b"x" * 2**21)
    with pytest.raises(TextError, match=r":3 is too long for a row"):
        list(gather(Sources(paths=[str(file)])))
    file.write_bytes(b"text\nHello.\nGr\xfc\xdfe.\n")
    with pytest.raises(TextError, match="is not UTF-8 text"):
        list(gather(Sources(paths=[str(file)])))
