"""Where to compute and in what: the name of a device and of a precision -> those that are there.

torch takes seconds to load: it is asked only where there may be a GPU, or where int8 cannot be computed.
"""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from pathlib import Path

from bark_cli.backends.kernel import compiled, runnable
from bark_cli.errors import OptionError

DEVICES = ("auto", "cpu", "cuda", "mps", "openvino")
PRECISIONS = ("auto", "fp32", "fp16", "bf16", "int8", "int4")
_OF_OPENVINO = ("fp32", "fp16", "int8", "int4")

# of the kernel's variants what their names mean
_ABILITIES = {
    "amx": "AMX",
    "vnni": "AVX-512 VNNI",
    "avxvnni": "AVX-VNNI",
    "avx2": "AVX2",
    "neon": "NEON",
    "dotprod": "dot products",
}


def choose_device(name: str) -> str:
    """torch's name of the device of that name; "auto" takes CUDA, else the CPU; "cuda:1" is one of several.

    "openvino" leaves the choice to OpenVINO, and "openvino:GPU" does not.

    Raises:
        OptionError: the name is unknown, or this machine has no such device.
    """
    kind, _, index = name.partition(":")
    if kind == "openvino":
        from bark_cli.backends.openvino_device import choose_openvino_device

        return choose_openvino_device(index)
    if name == "cpu" or (name == "auto" and not has_gpu_driver()):
        return "cpu"
    if name != "auto" and (kind not in DEVICES[1:] or (index and not index.isdecimal())):
        raise OptionError(f"device {name!r} is unknown; use one of {', '.join(DEVICES)}")
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"  # MPS has not been measured
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if not present[kind] or (kind == "cuda" and int(index or 0) >= torch.cuda.device_count()):
        raise OptionError(f"this machine has no device {name} that torch can use; use --device cpu or auto")
    return name


def has_gpu_driver() -> bool:
    """Whether there is a driver of NVIDIA's or AMD's, without which torch finds no CUDA."""
    if Path("/dev/kfd").exists():  # AMD's
        return True
    names = {"linux": ["libcuda.so.1"], "win32": ["nvcuda.dll", "amdhip64.dll"]}
    for driver in names.get(sys.platform, []):
        with suppress(OSError):
            ctypes.CDLL(driver)
            return True
    return False


def choose_precision(name: str, device: str) -> str:
    """What to compute in: "fp32", "bf16", "int8", or "fp16" on MPS; "auto" takes the fastest.

    With OpenVINO it is what weights are kept in: "fp32", "fp16", "int8" or "int4".

    Raises:
        OptionError: the name is unknown, or this device or installation cannot compute so.
    """
    if name not in PRECISIONS:
        raise OptionError(f"precision {name!r} is unknown; use one of {', '.join(PRECISIONS)}")
    kind = device.partition(":")[0]
    if kind == "openvino":
        if name not in ("auto", *_OF_OPENVINO):
            raise OptionError(f"OpenVINO has no {name}; use --precision fp32, fp16, int8 or int4")
        return "int8" if name == "auto" else name
    if name == "auto":
        return {"cuda": "bf16", "mps": "fp16"}.get(kind) or _best_of_cpu()
    if name == "int4" or (name == "fp16" and kind != "mps"):
        raise OptionError(f"{name} is for OpenVINO; use --device openvino, or --precision auto, bf16 or fp32")
    if name == "int8" and kind != "cpu":
        raise OptionError(f"int8 is for the CPU; on {kind} use --precision bf16 or fp32")
    if name == "int8" and compiled() is None:
        raise OptionError(
            "int8 needs code that is compiled when bark is installed, and there is none that runs here; "
            "install a C compiler and then bark again, or use --precision bf16 or fp32"
        )
    return name


def _best_of_cpu() -> str:
    """Int8 reads a quarter of the memory that fp32 does, which is what a step of one token waits for.

    Plain C is for processors that nothing was written for; it has not been measured there.
    """
    if compiled() is not None and runnable() != ("plain",):
        return "int8"
    return "bf16" if has_bf16_units() else "fp32"


def has_bf16_units() -> bool:
    """Whether this CPU multiplies in bf16 faster than in float32."""
    import torch

    return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()


def cpu_abilities() -> str:
    """What of this CPU the choice of a precision looks at, in words."""
    if here := runnable():
        names = [name for variant, name in _ABILITIES.items() if variant in here]
        return ", ".join(names) or "none of AMX, AVX-512 and AVX2"
    import torch

    has = {
        "AMX": torch.cpu._is_amx_tile_supported(),
        "AVX-512 BF16": torch.cpu._is_avx512_bf16_supported(),
        "AVX2": torch.cpu._is_avx2_supported(),
    }
    return ", ".join(name for name, there in has.items() if there) or "none of AMX, AVX-512 and AVX2"
