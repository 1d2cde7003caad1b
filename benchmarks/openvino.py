"""OpenVINO beside our own backends, on small's shapes: `python -m benchmarks.openvino [VARIANT ...]`.

A step of 1, 4 and 16 sequences at context 600, a prompt of 887, a pass of the fine network. Each variant is a
process of its own with one thread, whose CPU time is taken, as others may be at work on the machine; the
variants take turns, and of all rounds the best counts.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from bark_cli.backends.registry import backend_for
from bark_cli.bench.weights import random_checkpoint
from bark_cli.stages.steps import Decode, FineWindow, Prefill

VARIANTS = {
    "ours int8": ("cpu", "int8"),
    "ours fp32": ("cpu", "fp32"),
    **{f"OpenVINO {storage}": ("openvino:CPU", storage) for storage in ("fp32", "fp16", "int8", "int4")},
}
CONTEXT, PROMPT, WINDOW, STEPS = 600, 887, 1024, 4
LEGAL = range(10_001)


def measure(variant: str) -> dict[str, float]:
    """Milliseconds of CPU time by what was done, and megabytes."""
    device, precision = VARIANTS[variant]
    checkpoint = random_checkpoint("small")
    began = time.process_time()
    backend = backend_for(checkpoint, device, precision)
    found = {"load": _ms(began)}
    ids = np.arange(PROMPT) * 37 % 10_000
    found["prompt 887"] = min(_prompt(backend, ids) for _ in range(2))
    for count in (1, 4, 16):
        rows = [backend.prefill("semantic", Prefill(ids[:CONTEXT] + i, LEGAL))[0] for i in range(count)]
        step = Decode(5, LEGAL)
        asked = [(row, step) for row in rows]
        taken = [_timed(partial(backend.decode, "semantic", asked)) for _ in range(1 + STEPS)]
        found[f"step of {count}"] = min(taken[1:])
        for row in rows:
            backend.release(row)
    codes = np.arange(8 * WINDOW).reshape(8, WINDOW) * 37 % 1024
    found["fine pass"] = min(_timed(lambda: backend.fine_logits([FineWindow(4, codes)])) for _ in range(2))
    found["peak MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def _prompt(backend: Any, ids: Any) -> float:
    began = time.process_time()
    sequence, _ = backend.prefill("semantic", Prefill(ids, LEGAL))
    taken = _ms(began)
    backend.release(sequence)
    return taken


def _timed(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return _ms(began)


def _ms(began: float) -> float:
    return 1000 * (time.process_time() - began)


def main() -> None:
    """Measure the variants in turn, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.openvino", description=__doc__)
    parser.add_argument("variants", nargs="*", metavar="VARIANT", help=f"of {', '.join(VARIANTS)}")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one)))
        return
    best: dict[str, dict[str, float]] = {}
    for _ in range(options.rounds):
        for variant in options.variants or VARIANTS:
            command = [sys.executable, "-m", "benchmarks.openvino", "--one", variant]
            done = subprocess.run(
                command,
                stdout=subprocess.PIPE,
                text=True,
                check=True,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )
            found = json.loads(done.stdout)
            best[variant] = {key: min(value, best.get(variant, found)[key]) for key, value in found.items()}
    heads = list(next(iter(best.values())))
    print("| | " + " | ".join(heads) + " |\n" + "|---" * (1 + len(heads)) + "|")
    for variant, found in best.items():
        print(f"| {variant} | " + " | ".join(f"{found[head]:.4g}" for head in heads) + " |")


if __name__ == "__main__":
    main()
