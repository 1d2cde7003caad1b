"""The int8 kernel by itself, on noise in small's shapes: `python -m benchmarks.kernel`.

A pass of the fine network, a prompt, steps of 1, 4 and 16 sequences, EnCodec's decoder: milliseconds of wall
time, the best of several; `--cpu` takes CPU time, for machines on which others are at work. Each variant and
each number of threads is a process of its own, and they take turns.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from bark_cli.backends.codec import KernelCodec
from bark_cli.backends.generate import Going
from bark_cli.backends.int8 import Int8FineGPT, Int8GPT, Weights
from bark_cli.checkpoint.shapes import expected_shapes
from bark_cli.model.config import BarkConfig
from bark_cli.model.options import StageSampling
from bark_cli.model.published import published_config
from bark_cli.stages.sampling import RandomStream
from bark_cli.stages.steps import Ahead, FineWindow

CONTEXT, PROMPT, WINDOW, FRAMES = 600, 887, 1024, 250
BATCHES = (1, 4, 16)
HEAD = 10_001
CLOCK = time.process_time if "--cpu" in sys.argv else time.perf_counter


def noise(config: BarkConfig, stage: str) -> Weights:
    """Random tensors of a stage, of which the matrices are in int8."""
    generator, prefix = np.random.default_rng(1), f"{stage}."
    drawn = generator.normal(0, 40, 1_000_003).clip(-127, 127).astype(np.int8)
    tensors, scales = {}, {}
    for name, shape in expected_shapes(config).items():
        if not name.startswith(prefix):
            continue
        name = name.removeprefix(prefix)
        if len(shape) == 1:
            tensors[name] = np.full(shape, float(name.endswith("weight")), np.float32)
        elif name == "wpe.weight":
            tensors[name] = generator.standard_normal(shape, np.float32) * np.float32(0.02)
        else:
            tensors[name] = np.resize(drawn, shape)
            scales[name] = np.full(shape[0], 0.02 / 40, np.float32)
    return Weights(tensors, scales)


def measure(rounds: int) -> dict[str, float]:
    """Milliseconds by what was done."""
    config = published_config()
    sized = {
        stage: replace(getattr(config, stage).gpt, n_layer=12, n_head=12, n_embd=768)
        for stage in ("semantic", "fine")
    }
    config = replace(
        config,
        semantic=replace(config.semantic, gpt=sized["semantic"]),
        fine=replace(config.fine, gpt=sized["fine"]),
    )
    return _fine(config, rounds) | _causal(config, rounds) | _codec(config, rounds)


def _fine(config: BarkConfig, rounds: int) -> dict[str, float]:
    network = Int8FineGPT(config.fine.gpt, noise(config, "fine"))
    codes = np.arange(8 * WINDOW).reshape(8, WINDOW) * 37 % 1024
    last = FineWindow(4, codes, WINDOW - FRAMES)
    return {
        f"fine, {WINDOW}": _best(rounds, lambda: network.answers([FineWindow(4, codes)])),
        f"fine, last {FRAMES}": _best(rounds, lambda: network.answers([last])),
    }


def _causal(config: BarkConfig, rounds: int) -> dict[str, float]:
    network = Int8GPT(config.semantic.gpt, noise(config, "semantic"))
    ids = np.arange(PROMPT) * 37 % 10_000
    found = {f"prompt, {PROMPT}": _best(rounds, lambda: network.prompts([(ids, None, network.new_cache())]))}
    caches = [network.new_cache() for _ in range(max(BATCHES))]
    for cache in caches:
        cache[:] = 0x3C  # any number
    for count in BATCHES:
        going = [
            Going(
                cache, CONTEXT, 5, Ahead(8, (range(HEAD),), StageSampling(temperature=0.7), RandomStream(1))
            )
            for cache in caches[:count]
        ]
        found[f"step at {CONTEXT} of {count}"] = _best(rounds, lambda rows=going: network.tokens(rows)) / 8
    return found


def _codec(config: BarkConfig, rounds: int) -> dict[str, float]:
    generator = np.random.default_rng(2)
    tensors = {
        name.removeprefix("codec."): generator.standard_normal(shape, np.float32) * np.float32(0.05)
        for name, shape in expected_shapes(config).items()
        if name.startswith("codec.")
    }
    codec = KernelCodec(config.codec, tensors)
    codes = np.arange(8 * FRAMES).reshape(8, FRAMES) * 37 % 1024
    return {f"codec, {FRAMES}": _best(rounds, lambda: codec.decode_audio(codes))}


def _best(rounds: int, work: Callable[[], object]) -> float:
    taken = []
    for _ in range(1 + rounds):  # the first one warms up
        began = CLOCK()
        work()
        taken.append(1000 * (CLOCK() - began))
    return min(taken[1:])


def main() -> None:
    """Measure the variants in turn, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kernel", description=__doc__)
    parser.add_argument("--variants", nargs="+", default=["avx2", "vnni"])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--turns", type=int, default=2, help="processes of each")
    parser.add_argument("--rounds", type=int, default=3, help="of each process; the best counts")
    parser.add_argument("--cpu", action="store_true", help="CPU time instead of wall time")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.rounds)))
        return
    best: dict[str, dict[str, float]] = {}
    for _ in range(options.turns):
        for variant in options.variants:
            for threads in options.threads:
                found = _elsewhere(variant, threads, options.rounds)
                name = f"{variant}, {threads}"
                best[name] = {key: min(value, best.get(name, found)[key]) for key, value in found.items()}
    heads = list(next(iter(best.values())))
    print("| ms; variant, threads | " + " | ".join(heads) + " |\n" + "|---" * (1 + len(heads)) + "|")
    for name, found in best.items():
        print(f"| {name} | " + " | ".join(f"{found[head]:.4g}" for head in heads) + " |")


def _elsewhere(variant: str, threads: int, rounds: int) -> dict[str, float]:
    """`measure` in a process of its own."""
    line = [sys.executable, "-m", "benchmarks.kernel", "--one", "--rounds", str(rounds)]
    line += ["--cpu"] * (CLOCK is time.process_time)
    environment = os.environ | {"BARK_KERNEL": variant, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(line, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    found: dict[str, float] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
