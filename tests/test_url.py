"""`bark batch -o URL`: the same files as in a folder, whole or not at all, whatever happened meanwhile."""

from __future__ import annotations

import io
import json
import random
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from bucket import Bucket
from fork_server import ForkServer, wait_until
from pyarrow import parquet

from bark_cli.batch.begin import Begun, begin_all, end_all
from bark_cli.batch.items import Item
from bark_cli.batch.ledger import LEDGER_FILE, hold
from bark_cli.batch.make import Failed
from bark_cli.batch.order import Order
from bark_cli.batch.outputs import assign
from bark_cli.batch.place import NewFile, place
from bark_cli.batch.url import UrlFolder
from bark_cli.cli import main
from bark_cli.cluster.suspicion import Suspicion
from bark_cli.errors import OutputError, UsageError


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    rows = [{"text": f"hello bark {letter}"} for letter in "abcdef"]
    rows[0] |= {"output": "deep/er.opus"}
    path = tmp_path / "list.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def command(model: Path, listed: Path, out: object, *more: str) -> list[str]:
    how = ["--precision", "fp32", "--max-duration", "0.05", "--top-k", "12", "--batch-size", "4"]
    return ["batch", str(listed), "-m", str(model), *how, "-o", str(out), *more]


def loose(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".bark-")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_files_lie_at_a_url_as_in_a_folder_and_what_has_changed_or_gone_is_made_anew(
    talkative: Path, listed: Path, out: Path, server: ForkServer, bucket: Bucket
) -> None:
    assert main(command(talkative, listed, out, "-q", "--subtitles", "srt")) == 0
    url, folder = "s3://bucket/spoken/clips", "spoken/clips"
    line = command(talkative, listed, url, "--subtitles", "srt", "--json")
    running = server.start(line)
    assert running.wait() == 0, running.err
    told = json.loads(running.out)
    assert (told["folder"], told["made"]) == (url, 6)
    assert f"{url}/deep/er.opus" in [file["path"] for file in told["files"]]
    first = bucket.below(folder)
    assert first == loose(out)
    bucket.remove(f"{folder}/list-00002.flac")
    foreign = bytes(len(first["list-00003.flac"]))  # as long as what was made
    bucket.put(f"{folder}/list-00003.flac", foreign)
    rows = listed.read_text().splitlines()
    rows[3] = json.dumps({"text": "hello bark my name"})
    listed.write_text("\n".join(rows))
    again = server.start(line)
    assert again.wait() == 0
    assert json.loads(again.out)["made"] == 3
    assert "list-00003.flac had been changed; that file is now list-00003.flac.kept" in again.err
    second = bucket.below(folder)
    assert second.pop("list-00003.flac.kept") == foreign
    assert second.keys() == first.keys()
    assert {name for name in first if first[name] != second[name]} == {"list-00004.flac", "list-00004.srt"}


def test_an_object_that_no_batch_made_is_never_written_over_unasked(
    talkative: Path, listed: Path, server: ForkServer, bucket: Bucket
) -> None:
    url, folder = "s3://bucket/foreign", "foreign"
    bucket.put(f"{folder}/list-00005.flac", b"mine")
    refused = server.start(command(talkative, listed, url))
    assert refused.wait() == 1
    assert (
        f"{url}/list-00005.flac was not made by this batch; move it away, or use --overwrite" in refused.err
    )
    found = bucket.below(folder)
    assert found["list-00005.flac"] == b"mine"
    assert len(found) == 6
    assert server.start(command(talkative, listed, url, "--overwrite")).wait() == 0
    assert bucket.get(f"{folder}/list-00005.flac") != b"mine"


