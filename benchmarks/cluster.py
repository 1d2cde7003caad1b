"""Trials of `bark batch --on ray` on clusters of this machine: `python -m benchmarks.cluster faults|driver`.

faults    machines and workers are killed at random, one text is bad and one kills its worker: the others are
          made once each, and equal what an undisturbed crew makes
driver    workers that make nothing: how many items a second the command hands out, places and notes
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from bark_cli.batch.identity import Maker
from bark_cli.batch.items import Item
from bark_cli.batch.ledger import LEDGER_FILE, hold
from bark_cli.batch.make import Failed, Make
from bark_cli.batch.make import make as make_here
from bark_cli.batch.manner import Manner
from bark_cli.batch.order import Order
from bark_cli.batch.outputs import Task
from bark_cli.batch.plan import Batch
from bark_cli.batch.run import Made, run
from bark_cli.cluster.connect import joined
from bark_cli.cluster.crew import Crew
from bark_cli.cluster.hiring import Hiring
from bark_cli.cluster.job import Parcel, Ready, job
from bark_cli.cluster.worker import Worker
from bark_cli.pipeline import Bark
from bark_cli.settings import Settings
from bark_cli.store import resolve_model

KILLER = "hello this is the end"


class Mortal(Worker):
    """A worker that one text kills."""

    def make(self, orders: Sequence[Order], voices: Mapping[str, Any]) -> Iterator[list[Parcel]]:
        """Make files, or die of one."""
        if any(order.text == KILLER for order in orders):
            time.sleep(0.3)
            os._exit(1)
        yield from super().make(orders, voices)


class Sleeper(Worker):
    """A worker whose sounds take a moment and are 2 kB of nothing."""

    def load(self, job: Any, brought: Any) -> Ready:
        """Be ready at once."""
        import ray

        node = ray.get_runtime_context().get_node_id()
        return Ready(
            version=job.version, node=node, host="", pid=os.getpid(), device="", precision="", batch_size=64
        )

    def make(self, orders: Sequence[Order], voices: Any) -> Iterator[list[Parcel]]:
        """Sleep."""
        time.sleep(0.01)
        yield [Parcel(output=o.task.output, events=[], sound=bytes(2_000), seconds=1.0) for o in orders]


def faults(model: str, items: int, seed: int) -> None:
    """Kill, and compare with what comes of it undisturbed."""
    from ray.cluster_utils import Cluster

    dice = random.Random(seed)
    texts = [f"hello bark {i // 26}{chr(97 + i % 26)} speak" for i in range(items)]
    texts[items // 3], texts[items // 2] = "\x07", KILLER
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(4 + 3):  # three are lost
        cluster.add_node(num_cpus=1)
    folder = Path(tempfile.mkdtemp())
    killed = {"workers": 0, "machines": 0}

    def disturb() -> None:
        for what in dice.sample(["workers"] * 5 + ["machines"] * 3, 8):
            time.sleep(dice.uniform(2.0, 6.0))
            while not (pids := pids_of_workers()):
                time.sleep(0.1)
            pid = dice.choice(pids)
            if what == "machines":  # the process that all of its others live and die with
                pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            os.kill(pid, signal.SIGKILL)
            killed[what] += 1

    trouble = threading.Thread(target=disturb)
    began = time.monotonic()
    found = make_all(model, texts, folder / "disturbed", cluster.address, Mortal, 4, before=trouble.start)
    print(json.dumps({"killed": killed, **found, "seconds": round(time.monotonic() - began, 1)}))
    trouble.join()
    undisturbed = make_all(model, texts, folder / "undisturbed", None, None, 0)
    print(json.dumps(undisturbed))
    sounds = [read_all(folder / name) for name in ("disturbed", "undisturbed")]
    print("equal:", sounds[0] == sounds[1], len(sounds[0]))


def driver(items: int, workers: int) -> None:
    """Run the command itself with sleepers, and look at its memory; then once more, with all done."""
    from bark_cli.cli import main as bark

    folder = Path(tempfile.mkdtemp(dir="."))
    with (folder / "list.jsonl").open("w") as stream:
        stream.writelines(f'{{"text": "Text {i}."}}\n' for i in range(items))
    Crew.__init__.__kwdefaults__["worker"] = Sleeper
    how = [
        "-m",
        "nano",
        "--on",
        "ray",
        "--workers",
        str(workers),
        "--worker-cpus",
        "1",
        "--shards",
        "parquet",
    ]
    line = ["batch", str(folder / "list.jsonl"), "-o", str(folder / "out"), "-q", *how]
    over = threading.Event()
    watching = threading.Thread(target=watch, args=(folder / "out" / LEDGER_FILE, over))
    watching.start()
    for _ in range(2):
        began, cpu = time.monotonic(), time.process_time()
        code = bark(line)
        seconds, cpu = time.monotonic() - began, time.process_time() - cpu
        each = f"{seconds / items * 1e3:.3f} ms an item, {cpu / items * 1e3:.3f} of them CPU"
        print(f"exit {code}: {seconds:.1f} s, {each}", flush=True)
    over.set()
    watching.join()


def watch(ledger: Path, over: threading.Event) -> None:
    """Print every while how much is in the ledger, and the memory of this process."""
    began = time.monotonic()
    while not over.wait(20.0):
        size = ledger.stat().st_size if ledger.exists() else 0
        print(f"{time.monotonic() - began:.0f} s: ledger {size / 1e6:.1f} MB, {resident_mb()} MB", flush=True)


def make_all(
    model: str,
    texts: Any,
    out: Path,
    address: str | None,
    worker: type[Worker] | None,  # None: this process makes them
    workers: int,
    *,
    before: Any = lambda: None,
) -> dict[str, Any]:
    """One run of the command's own driver, placing and ledger included."""
    maker = Maker(models=[resolve_model(model)], voice=None, seed=None, settings={})
    manner = Manner(settings=Settings(precision="fp32", max_duration=1.0, batch_size=8))
    told = job(maker, [], manner)
    tasks = (
        Task(
            item=Item(source=str(i), name=str(i), text=text),
            output=f"{i // 1000:04d}/{i % 1000}.flac",
            format="flac",
        )
        for i, text in enumerate(texts)
    )
    made, failed = 0, list[str]()
    with ExitStack() as stack:
        ledger, scratch = stack.enter_context(hold(out))
        if worker is None:
            make = here(model, manner, scratch)
        else:
            stack.enter_context(joined(address))
            hiring = Hiring(workers=workers, cpus=1, gpus=0.0)
            crew = stack.enter_context(Crew(told, hiring, scratch, print, worker=worker))
            crew.wait()
            make = crew.make
        before()
        for event in run(Batch(ledger=ledger, maker=maker, read=lambda item: item.text), tasks, make):
            made += isinstance(event, Made)
            if isinstance(event, Failed):
                failed.append(f"{event.task.output}: {event.error}")
    return {"made": made, "failed": failed}


def here(model: str, manner: Manner, scratch: Path) -> Make:
    """The model in this process."""
    bark = Bark.load(model, precision="fp32")
    return partial(make_here, manner.making(bark, bark.name, scratch))


def resident_mb() -> int:
    """Memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 2**20


def read_all(folder: Path) -> dict[str, bytes]:
    """All sounds by their names."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.flac")}


def pids_of_workers() -> list[int]:
    """Workers on this machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if b"ray::Mortal" in (path / "cmdline").read_bytes():
                found.append(int(path.name))
        except OSError:
            continue
    return found


def main() -> None:
    """Run the trial that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trial", choices=("faults", "driver"))
    parser.add_argument("-m", "--model", default="nano")
    parser.add_argument("-n", "--items", type=int, default=300)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    if asked.trial == "faults":
        faults(asked.model, asked.items, asked.seed)
    else:
        driver(asked.items, asked.workers)


if __name__ == "__main__":
    main()
