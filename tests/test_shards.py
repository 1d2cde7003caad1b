"""`bark batch --shards`: what is packed is read by other programs, once each, whatever happened meanwhile."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import signal
import tarfile
from pathlib import Path
from typing import Any

import pytest
import soundfile
from conftest import tiny_voice, write_voice
from fork_server import ForkServer, wait_until
from pyarrow import parquet

from bark_cli.batch.destination import sha256_of
from bark_cli.batch.ledger import LEDGER_FILE
from bark_cli.batch.shards.card import licence_of
from bark_cli.batch.shards.parquet import ParquetShard
from bark_cli.batch.shards.tar import key_of
from bark_cli.cli import main
from bark_cli.model.config import BarkConfig
from bark_cli.store import ModelRef, nano_folder
from bark_cli.system.units import parse_bytes

KINDS = {"parquet": "*.parquet", "webdataset": "*.tar"}


@pytest.fixture(scope="module")
def model(talkative: Path, tiny_config: BarkConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with one voice more."""
    folder = Path(shutil.copytree(talkative, tmp_path_factory.mktemp("talkative") / "tiny"))
    write_voice(folder / "voices" / "ben.npz", tiny_voice(tiny_config))
    return folder


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    return write_list(tmp_path / "list.jsonl", 12)


def write_list(path: Path, count: int) -> Path:
    rows: list[dict[str, Any]] = [{"text": f"hello bark {i}"} for i in range(count)]
    rows[0] |= {"voice": "ben", "output": "deep.er/v1.2.opus", "seed": 7}
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def command(model: Path, listed: Path, out: Path, *more: str) -> list[str]:
    how = ["--precision", "fp32", "--max-duration", "0.05", "--top-k", "12", "--batch-size", "4"]
    return ["batch", str(listed), "-m", str(model), *how, "-o", str(out), *more]


def shards(out: Path) -> list[Path]:
    return sorted((out / "data").iterdir())


def rows(out: Path) -> dict[str, dict[str, Any]]:
    """By name, what all Parquet files of a folder hold."""
    found = [row for path in shards(out) for row in parquet.read_table(path).to_pylist()]
    assert len({row["audio"]["path"] for row in found}) == len(found)
    return {row["audio"]["path"]: row for row in found}


def loose(out: Path) -> dict[str, bytes]:
    files = [path for path in out.rglob("*") if path.is_file() and not path.name.startswith(".bark-")]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


# Read back


def test_shards_hold_the_very_files_that_would_be_loose(
    model: Path, listed: Path, out: Path, tmp_path: Path
) -> None:
    assert main(command(model, listed, tmp_path / "loose", "-q")) == 0
    assert main(command(model, listed, out, "-q", "--shards", "parquet", "--shard-size", "8kB")) == 0
    assert len(shards(out)) > 2
    found = rows(out)
    assert {name: row["audio"]["bytes"] for name, row in found.items()} == loose(tmp_path / "loose")
    row = found["deep.er/v1.2.opus"]
    assert (row["text"], row["voice"], row["seed"], row["model"]) == ("hello bark 0", "ben", 7, "tiny")
    assert json.loads(row["settings"]) == {"max_duration": 0.05, "top_k": 12, "precision": "fp32"}
    sound = soundfile.info(io.BytesIO(found["list-00002.flac"]["audio"]["bytes"]))
    assert found["list-00002.flac"]["sample_rate"] == sound.samplerate
    assert found["list-00002.flac"]["duration"] == pytest.approx(sound.duration, abs=1e-3)


