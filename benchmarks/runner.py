"""Runs cases, ours and theirs in turn, each in a process of its own: a Case -> a file of records.

What is measured is kept at once, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bark_cli.bench import SIZES
from bark_cli.store import nano_folder
from bark_cli.system.files import write_whole
from benchmarks.cases import Case

Record = dict[str, Any]
ROOT = Path(__file__).parent.parent
THEIRS = Path(__file__).with_name("theirs.py")


@dataclass(frozen=True, kw_only=True)
class Workplace:
    """Where things are."""

    cache: Path  # weights, and an environment for Transformers if none was named
    results: Path  # a file per case
    peer_python: Path

    def weights(self, size: str) -> Path:
        """A folder of random weights as Transformers writes them, read by both sides; made when missing."""
        folder = self.cache / "weights" / size
        if not (folder / "tokenizer.json").exists():  # copied last, so that what has one is whole
            folder.mkdir(parents=True, exist_ok=True)
            shape = [str(number) for number in SIZES[size]]
            _run([str(self.peer_python), str(THEIRS), "make", str(folder), *shape])
            shutil.copyfile(nano_folder() / "tokenizer.json", folder / "tokenizer.json")
        return folder

    def record_file(self, case: Case) -> Path:
        """Where the records of a case are kept."""
        return self.results / f"{case.name}.json"


def make_peer_environment(folder: Path) -> Path:
    """The Python of a virtual environment that holds Transformers; made when missing."""
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not (folder / "ready").exists():
        _run([sys.executable, "-m", "venv", str(folder)])
        _run([str(python), "-m", "pip", "install", "--quiet", "torch", "transformers"])
        (folder / "ready").touch()
    return python


def run_case(
    case: Case, place: Workplace, rounds: int, precision: str, tell: Callable[[str], None] = print
) -> None:
    """Measure what is missing of `rounds` records of either side, in turn, and keep each at once."""
    kept = read_records(place.record_file(case)) or {"ours": [], "theirs": []}
    kept |= {"case": asdict(case), "machine": _machine()}
    sides: dict[str, Callable[[], Record]] = {"ours": lambda: _ours(case, place, precision)}
    if case.peer:
        sides["theirs"] = lambda: _theirs(case, place)
    for number in range(rounds):
        for side, speak in sides.items():
            if len(kept[side]) > number:
                continue
            kept[side].append(speak())
            place.results.mkdir(parents=True, exist_ok=True)
            text = json.dumps(kept, indent=1) + "\n"
            write_whole(place.record_file(case), text.encode(), force=True)
            tell(f"{case.name}, {side}, round {number + 1}: {kept[side][-1]['seconds']:.2f} s")


def read_records(file: Path) -> dict[str, Any] | None:
    """What `run_case` kept of a case, if anything."""
    if not file.exists():
        return None
    kept: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return kept


def _ours(case: Case, place: Workplace, precision: str) -> Record:
    options = ["--seconds", str(case.seconds), "--batch-size", str(case.batch_size), "--precision", precision]
    command = [sys.executable, "-m", "bark_cli", "bench", "-m", str(place.weights(case.size)), *options]
    return _answer([*command, "--device", "cpu", "--repeats", "1", "--json", "-q"], place)


def _theirs(case: Case, place: Workplace) -> Record:
    numbers = [str(number) for number in (case.batch_size, *case.pieces)]
    command = [str(place.peer_python), str(THEIRS), "speak", str(place.weights(case.size)), *numbers]
    return _answer(command, place)


def _answer(command: list[str], place: Workplace) -> Record:
    """The JSON object that a process prints, less the path of the weights."""
    # conversions of the weights belong beside them, not into the cache of whoever measures
    record: Record = json.loads(_run(command, BARK_HOME=str(place.cache / "bark")))
    del record["model"]
    return record


def _run(command: list[str], **environment: str) -> str:
    """What a process prints, once it has ended well; its complaints are shown."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=False, cwd=ROOT, env=os.environ | environment
    )
    if done.returncode:
        raise SystemExit(f"benchmarks: {command[0]} {' '.join(command[1:5])} failed; see the lines above")
    return done.stdout


def _machine() -> dict[str, Any]:
    from importlib.metadata import version

    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": version("torch"),
    }


def _processor() -> str:
    """Its name, where Linux tells it; else what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
