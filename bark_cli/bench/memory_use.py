"""What the machine can do and what this process has used of it: -> bytes, bytes per second."""

from __future__ import annotations

import sys
import time

_READ_BYTES = 256 * 2**20  # beyond the caches of most machines
_PASSES = 8


def peak_memory_bytes(device: str = "cpu") -> int | None:
    """The most memory held so far, on a GPU its own; None where the system does not say (Windows)."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.max_memory_allocated(device))
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, others KiB


def read_bytes_per_second(device: str = "cpu") -> float:
    """How fast memory can be read, in the way a token reads it: a matrix times a vector, the best of several.

    On a CPU the memory is read by torch's threads, as many as there are. For OpenVINO it is the CPU's.
    """
    import torch  # here, for it is not to count in the peak of what speaks without it

    device, columns = "cpu" if device.startswith("openvino") else device, 4096
    matrix = torch.ones(_READ_BYTES // 4 // columns, columns, device=device)
    vector = torch.ones(columns, device=device)
    best = float("inf")
    for _ in range(1 + _PASSES):  # the first pass wakes the threads
        began = time.perf_counter()
        torch.mv(matrix, vector)[0].item()  # a number is asked for, so that a GPU has to finish
        best = min(best, time.perf_counter() - began)
    return _READ_BYTES / best
