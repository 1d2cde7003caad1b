"""Backends side by side on random weights in small's shapes: `python -m benchmarks.backends [VARIANT ...]`.

Ours, OpenVINO's and Transformers': a step of 1, 4 and 16 sequences at context 600, a prompt of 887, a pass of
the fine network, loading, memory, size on the disk, and nano's real-time factor. Each variant is a process
of its own; the variants take turns, and of all rounds the best counts. Where others are at work on the
machine, `--clock cpu --threads 1` still tells them apart.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from bark_cli.bench import load_timed
from bark_cli.pipeline import Bark
from bark_cli.stages.steps import Decode, FineWindow, Prefill
from bark_cli.store import cache_home
from benchmarks.machine import machine_line
from benchmarks.weights import THEIRS, converted_weights, run, transformers_weights

VARIANTS = {
    "bark int8": ("cpu", "int8"),
    "bark fp32": ("cpu", "fp32"),
    **{f"OpenVINO {storage}": ("openvino:CPU", storage) for storage in ("fp32", "fp16", "int8", "int4")},
    "Transformers fp32": ("", "fp32"),
}
CONTEXT, PROMPT, WINDOW, STEPS = 600, 887, 1024, 8
COUNTS = (1, 4, 16)
LEGAL = range(10_001)
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How it is measured."""

    cache: Path  # of weights
    peer_python: Path  # has Transformers
    threads: int
    clock: str  # of CLOCKS
    nano: bool  # whether nano speaks, too


def measure(variant: str, folder: Path, clock: str) -> dict[str, float]:
    """Milliseconds by what was done, seconds of loading, and megabytes, of a backend of bark's."""
    device, precision = VARIANTS[variant]
    bark, load_seconds = load_timed(lambda: Bark.load(folder, device=device, precision=precision))
    backend, timed = bark.model.backend, partial(_timed, CLOCKS[clock])
    found: dict[str, float] = {}
    ids = np.arange(PROMPT) * 37 % 10_000

    def prompt() -> None:
        backend.release(backend.prefill("semantic", Prefill(ids, LEGAL))[0])

    for count in COUNTS:
        rows = [backend.prefill("semantic", Prefill(ids[:CONTEXT] + i, LEGAL))[0] for i in range(count)]
        asked = [(row, Decode(5, LEGAL)) for row in rows]
        taken = [timed(partial(backend.decode, "semantic", asked)) for _ in range(1 + STEPS)]
        found[f"step of {count}, ms"] = min(taken[1:])
        for row in rows:
            backend.release(row)
    found["prompt of 887, ms"] = min(timed(prompt) for _ in range(3))
    codes = np.arange(8 * WINDOW).reshape(8, WINDOW) * 37 % 1024
    window = [FineWindow(4, codes)]
    found["fine pass, ms"] = min(timed(lambda: backend.fine_logits(window)) for _ in range(3))
    found["load, s"] = load_seconds
    found["peak, MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found["disk, MB"] = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    return found


def _timed(clock: Callable[[], float], work: Callable[[], object]) -> float:
    began = clock()
    work()
    return 1000 * (clock() - began)


def run_variant(variant: str, manner: Manner) -> dict[str, float]:
    """What `measure`, or Transformers' side, finds in a process of its own, and nano's real-time factor."""
    device, precision = VARIANTS[variant]
    threads = {"OMP_NUM_THREADS": str(manner.threads)}
    if not device:
        folder = transformers_weights(manner.cache, "small", manner.peer_python)
        numbers = map(str, (CONTEXT, PROMPT, WINDOW, STEPS, *COUNTS))
        command = [str(manner.peer_python), str(THEIRS), "steps", str(folder), manner.clock, *numbers]
        return dict(json.loads(run(command, **threads)))
    layout = "native" if device == "cpu" else "openvino"
    folder = converted_weights(manner.cache, "small", manner.peer_python, layout, precision)
    options = ["--one", variant, "--folder", str(folder), "--clock", manner.clock]
    found = dict(json.loads(run([sys.executable, "-m", "benchmarks.backends", *options], **threads)))
    if manner.nano:
        options = ["--device", device, "--precision", precision, "--repeats", "3", "--json", "-q"]
        bench = [sys.executable, "-m", "bark_cli", "bench", "-m", "nano", *options]
        found["nano, real-time factor"] = json.loads(run(bench, **threads))["real_time_factor"]
    return found


def table(best: dict[str, dict[str, float]]) -> str:
    """The figures in Markdown, a row for each variant."""
    heads = list(dict.fromkeys(head for found in best.values() for head in found))
    lines = ["| | " + " | ".join(heads) + " |", "|---" * (1 + len(heads)) + "|"]
    for variant, found in best.items():
        cells = [f"{found[head]:.4g}" if head in found else "-" for head in heads]
        lines.append(f"| {variant} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure the variants in turn, and print a table."""
    options = _options()
    if options.one:
        print(json.dumps(measure(options.one, options.folder, options.clock)))
        return
    if unknown := [name for name in options.variants if name not in VARIANTS]:
        raise SystemExit(
            f"benchmarks: there is no variant {unknown[0]}; the variants are {', '.join(VARIANTS)}"
        )
    manner = Manner(
        cache=options.cache.resolve(),
        peer_python=options.peer_python.absolute(),
        threads=options.threads,
        clock=options.clock,
        nano=options.nano,
    )
    best: dict[str, dict[str, float]] = {}
    for _ in range(options.rounds):
        for variant in options.variants or VARIANTS:
            found = run_variant(variant, manner)
            best[variant] = {key: min(value, best.get(variant, found)[key]) for key, value in found.items()}
    time_of = "wall time" if manner.clock == "wall" else "CPU time"
    print(f"{machine_line()}; {manner.threads} threads, {time_of}, best of {options.rounds}\n\n{table(best)}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backends", description=__doc__)
    parser.add_argument("variants", nargs="*", metavar="VARIANT", help=f"of {', '.join(VARIANTS)}")
    parser.add_argument("--rounds", type=int, default=2, help="of each variant, of which the best counts")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="all, if not given")
    parser.add_argument("--clock", choices=list(CLOCKS), default="wall", help="which time is taken")
    parser.add_argument("--no-nano", dest="nano", action="store_false", help="leave nano's speech out")
    parser.add_argument(
        "--peer-python",
        type=Path,
        default=Path(sys.executable),
        help="a Python with torch and transformers; this one, if not given",
    )
    parser.add_argument("--cache", type=Path, default=cache_home() / "bark_benchmarks", help="of weights")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
