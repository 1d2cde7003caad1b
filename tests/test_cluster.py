"""`bark batch --on ray`: the same files as on one machine, whatever dies meanwhile."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow
import pytest
import soundfile
import torch
from bucket import Bucket
from fork_server import ForkServer, wait_until
from ray_clusters import cluster_of

from bark_cli.audio.provenance import NOTICE
from bark_cli.batch.identity import Maker, model_identity
from bark_cli.batch.items import Item
from bark_cli.batch.ledger import hold
from bark_cli.batch.make import Failed
from bark_cli.batch.manner import Manner
from bark_cli.batch.order import Order
from bark_cli.batch.outputs import assign
from bark_cli.batch.plan import Batch
from bark_cli.batch.run import Made, run
from bark_cli.cli import main
from bark_cli.cluster import speak_dataset
from bark_cli.cluster.connect import ClusterError, address_of, joined
from bark_cli.cluster.crew import Crew
from bark_cli.cluster.dataset import DatasetSpeaker, warn_of_cores
from bark_cli.cluster.hiring import Asked, Hiring, hiring
from bark_cli.cluster.job import Parcel, Wanted, job
from bark_cli.cluster.models import find, pack, unpack
from bark_cli.cluster.worker import Worker
from bark_cli.errors import ModelError, OptionError
from bark_cli.model.options import SamplingOptions
from bark_cli.narration.narrate import piece_seed
from bark_cli.pipeline import Bark
from bark_cli.settings import Settings
from bark_cli.store import ModelRef


@pytest.fixture(scope="module")
def address(bucket: Bucket) -> Iterator[str]:
    """A cluster of two machines with a core each, which know the way to the bucket."""
    with cluster_of(2) as found:
        yield found


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """Twelve lines, of which one cannot be said."""
    rows = [{"text": f"hello {letter} bark"} for letter in "abcdefghijk"]
    rows += [{"text": "hello", "voice": "ann", "output": "deep/er.wav", "seed": "7"}]
    rows[3]["text"] = "\x07"
    rows[-1]["seed"] = 7  # type: ignore[assignment]
    path = tmp_path / "list.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def command(talkative: Path, listed: Path, out: Path, *more: str) -> list[str]:
    how = ["--precision", "fp32", "--max-duration", "0.3", "--batch-size", "2", "--subtitles", "srt"]
    return ["batch", str(listed), "-m", str(talkative), *how, "-o", str(out), *more]


def visible(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".bark-")
    }


def lines(folder: Path) -> int:
    path = folder / ".bark-batch.jsonl"
    return path.read_bytes().count(b"\n") if path.is_file() else 0


def workers() -> list[int]:
    """The processes of workers on machines that this process has started."""
    parents, names = {}, {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            names[int(path.name)] = (path / "cmdline").read_bytes()
        except OSError:
            continue
    return [pid for pid, name in names.items() if b"ray::Worker" in name and _is_ours(pid, parents)]


def _is_ours(pid: int, parents: dict[int, int]) -> bool:
    while pid > 1 and pid != os.getpid():
        pid = parents.get(pid, 0)
    return pid == os.getpid()


# End to end


def test_a_worker_is_killed_and_all_is_as_on_one_machine(
    talkative: Path, listed: Path, out: Path, tmp_path: Path, address: str, server: ForkServer
) -> None:
    alone = tmp_path / "alone"
    assert main(command(talkative, listed, alone, "-q")) == 1
    running = server.start(
        command(talkative, listed, out, "--json", "--on", f"ray:{address}", "--workers", "2")
    )
    wait_until(lambda: lines(out) >= 2)
    for pid in workers()[:1]:
        os.kill(pid, signal.SIGKILL)
    assert running.wait() == 1
    found = json.loads(running.out)
    assert (found["made"], found["unchanged"]) == (11, 0)
    [failed] = found["failed"]
    assert failed["source"].endswith("list.jsonl:4")
    assert running.err.count("\n") == 2  # that one and the sum, and nothing of Ray's
    assert visible(out) == visible(alone)
    assert len(visible(out)) == 22
    assert lines(out) == 22
    assert sum(worker["made"] for worker in found["workers"]) >= 11
    assert sum(worker["failed"] for worker in found["workers"]) == 1
    assert [worker["state"] for worker in found["workers"]].count("lost") == 1
    at_work = [worker for worker in found["workers"] if worker["made"]]
    assert all(worker["node"] and worker["pid"] and worker["real_time_factor"] for worker in at_work)
    wait_until(lambda: not workers(), 10)


def test_what_is_begun_on_a_cluster_is_ended_on_one_machine_and_the_other_way_round(
    talkative: Path,
    listed: Path,
    out: Path,
    address: str,
    server: ForkServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    on = ["--on", f"ray:{address}", "--worker-cpus", "1"]
    running = server.start(command(talkative, listed, out, *on))
    wait_until(lambda: lines(out) >= 2)
    began = time.monotonic()
    running.kill(signal.SIGINT)
    assert running.wait() == 130
    assert running.err.splitlines()[-1].endswith("done; run the same command again to go on")
    assert "Traceback" not in running.err
    wait_until(lambda: not workers(), 10)
    assert time.monotonic() - began < 10
    done = visible(out)
    assert 1 <= len(done) <= 22
    assert main(command(talkative, listed, out, "--json")) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["unchanged"] + told["made"] == 11
    assert done.items() <= visible(out).items()
    for name in ("list-00001.flac", "deep/er.wav"):
        (out / name).unlink()
    again = server.start(command(talkative, listed, out, "--verbose", *on))
    assert again.wait() == 1
    header, *rows = re.findall("^(?:WORKER|[12]) .*$", again.err, flags=re.MULTILINE)
    assert header.split() == ["WORKER", "NODE", "STATE", "FILES", "SPEECH", "SPEED"]
    assert sum(map(int, re.findall(r"(?:loading|idle|working) +(\d+)", "\n".join(rows)))) == 2


def test_workers_put_files_at_a_url_and_whoever_is_killed_it_goes_on_on_one_machine(
    talkative: Path, listed: Path, tmp_path: Path, address: str, server: ForkServer, bucket: Bucket
) -> None:
    alone, kept = tmp_path / "alone", Path(f"{listed}.bark")
    assert main(command(talkative, listed, alone, "-q")) == 1
    line = command(talkative, listed, "s3://bucket/cluster", "--json")  # type: ignore[arg-type]
    running = server.start([*line, "--on", f"ray:{address}", "--workers", "2"])
    wait_until(lambda: len(bucket.below("cluster")) >= 2)
    for pid in workers()[:1]:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: len(bucket.below("cluster")) >= 6)
    running.kill()
    assert running.wait() == -signal.SIGKILL
    assert bucket.below("cluster").items() <= visible(alone).items()
    scratch = kept / ".bark-batch.parts"
    assert not list(scratch.iterdir())  # no sound came here
    last = server.start(line)
    assert last.wait() == 1
    found = json.loads(last.out)
    assert found["made"] + found["unchanged"] == 11
    assert found["unchanged"] > 0
    assert bucket.below("cluster") == visible(alone)


# The crew, with workers that make nothing


class Sleeper(Worker):
    """What works without a model: its sounds are their texts; `die FILE` ends its process."""

    def load(self, job: Any, brought: Any) -> Any:
        import ray

        from bark_cli.cluster.job import Ready

        node = ray.get_runtime_context().get_node_id()
        return Ready(
            version=job.version, node=node, host="", pid=os.getpid(), device="", precision="", batch_size=4
        )

    def make(self, orders: Sequence[Order], voices: Any) -> Iterator[list[Parcel]]:
        for order in orders:
            if order.text.startswith("die "):
                with open(order.text[4:], "a") as noted:  # noqa: PTH123
                    noted.write("x")
                os._exit(1)
            if "raise" in order.text:
                raise ValueError("so it is")
        yield [Parcel(output=o.task.output, events=[], sound=o.text.encode(), seconds=1.0) for o in orders]


def crew_of(talkative: Path, scratch: Path) -> Crew:
    ref = ModelRef(name="tiny", folder=talkative)
    maker = Maker(models=[ref], voice=None, seed=None, settings={})
    told = job(maker, [], Manner(settings=Settings(metadata=False)))
    return Crew(told, Hiring(workers=2, cpus=1, gpus=0.0), scratch, worker=Sleeper)


def made_by_sleepers(
    talkative: Path, texts: Sequence[str], out: Path, address: str
) -> tuple[dict[str, bytes], list[Failed]]:
    items = [Item(source=str(i), name=str(i), text=text) for i, text in enumerate(texts)]
    tasks = assign(items, out, "raw")
    maker = Maker(models=[ModelRef(name="tiny", folder=talkative)], voice=None, seed=None, settings={})
    with hold(out) as (ledger, scratch), joined(address), crew_of(talkative, scratch) as crew:
        batch = Batch(ledger=ledger, maker=maker, read=lambda item: item.text)
        events = list(run(batch, tasks, crew.make))
    made = [event.task.output for event in events if isinstance(event, Made)]
    assert len(made) == len(set(made)) == len(visible(out))
    return visible(out), [event for event in events if isinstance(event, Failed)]


@pytest.mark.filterwarnings("default")  # those of Ray are not ours
def test_an_item_that_kills_its_worker_is_named_and_the_others_are_made(
    talkative: Path, out: Path, tmp_path: Path, address: str
) -> None:
    texts = [f"text {i}" for i in range(40)]
    texts[17] = f"die {tmp_path / 'deaths'}"
    found, [failed] = made_by_sleepers(talkative, texts, out, address)
    assert failed.task.output == "17.raw"
    assert "2 workers have died of it" in str(failed.error)
    assert (tmp_path / "deaths").read_text() == "xx"
    assert found == {f"{i}.raw": text.encode() for i, text in enumerate(texts) if i != 17}


@pytest.mark.filterwarnings("default")
def test_sounds_that_are_lost_with_their_machine_are_made_again(
    talkative: Path, out: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    fetch, lost = ray.get, list[Any]()

    def fetch_but_one(ref: Any, **how: Any) -> Any:
        found = fetch(ref, **how)
        if isinstance(found, list) and not lost:
            lost.append(found)
            raise ray.exceptions.ObjectLostError("00", None, "")
        return found

    monkeypatch.setattr(ray, "get", fetch_but_one)
    texts = [f"text {i}" for i in range(12)]
    found, failed = made_by_sleepers(talkative, texts, out, address)
    assert lost
    assert not failed
    assert found == {f"{i}.raw": text.encode() for i, text in enumerate(texts)}


@pytest.mark.filterwarnings("default")
def test_what_a_worker_raises_is_an_error_of_a_line(talkative: Path, out: Path, address: str) -> None:
    with pytest.raises(ClusterError, match=r"^a worker failed: ValueError: so it is$"):
        made_by_sleepers(talkative, ["raise"], out, address)


# Ray Data


@pytest.mark.filterwarnings("ignore")
def test_a_ray_data_set_gets_its_sounds(talkative: Path, out: Path, address: str) -> None:
    import ray.data

    rows = [{"caption": "hello bark", "seed": 7, "other": 1}, {"caption": "\x07", "seed": None, "other": 2}]
    how: Any = {"precision": "fp32", "max_duration": 0.3}
    with joined(address):
        ray.data.DataContext.get_current().enable_progress_bars = False
        texts = ray.data.from_items(rows)
        found = speak_dataset(texts, model=str(talkative), columns={"text": "caption"}, **how).take_all()
    good, bad = sorted(found, key=lambda row: row["other"])
    spoken = Bark.load(talkative, precision="fp32").say(
        "hello bark", seed=piece_seed(7, 0), options=SamplingOptions(max_duration_s=0.3)
    )
    assert soundfile.info(io.BytesIO(good["audio"])).duration == pytest.approx(good["duration"], abs=1e-3)
    assert good["duration"] == pytest.approx(spoken.duration_s, abs=0.01)
    assert (good["caption"], good["seed"], good["error"]) == ("hello bark", 7, None)
    assert bad["audio"] is None
    assert "there is nothing to say" in bad["error"]


def test_files_of_a_data_set_are_brought_to_a_level_and_say_how_they_were_made_if_asked_to(
    talkative: Path,
) -> None:
    texts = pyarrow.table({"text": ["hello bark", None, ""]})
    for says in (True, False):
        how = Settings(
            model=str(talkative), seed=7, precision="fp32", max_duration=0.3, normalize="peak", metadata=says
        )
        row, *others = DatasetSpeaker(how, {}, torch.get_num_threads())(texts).to_pylist()
        assert {(other["audio"], other["error"]) for other in others} == {(None, "it has no text")}
        samples, _ = soundfile.read(io.BytesIO(row["audio"]))
        assert abs(samples).max() == pytest.approx(10 ** (-1 / 20), rel=0.01)
        assert (NOTICE.encode() in row["audio"]) is says


def test_what_a_data_set_cannot_be_asked_for_is_told_at_once() -> None:
    with pytest.raises(OptionError, match="'loudness' is not a setting"):
        speak_dataset(None, loudness=7)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="caption is not a field"):
        speak_dataset(None, columns={"caption": "text"})  # type: ignore[arg-type]


def test_a_data_set_whose_workers_take_every_core_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    warn_of_cores(3, 4.0)
    assert caplog.messages == []
    for wanted in (4, 5):
        warn_of_cores(wanted, 4.0)
        assert f"take {wanted} cores, and the cluster has 4 now" in caplog.messages[-1]
    assert "unless the cluster grows" in caplog.messages[-1]


# Models that are brought


def test_a_model_is_brought_whole_or_not_at_all(
    talkative: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = ModelRef(name="tiny", folder=talkative)
    monkeypatch.setenv("BARK_HOME", str(tmp_path / "elsewhere"))
    wanted = Wanted(ref=replace(here, folder=tmp_path / "not here"), identity=model_identity([here]))
    assert find(wanted) is None
    files = pack(here, lambda part: part)

    def spoilt(part: object) -> bytes:
        assert isinstance(part, bytes)
        return part[:-1] + bytes([part[-1] ^ 1])

    with pytest.raises(ModelError, match="damaged on its way"):
        unpack(files, wanted, spoilt)
    assert not [path for path in (tmp_path / "elsewhere").rglob("*") if path.is_file()]
    found = unpack(files, wanted, lambda part: part)  # type: ignore[arg-type, return-value]
    assert found == find(wanted)
    assert found.folder.is_relative_to(tmp_path / "elsewhere")
    assert model_identity([found]) == wanted.identity


# What is asked for


@pytest.mark.parametrize(
    ("asked", "machines", "expected"),
    [
        (Asked(), [{"CPU": 2}], Hiring(workers=1, cpus=2, gpus=0)),
        (Asked(workers=2), [{"CPU": 2}], Hiring(workers=2, cpus=1, gpus=0)),
        (Asked(cpus=1), [{"CPU": 2}, {"CPU": 3}], Hiring(workers=5, cpus=1, gpus=0)),
        (Asked(), [{"CPU": 16}] * 3, Hiring(workers=12, cpus=4, gpus=0)),
        (Asked(), [{"CPU": 16, "GPU": 2}, {"CPU": 8}], Hiring(workers=2, cpus=1, gpus=1)),
        (Asked(gpus=0.5), [{"CPU": 16, "GPU": 2}], Hiring(workers=4, cpus=1, gpus=0.5)),
        (Asked(workers=50, cpus=2), [{"CPU": 16}], Hiring(workers=8, cpus=2, gpus=0)),
    ],
)
def test_workers_are_as_many_as_fit(asked: Asked, machines: list[dict[str, float]], expected: Hiring) -> None:
    assert hiring(asked, machines) == expected


def test_a_worker_that_fits_nowhere_is_told() -> None:
    with pytest.raises(OptionError, match=r"has 8 CPUs and 0 GPUs for a worker \(at most 4 CPUs\)"):
        hiring(Asked(cpus=8), [{"CPU": 4}, {"CPU": 2}])


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--workers", "2"], "--workers is for a cluster; add --on ray"),
        (["--verbose"], "--verbose shows the workers of a cluster; add --on ray"),
        (["--on", "dask"], "--on takes ray or ray:ADDRESS such as ray:10.0.0.1:6379, not dask"),
        (["--on", "ray:"], "--on takes ray or ray:ADDRESS"),
        (["--on", "ray:ray://head:10001"], "run the command on a machine of the cluster"),
    ],
)
def test_bad_usage_is_told_before_any_work(
    more: list[str], said: str, talkative: Path, listed: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(talkative, listed, out, *more)) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
    assert not out.exists()


def test_the_address_is_that_of_the_option_else_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert address_of("ray") is None
    assert address_of("ray:10.0.0.1:6379") == "10.0.0.1:6379"
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    assert address_of("ray") == "auto"


def test_a_cluster_that_is_not_there_is_told_in_a_line(
    talkative: Path,
    listed: Path,
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(command(talkative, listed, out, "--on", "ray")) == 2
    assert capsys.readouterr().err == "bark: --on ray needs Ray; run: pip install 'bark-cli[ray]'\n"
