"""Who is measured, each in a process of its own: Case, Workplace -> a record as `bark bench` prints it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.cases import Case
from benchmarks.weights import THEIRS, converted_weights, run, transformers_weights

Record = dict[str, Any]
SUNO = Path(__file__).with_name("suno.py")


@dataclass(frozen=True, kw_only=True)
class Workplace:
    """Where things are."""

    cache: Path  # weights, and an environment for Transformers if none was named
    results: Path  # a file per case
    peer_python: Path  # has torch and transformers
    suno_python: Path | None = None  # has suno-ai/bark; None: it is left out

    def weights(self, size: str) -> Path:
        """Random weights that all read."""
        return transformers_weights(self.cache, size, self.peer_python)

    def record_file(self, case: Case) -> Path:
        """Where the records of a case are kept."""
        return self.results / f"{case.name}.json"


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Another implementation of Bark, or another engine beneath ours."""

    title: str
    speak: Callable[[Case, Workplace], Record]
    lacks: Callable[[Workplace], str | None] = lambda _: None  # why it cannot be measured here


def bark(case: Case, place: Workplace, *, device: str, precision: str) -> Record:
    """What `bark bench` says."""
    options = ["--seconds", str(case.seconds), "--batch-size", str(case.batch_size), "--precision", precision]
    command = [sys.executable, "-m", "bark_cli", "bench", "-m", str(place.weights(case.size)), *options]
    return _answer([*command, "--device", device, "--repeats", "1", "--json", "-q"], place)


def _transformers(case: Case, place: Workplace) -> Record:
    numbers = [str(number) for number in (case.batch_size, *case.pieces)]
    command = [str(place.peer_python), str(THEIRS), "speak", str(place.weights(case.size)), *numbers]
    return _answer(command, place)


def _suno(case: Case, place: Workplace) -> Record:
    folder = converted_weights(place.cache, case.size, place.peer_python, "suno", "fp32")
    tokens = [str(number) for number in case.pieces]
    return _answer([str(place.suno_python), str(SUNO), str(folder), case.size, *tokens], place)


def _openvino(precision: str) -> Peer:
    def speak(case: Case, place: Workplace) -> Record:
        return bark(case, place, device="openvino:CPU", precision=precision)

    def lacks(_: Workplace) -> str | None:
        return None if find_spec("openvino") else "run: pip install openvino"

    return Peer(title=f"bark on OpenVINO, {precision}", speak=speak, lacks=lacks)


PEERS = {
    "transformers": Peer(title="Transformers, fp32", speak=_transformers),
    "openvino-fp32": _openvino("fp32"),
    "openvino-int8": _openvino("int8"),
    "suno": Peer(
        title="suno-ai/bark, fp32",
        speak=_suno,
        lacks=lambda place: None if place.suno_python else "name a Python that has it: --suno-python",
    ),
}


def _answer(command: list[str], place: Workplace) -> Record:
    """The JSON object that a process prints, less the path of the weights."""
    # conversions of the weights belong beside them, not into the cache of whoever measures
    record: Record = json.loads(run(command, BARK_HOME=str(place.cache / "bark")))
    del record["model"]
    return record
