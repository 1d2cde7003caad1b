"""Where to compute: the name of a device -> torch's device, the width of a network -> threads."""

from __future__ import annotations

import platform
import threading

import torch

from bark_cli.backends.kernel import library, runnable
from bark_cli.errors import OptionError

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "fp32", "bf16", "int8")
NARROW = 512  # numbers in a step of one token, below which it is too short to be shared between threads


def choose_device(name: str) -> torch.device:
    """The device of that name; "auto" takes CUDA, else the CPU; "cuda:1" is one of several.

    Raises:
        OptionError: the name is unknown, or this machine has no such device.
    """
    kind, _, index = name.partition(":")
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device("cuda" if present["cuda"] else "cpu")  # MPS has not been measured
    if kind not in present or (index and not index.isdecimal()):
        raise OptionError(f"device {name!r} is unknown; use one of {', '.join(DEVICES)}")
    if not present[kind] or (kind == "cuda" and int(index or 0) >= torch.cuda.device_count()):
        raise OptionError(f"this machine has no device {name} that torch can use; use --device cpu or auto")
    return torch.device(name)


def choose_precision(name: str, device: torch.device) -> str:
    """What to compute in: "fp32", "bf16", "int8", or "fp16" on MPS; "auto" takes the fastest.

    Raises:
        OptionError: the name is unknown, or this device or installation cannot compute so.
    """
    if name not in PRECISIONS:
        raise OptionError(f"precision {name!r} is unknown; use one of {', '.join(PRECISIONS)}")
    if name == "auto":
        return {"cuda": "bf16", "mps": "fp16"}.get(device.type) or _best_of_cpu()
    if name == "int8" and device.type != "cpu":
        raise OptionError(f"int8 is for the CPU; on {device.type} use --precision bf16 or fp32")
    if name == "int8" and library() is None:
        raise OptionError(
            "int8 needs code that is compiled when bark is installed, and there is none that runs here; "
            "install a C compiler and then bark again, or use --precision bf16 or fp32"
        )
    return name


def _best_of_cpu() -> str:
    """Int8 reads a quarter of the memory that fp32 does, which is what a step of one token waits for.

    Plain C is for processors that nothing was written for; it has not been measured there.
    """
    if library() is not None and runnable() != ("plain",):
        return "int8"
    return "bf16" if has_bf16_units() else "fp32"


def has_bf16_units() -> bool:
    """Whether this CPU multiplies in bf16 faster than in float32."""
    return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()


def cpu_abilities() -> str:
    """What of this CPU the choice of a precision looks at, in words."""
    has = {
        "AMX": torch.cpu._is_amx_tile_supported(),
        "AVX-512 BF16": torch.cpu._is_avx512_bf16_supported(),
        "AVX-512 VNNI": torch.cpu._is_vnni_supported(),
        "AVX2": torch.cpu._is_avx2_supported(),
    }
    if platform.machine().lower() in ("aarch64", "arm64"):
        has = {"NEON": True, "dot products": "dotprod" in runnable()}
    return ", ".join(name for name, here in has.items() if here) or "none of AMX, AVX-512 and AVX2"


class OwnThreads:
    """How many threads torch computes with on this thread, fitted to the work; other threads keep theirs.

    Threads that share a step of less than NARROW numbers spend their time waiting for each other, and where
    another process has one of the cores they spin for it: nano took twenty times as long then.
    """

    def __init__(self, width: int) -> None:
        self._width, self._all = width, torch.get_num_threads()
        self._now = self._all

    def use(self, n_sequences: int) -> None:
        """Fit them to steps of so many sequences at once."""
        wanted = 1 if self._width * n_sequences < NARROW else self._all
        if wanted != self._now:
            self._now = wanted
            torch.set_num_threads(wanted)
            # what it sets is this thread's own, but also what later threads begin with: that is put back
            restore = threading.Thread(target=torch.set_num_threads, args=(self._all,))
            restore.start()
            restore.join()