@pytest.mark.parametrize(
    "more", [[], ["--shards", "parquet", "--shard-size", "6kB"]], ids=["loose", "shards"]
)
def test_a_killed_batch_goes_on_and_ends_with_every_object_once(
    more: list[str], talkative: Path, tmp_path: Path, out: Path, server: ForkServer, bucket: Bucket
) -> None:
    listed, folder = tmp_path / "list.jsonl", f"killed-{len(more)}"
    texts = [f"hello {one} {other}" for one in "abc" for other in "efghij"]
    listed.write_text("\n".join(json.dumps({"text": text}) for text in texts))
    assert main(command(talkative, listed, out, "-q")) == 0
    line = command(talkative, listed, f"s3://bucket/{folder}", *more)
    stream = random.Random(7)
    for kills in range(1, 3):
        running = server.start(line)
        wait_until(lambda kills=kills: len(bucket.below(folder)) >= 2 * kills)
        time.sleep(stream.uniform(0.0, 0.1))
        running.kill(signal.SIGKILL)
        running.wait()
        assert sounds(bucket, folder).items() <= loose(out).items()  # each is whole
    bucket.begin_upload(f"{folder}/data/train-00000.parquet" if more else f"{folder}/list-00001.flac")
    bucket.begin_upload(f"{folder}/somebody-elses.bin")
    last = server.start([*line, "--json"])
    assert last.wait() == 0
    assert json.loads(last.out)["made"] < 18
    assert sounds(bucket, folder) == loose(out)
    left = [key for key in bucket.uploads() if key.startswith(f"{folder}/")]
    assert left == [f"{folder}/somebody-elses.bin"]
    written = [last.out.encode(), last.err.encode(), *bucket.below(folder).values()]
    written += [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(b"never-to-be-seen" in data for data in written)  # the key


def sounds(bucket: Bucket, folder: str) -> dict[str, bytes]:
    """By name, each once, whether they are packed or not."""
    found = bucket.below(folder)
    if "README.md" not in found and not any(name.startswith("data/") for name in found):
        return found
    rows = [
        row["audio"]
        for name, data in found.items()
        if name.startswith("data/")
        for row in parquet.read_table(io.BytesIO(data)).to_pylist()
    ]
    assert len({row["path"] for row in rows}) == len(rows)
    return {row["path"]: row["bytes"] for row in rows}


def test_all_of_a_url_is_joined_and_a_file_url_is_one_too(
    talkative: Path, listed: Path, out: Path, tmp_path: Path
) -> None:
    shared = tmp_path / "shared" / "clips"
    assert main(command(talkative, listed, out, "-q", "--join", "--format", "wav")) == 0
    assert main(command(talkative, listed, shared.as_uri(), "-q", "--join", "--format", "wav")) == 0
    assert loose(shared) == loose(out)
    assert not list(shared.glob(".bark-batch.sending/*"))
    assert not (shared / ".bark-batch.jsonl").exists()
    assert (tmp_path / "list.jsonl.bark" / ".bark-batch.jsonl").exists()


def test_a_link_below_a_file_url_is_not_followed_out_of_it(
    talkative: Path, listed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shared, outside = tmp_path / "shared", tmp_path / "outside"
    shared.mkdir()
    outside.mkdir()
    (shared / "deep").symlink_to(outside)
    assert main(command(talkative, listed, shared.as_uri())) == 1
    assert "its output 'deep/er.opus' leads out of" in capsys.readouterr().err
    assert not list(outside.iterdir())


def test_a_ledger_is_of_one_url(
    talkative: Path, listed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = ((tmp_path / name).as_uri() for name in ("one", "other"))
    assert main(command(talkative, listed, one, "-q")) == 0
    assert main(command(talkative, listed, other, "-q")) == 2
    told = capsys.readouterr().err
    assert told == f"bark: the ledger in {listed}.bark is of {one}; give another folder with --ledger\n"
    assert main(command(talkative, listed, other, "-q", "--ledger", str(tmp_path / "second"))) == 0
    assert loose(tmp_path / "one") == loose(tmp_path / "other")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            ["-o", "s3://key:secret@bucket/x"],
            "-o s3://… takes no keys, @, ? or ::; keys come from the environment",
        ),
        (["-o", "sftp://ann:secret@host/x"], "-o sftp://… takes no keys"),
        (["-o", "s3://bucket/x?secret=secret"], "-o s3://… takes no keys"),
        (["-o", "file://clips"], "-o file:// takes a whole path, such as file:///mnt/clips"),
        (["-o", "s3:///"], "-o s3:// names no place; give one such as s3://bucket/folder"),
        (["-o", "nowhere://bucket/x"], "nowhere:// is not known; use s3://, gs://"),
        (
            ["-o", "gs://bucket/x"],
            "Please install gcsfs to access Google Storage; see fsspec's documentation",
        ),
        (["-o", "out", "--ledger", "kept"], "--ledger is for -o with a URL"),
        (["-o", "s3://bucket/x", "--ledger", "s3://bucket/y"], "--ledger takes a folder of this machine"),
        (["-o", "s3://bucket/x", "other.txt"], "is noted on this machine; say where with --ledger DIR"),
    ],
)
def test_what_cannot_be_meant_is_told_in_a_line_without_secrets(
    more: list[str],
    said: str,
    listed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["batch", str(listed), "-m", "nano", *more]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
    assert "secret@" not in told
    assert "=secret" not in told
    assert [path.name for path in tmp_path.iterdir()] == ["list.jsonl"]


def test_a_missing_package_is_told_in_a_line(
    listed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    assert main(["batch", str(listed), "-m", "nano", "-o", "s3://bucket/x"]) == 2
    assert capsys.readouterr().err == "bark: Install s3fs to access S3; run: pip install 'bark-cli[cloud]'\n"


def test_a_bucket_that_is_not_there_is_told_before_any_work(
    listed: Path, server: ForkServer, bucket: Bucket
) -> None:
    running = server.start(["batch", str(listed), "-m", "nano", "-o", "s3://elsewhere/x"])
    assert running.wait() == 1
    assert running.err.startswith("bark: cannot use s3://elsewhere/x: ")
    assert running.err.count("\n") == 1
    assert not Path(f"{listed}.bark").exists()


@pytest.mark.parametrize("url", ["s3://bucket/raced", "memory://raced", "FILE"])
def test_who_comes_second_writes_over_nothing(url: str, tmp_path: Path, bucket: Bucket) -> None:
    url = (tmp_path / "raced").as_uri() if url == "FILE" else url
    first, second = UrlFolder(url), UrlFolder(url)
    assert not any(one.exists("a/b.wav") for one in (first, second))
    second.put(staged(tmp_path, b"mine"), "a/b.wav", replaces=False)
    with pytest.raises(OutputError, match="was not made by this batch"):
        first.put(staged(tmp_path, b"other"), "a/b.wav", replaces=False)
    with second.reading("a/b.wav", tmp_path) as copy:
        assert copy.read_bytes() == b"mine"
    first.put(staged(tmp_path, b"other"), "a/b.wav", replaces=True)
    with second.reading("a/b.wav", tmp_path) as copy:
        assert copy.read_bytes() == b"other"


def test_where_a_store_tells_something_else_than_an_md5_a_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = UrlFolder("memory://told")
    path = staged(tmp_path, b"sound")
    facts = folder.facts(path)
    folder.put(path, "a.wav", replaces=False)
    for told, other in (("0" * 32, replace(facts, sha256="0" * 64)), (None, replace(facts, size=7))):
        monkeypatch.setattr("bark_cli.batch.url._md5_of", lambda _row, told=told: told)
        assert UrlFolder("memory://told").holds("a.wav", facts)
        assert not UrlFolder("memory://told").holds("a.wav", other)


def test_what_a_worker_has_put_there_before_the_run_was_killed_may_be_written_over(tmp_path: Path) -> None:
    url, home = "memory://begun", tmp_path / "ledger"
    [task] = assign([Item(source="1", name="a", text="hello")], None, "wav")
    order = Order(task=task, text="hello", seed=1, key="key")
    with hold(home, UrlFolder(url)) as (ledger, _):
        [begun] = begin_all([order], ledger)
        assert isinstance(begun, Begun)
        assert not begun.order.replaces
        UrlFolder(url).put(staged(tmp_path, b"sound"), "a.wav", replaces=False)
    with hold(home, UrlFolder(url)) as (ledger, _):
        assert ledger.find("a.wav", "key") is None
        assert begin_all([order], ledger) == [Begun(order=replace(order, replaces=True))]
    with hold(tmp_path / "another", UrlFolder(url)) as (ledger, _):
        [refused] = begin_all([order], ledger)
    assert isinstance(refused, OutputError)


def test_what_was_given_up_is_not_written_over_by_the_next_run(tmp_path: Path) -> None:
    """Somebody's file came between, and its order failed: it gets another name, and is not lost."""
    url, home = "memory://ended", tmp_path / "ledger"
    [task] = assign([Item(source="1", name="a", text="hello")], None, "wav")
    order = Order(task=task, text="hello", seed=1, key="key")
    with hold(home, UrlFolder(url)) as (ledger, _):
        begin_all([order], ledger)
        end_all([Failed(task=task, error=OutputError("taken"))], ledger)
    UrlFolder(url).put(staged(tmp_path, b"somebody's"), "a.wav", replaces=False)
    with hold(home, UrlFolder(url)) as (ledger, _):
        assert begin_all([order], ledger) == [Begun(order=order, kept="a.wav.kept")]


@pytest.mark.parametrize("place", ["memory://patterns", "s3://bucket/patterns", "FILE"])
def test_signs_of_patterns_in_a_name_are_none(place: str, tmp_path: Path, bucket: Bucket) -> None:
    url = f"file://{tmp_path}/shared" if place == "FILE" else place
    names = ["chapter [1].wav", "chapter 1.wav", "a*.wav", "ab.wav", "Who?.wav"]
    for name in names:
        UrlFolder(url).put(staged(tmp_path, name.encode()), name, replaces=False)
    for name in (names[0], names[2], names[4]):
        UrlFolder(url).rename(name, name + ".kept")
    UrlFolder(url).remove(names[4] + ".kept")
    there = UrlFolder(url)
    assert sorted(there.names("")) == sorted([names[0] + ".kept", names[1], names[2] + ".kept", names[3]])
    with there.reading(names[1], tmp_path) as copy:
        assert copy.read_bytes() == names[1].encode()


def test_what_was_made_before_something_else_of_its_size_is_made_again(tmp_path: Path) -> None:
    """A file:// tells no MD5, but its files can be looked at."""
    url = f"file://{tmp_path}/shared"
    [task] = assign([Item(source="1", name="a", text="hello")], None, "wav")
    with hold(tmp_path / "ledger", UrlFolder(url)) as (ledger, _):
        for key in (b"1", b"2"):
            path = staged(tmp_path, key)
            place(NewFile(path, task.output, key.decode(), "1", 1.0, 1), ledger)
        assert ledger.find(task.output, "1") is None
        assert ledger.find(task.output, "2") is not None
    with hold(tmp_path / "ledger", UrlFolder(url)) as (ledger, _):
        assert ledger.find(task.output, "1") is None
        assert ledger.find(task.output, "2") is not None


def test_a_ledger_of_files_beside_it_is_not_one_of_a_url(tmp_path: Path) -> None:
    with hold(tmp_path / "here") as (ledger, _):
        [task] = assign([Item(source="1", name="a", text="hello")], None, "wav")
        place(NewFile(staged(tmp_path, b"1"), task.output, "1", "1", 1.0, 1), ledger)
    with (
        pytest.raises(UsageError, match=r"is of the files beside it; give another with --ledger"),
        hold(tmp_path / "here", UrlFolder("memory://there")),
    ):
        pass
    with hold(tmp_path / "list.bark", UrlFolder("memory://there")):
        (tmp_path / "list.bark" / LEDGER_FILE).touch()  # without it nothing was made, and all goes again
    with (
        pytest.raises(UsageError, match=r"holds the ledger of memory://there; give -o another folder"),
        hold(tmp_path / "list.bark"),
    ):
        pass


def test_a_ledger_may_lie_where_its_files_go(tmp_path: Path) -> None:
    url = f"file://{tmp_path}/shared"
    with hold(tmp_path / "shared", UrlFolder(url)) as (ledger, scratch):
        assert scratch.is_dir()
        place(NewFile(staged(scratch, b"1"), "a.wav", "1", "1", 1.0, 1), ledger)
    assert (tmp_path / "shared" / "a.wav").read_bytes() == b"1"


def test_what_a_dead_worker_had_may_be_written_over() -> None:
    tasks = assign([Item(source=name, name=name, text="hello") for name in "ab"], None, "wav")
    orders = [Order(task=task, text="hello", seed=1, key="key") for task in tasks]
    suspicion = Suspicion()
    assert suspicion.died(orders) == []
    suspicion.lost_with_machine(orders)
    assert all(order.replaces for order in (*suspicion.alone, *suspicion.again))
    assert (len(suspicion.alone), len(suspicion.again)) == (2, 2)


def staged(folder: Path, data: bytes) -> Path:
    path = folder / "staged.wav"
    path.write_bytes(data)
    return path