def test_a_shard_holds_no_more_sounds_than_fit_into_memory(
    model: Path, listed: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bark_cli.batch.shards.packing.MOST_SOUNDS", 5)
    assert main(command(model, listed, out, "-q", "--shards", "parquet")) == 0
    assert [parquet.read_metadata(path).num_rows for path in shards(out)] == [5, 5, 2]


@pytest.mark.filterwarnings("ignore")  # those of other packages are not ours
def test_parquet_is_read_by_datasets_and_duckdb(model: Path, listed: Path, out: Path, tmp_path: Path) -> None:
    import datasets
    import duckdb

    assert main(command(model, listed, out, "-q", "--shards", "parquet", "--shard-size", "8kB")) == 0
    loaded = datasets.load_dataset(str(out), split="train", cache_dir=str(tmp_path / "cache"))
    assert isinstance(loaded.features["audio"], datasets.Audio)
    raw = loaded.cast_column("audio", datasets.Audio(decode=False))
    assert {row["audio"]["path"]: row["audio"]["bytes"] for row in raw} == {
        name: row["audio"]["bytes"] for name, row in rows(out).items()
    }
    found = duckdb.sql(f"SELECT text, octet_length(audio.bytes) FROM '{out}/data/*.parquet' WHERE seed = 7")
    assert found.fetchall() == [("hello bark 0", len(rows(out)["deep.er/v1.2.opus"]["audio"]["bytes"]))]


@pytest.mark.filterwarnings("ignore")
def test_tar_is_read_by_webdataset(model: Path, listed: Path, out: Path, tmp_path: Path) -> None:
    import webdataset

    assert main(command(model, listed, tmp_path / "loose", "-q")) == 0
    assert main(command(model, listed, out, "-q", "--shards", "webdataset", "--shard-size", "8kB")) == 0
    assert len(shards(out)) > 2
    read = webdataset.WebDataset([str(path) for path in shards(out)], shardshuffle=False, empty_check=False)
    found = {sample["__key__"]: sample for sample in read}
    assert len(found) == 12
    first = found["deep.er/v1%2E2"]
    assert first["opus"] == loose(tmp_path / "loose")["deep.er/v1.2.opus"]
    assert found["list-00002"]["flac"] == loose(tmp_path / "loose")["list-00002.flac"]
    assert first["txt"] == b"hello bark 0"
    assert json.loads(first["json"])["voice"] == "ben"


def test_a_card_tells_what_they_are(model: Path, listed: Path, out: Path) -> None:
    assert main(command(model, listed, out, "-q", "--shards", "parquet")) == 0
    card = (out / "README.md").read_text()
    assert card.startswith("---\nlicense: other\n")
    for told in (
        "AI-generated speech",
        "- `ben`\n",
        "`tiny`, licence",
        "- `max_duration`: 0.05",
        "data/*.parquet",
    ):
        assert told in card
    with listed.open("a") as file:
        file.write("\n" + json.dumps({"text": "ANN: hello", "language": "de", "cast": {"ANN": "ben"}}))
    assert main(command(model, listed, out, "-q", "--shards", "parquet")) == 0
    assert 'language:\n  - "de"\n' in (out / "README.md").read_text()
    (out / "README.md").write_text("mine")
    assert main(command(model, listed, out, "-q", "--shards", "parquet", "--overwrite")) == 0
    assert (out / "README.md").read_text() == "mine"


def test_the_licence_is_that_of_the_weights(tmp_path: Path) -> None:
    assert licence_of(ModelRef(name="nano", folder=nano_folder())) == "apache-2.0"
    assert licence_of(ModelRef(name="small", folder=tmp_path)) == "mit"
    assert licence_of(ModelRef(name="someone/bark", folder=tmp_path)) == "other"


# Resumed


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_killed_is_gone_on_with_and_each_is_there_once(
    kind: str, model: Path, tmp_path: Path, out: Path, server: ForkServer, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = write_list(tmp_path / "list.jsonl", 40)
    line = command(model, listed, out, "--shards", kind, "--shard-size", "6kB")
    running = server.start(line)
    wait_until(lambda: (out / "data").is_dir() and len(shards(out)) >= 2)
    running.kill(signal.SIGKILL)
    assert running.wait() < 0
    before = {path: path.read_bytes() for path in shards(out)}
    assert all(path.match(KINDS[kind]) for path in before)
    running = server.start(line)
    wait_until(lambda: len(shards(out)) > len(before))
    running.kill(signal.SIGINT)
    assert running.wait() == 130
    said = int(running.err.splitlines()[-1].split()[1])
    assert main([*line, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["unchanged"], told["made"]) == (said, 40 - said)
    assert all(path.read_bytes() == data for path, data in before.items())
    if kind == "parquet":
        assert len(rows(out)) == 40
    assert main([*line, "-q"]) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_what_has_changed_leaves_its_shard(kind: str, model: Path, listed: Path, out: Path) -> None:
    line = command(model, listed, out, "-q", "--shards", kind, "--shard-size", "8kB")
    assert main(line) == 0
    lines = listed.read_text().splitlines()
    lines[1] = json.dumps({"text": "good bark"})
    listed.write_text("\n".join(lines))
    assert main(line) == 0
    if kind == "parquet":
        assert rows(out)["list-00002.flac"]["text"] == "good bark"
        assert len(rows(out)) == 12
    else:
        names = [name for path in shards(out) for name in members(path)]
        assert len(names) == len(set(names)) == 36
    n_lines = (out / LEDGER_FILE).read_bytes().count(b"\n")
    assert main(line) == 0
    assert (out / LEDGER_FILE).read_bytes().count(b"\n") == n_lines
    assert main([*line, "--overwrite"]) == 0
    if kind == "parquet":
        assert len(rows(out)) == 12


def members(path: Path) -> list[str]:
    with tarfile.open(path) as tar:
        return tar.getnames()


def test_a_shard_that_somebody_changed_is_kept_and_made_again(
    model: Path, listed: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = command(model, listed, out, "--shards", "parquet", "--shard-size", "8kB")
    assert main(line) == 0
    first = shards(out)[0]
    first.write_bytes(b"mine")
    assert main(line) == 0
    assert (
        f"data/{first.name} had been changed; that file is now {first.name}.kept" in capsys.readouterr().err
    )
    kept = first.with_name(f"{first.name}.kept")
    assert kept.read_bytes() == b"mine"
    kept.unlink()
    assert len(rows(out)) == 12


def test_a_copied_folder_is_as_done_as_the_first(
    model: Path, listed: Path, out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = command(model, listed, out, "--shards", "parquet")
    assert main(line) == 0
    out.rename(tmp_path / "moved")
    os.utime(shards(tmp_path / "moved")[0])
    assert main([*command(model, listed, tmp_path / "moved", "--shards", "parquet"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["unchanged"] == 12


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_leaves_no_half_written_shard(
    kind: str,
    model: Path,
    listed: Path,
    out: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = command(model, listed, out, "--shards", kind)

    def write_half_a_row(tar: tarfile.TarFile, told: tarfile.TarInfo, sound: Any) -> None:
        if len(tar.members) == 9:
            assert tar.fileobj is not None
            tar.fileobj.write(told.tobuf())
            raise OSError(errno.ENOSPC, "No space left on device")
        add(tar, told, sound)

    def write_nothing(shard: ParquetShard) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    add = tarfile.TarFile.addfile
    with monkeypatch.context() as patch:
        patch.setattr(tarfile.TarFile, "addfile", write_half_a_row)
        patch.setattr(ParquetShard, "_write", write_nothing)
        assert main(line) == 1
    assert "0 of 12 done; run the same command again to go on" in capsys.readouterr().err
    assert not (out / "data").exists()
    assert main([*line, "-q"]) == 0
    assert len(rows(out) if kind == "parquet" else members(shards(out)[0])) == (
        12 if kind == "parquet" else 36
    )


def test_a_ledger_that_somebody_wrote_reaches_no_file_outside(
    model: Path, listed: Path, out: Path, tmp_path: Path
) -> None:
    victims = [tmp_path / "changed.parquet", tmp_path / "known.parquet", tmp_path / "other.txt"]
    out.mkdir()
    with (out / LEDGER_FILE).open("w") as ledger:
        for victim, size in zip(victims, (1, 7, 7), strict=True):
            victim.write_bytes(b"theirs\n")
            line = {"output": "list-00002.flac", "key": "k", "source": "s", "seconds": 1.0, "seed": 1}
            line |= {"size": size, "mtime_ns": victim.stat().st_mtime_ns, "sha256": sha256_of(victim)}
            ledger.write(json.dumps(line | {"shard": f"../{victim.name}"}) + "\n")
    assert main(command(model, listed, out, "--shards", "parquet")) == 0
    assert [victim.read_bytes() for victim in victims] == [b"theirs\n"] * 3
    assert not list(tmp_path.glob("*.kept"))
    assert len(rows(out)) == 12


def test_what_is_not_ours_is_neither_written_to_nor_moved(
    model: Path, listed: Path, out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = command(model, listed, out, "-q", "--shards", "parquet")
    (tmp_path / "theirs").mkdir()
    out.mkdir()
    (out / "data").symlink_to(tmp_path / "theirs")
    assert main(line) == 2
    assert "data is to be a folder of shards" in capsys.readouterr().err
    assert not list((tmp_path / "theirs").iterdir())
    (out / "data").unlink()
    (out / "README.md").mkdir()
    (tmp_path / "thesis.parquet").write_bytes(b"theirs")
    entry = {"output": "a", "key": "k", "source": "s", "seconds": 1.0, "seed": 1, "size": 1, "mtime_ns": 1}
    entry |= {"sha256": "0", "shard": "../thesis.parquet"}  # as somebody's ledger may say
    (out / LEDGER_FILE).write_text(json.dumps(entry) + "\n")
    assert main(line) == 0
    assert "is not one that bark wrote, and is left as it is" in capsys.readouterr().err
    assert (tmp_path / "thesis.parquet").read_bytes() == b"theirs"
    assert len(rows(out)) == 12


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--shard-size", "1GB"], "--shard-size is for shards; add --shards parquet"),
        (["--shards", "parquet", "--join"], "--join makes one file of all"),
        (["--shards", "parquet", "--subtitles", "srt"], "add --subtitles none"),
        (["--shards", "webdataset", "--format", "raw"], "use --format wav"),
        (["--shards", "parquet", "--shard-size", "much"], "takes a size such as 256MB, not much"),
        (["--shards", "parquet", "--shard-size", "0"], "has to be more than nothing"),
    ],
)
def test_bad_usage_is_told_before_any_work(
    more: list[str], said: str, model: Path, listed: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(model, listed, out, *more)) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
    assert not out.exists()


def test_a_folder_has_shards_of_one_kind(
    model: Path, listed: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(model, listed, out, "-q", "--shards", "parquet")) == 0
    for more in ([], ["--shards", "webdataset"]):
        assert main(command(model, listed, out, *more)) == 2
        assert "holds shards; add --shards parquet" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "size"), [("256MB", 256_000_000), ("1.5 g", 1_500_000_000), ("20", 20)])
def test_sizes_are_read_as_they_are_written(text: str, size: int) -> None:
    assert parse_bytes(text) == size


def test_no_two_names_have_one_key() -> None:
    names = ["a.b.flac", "a%2Eb.flac", "a/b.flac", "a_b.flac", "a.flac", ".a.flac"]
    keys = list(map(key_of, names))
    assert len(set(keys)) == len(names)
    assert not any("." in key.rpartition("/")[2] for key in keys)
