"""How many utterances at once fit into memory, and pay: a model's shape and bytes -> a batch size."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from bark_cli.model.config import BarkConfig, GPTConfig

MOST = 64  # more gain nothing: by then a step's time grows with its utterances
SURE = 16  # so many are tried (trial.py), and more are judged by their caches
_BYTES = {"int8": (1, 1), "bf16": (2, 2), "fp32": (4, 4)}  # of a weight, and of a number in a cache
TRIED_BYTES = 2**27  # that caches of those which are tried take, at most


def cache_bytes(gpt: GPTConfig, bytes_per_number: int) -> int:
    """Keys and values of one sequence: 2 x layers x positions x width."""
    return 2 * gpt.n_layer * gpt.block_size * gpt.n_embd * bytes_per_number


def fitting_batch_size(config: BarkConfig, bytes_per_number: int, free_bytes: int) -> int:
    """Utterances whose caches fill half of the free memory, 1 .. MOST; the rest is for what a step needs.

    An utterance has a cache in both causal stages: they overlap, and what is done is kept for the next.
    """
    both = sum(cache_bytes(gpt, bytes_per_number) for gpt in (config.semantic.gpt, config.coarse.gpt))
    return max(1, min(MOST, free_bytes // 2 // both))


def roomy_batch_size(config: BarkConfig, precision: str, cpu_cache: int | None) -> int:
    """Utterances beyond which more at once gain nothing, SURE .. MOST, on a CPU where SURE of them pay.

    Weights that are read from memory are read once for all, so that each more pays. Those of a small network
    stay in the processor's cache (bytes, None where that is not known): there more gain nothing as soon as
    their keys and values, half of them filled, have no room beside the weights.
    """
    weight, number = _BYTES[precision]
    gpts = (config.semantic.gpt, config.coarse.gpt)
    weights = max(12 * gpt.n_layer * gpt.n_embd**2 for gpt in gpts) * weight
    if cpu_cache is None or weights > cpu_cache:
        return MOST
    beside = (cpu_cache - weights) // (max(cache_bytes(gpt, number) for gpt in gpts) // 2)
    return max(SURE, min(MOST, beside))


def cpu_cache_bytes(folder: Path = Path("/sys/devices/system/cpu/cpu0/cache")) -> int | None:
    """The largest cache of the processor; None where the system does not say (only Linux does)."""
    sizes = []
    for file in folder.glob("index*/size"):
        with suppress(OSError, ValueError):
            sizes.append(int(file.read_text().strip().removesuffix("K")) * 1024)
    return max(sizes, default=None)


def midst(gpt: GPTConfig, count: int, bytes_per_number: int) -> int:
    """A position halfway through the caches of `count` sequences, or as far as TRIED_BYTES go."""
    each = cache_bytes(gpt, bytes_per_number) // gpt.block_size
    return max(1, min(gpt.block_size // 2, TRIED_BYTES // (each * count)))


def free_bytes(device: str) -> int:
    """Memory that is free on a device; where that cannot be told, enough for a few utterances."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.mem_get_info(device)[0])
    with suppress(OSError, StopIteration):  # Linux, which also counts what it could drop
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        kilobytes = int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1])
        return min(kilobytes * 1024, free_of_container())
    with suppress(AttributeError, ValueError, OSError):  # not on Windows, nor on every Unix
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 4 * 2**30


def free_of_container(folder: Path = Path("/sys/fs/cgroup")) -> int:
    """What a container's limit (cgroup, version 2 or 1) leaves; no limit leaves more than there is."""
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        with suppress(OSError, ValueError):  # the limit may be the word "max"
            return max(0, int((folder / limit).read_text()) - int((folder / used).read_text()))
    return sys.maxsize
