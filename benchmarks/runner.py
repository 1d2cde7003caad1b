"""Runs cases, bark and its peers in turn, each in a process of its own: a Case -> a file of records.

What is measured is kept at once, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from bark_cli.system.files import write_whole
from benchmarks import peers
from benchmarks.cases import Case
from benchmarks.machine import machine
from benchmarks.peers import PEERS, Record, Workplace
from benchmarks.weights import run


def make_peer_environment(folder: Path) -> Path:
    """The Python of a virtual environment that holds Transformers; made when missing."""
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not (folder / "ready").exists():
        run([sys.executable, "-m", "venv", str(folder)])
        run([str(python), "-m", "pip", "install", "--quiet", "torch", "transformers"])
        (folder / "ready").touch()
    return python


def run_case(
    case: Case, place: Workplace, rounds: int, precision: str, tell: Callable[[str], None] = print
) -> None:
    """Measure what is missing of `rounds` records of each side, in turn, and keep each at once.

    A peer that is not installed is left out, and said to be.
    """
    kept = read_records(place.record_file(case)) or {}
    kept |= {"case": asdict(case), "machine": machine()}
    sides: dict[str, Callable[[], Record]] = {
        "bark": partial(peers.bark, case, place, device="cpu", precision=precision)
    }
    for name in case.peers:
        if (why := PEERS[name].lacks(place)) is None:
            sides[name] = partial(PEERS[name].speak, case, place)
        else:
            tell(f"{case.name}: {PEERS[name].title} is left out; {why}")
    for number in range(rounds):
        for side, speak in sides.items():
            records = kept.setdefault(side, [])
            if len(records) > number:
                continue
            records.append(speak())
            place.results.mkdir(parents=True, exist_ok=True)
            text = json.dumps(kept, indent=1) + "\n"
            write_whole(place.record_file(case), text.encode(), force=True)
            tell(f"{case.name}, {side}, round {number + 1}: {records[-1]['seconds']:.2f} s")


def read_records(file: Path) -> dict[str, Any] | None:
    """What `run_case` kept of a case, if anything."""
    if not file.exists():
        return None
    kept: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return kept
