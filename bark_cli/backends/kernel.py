"""The compiled code of csrc/ that suits this CPU, and its structs.

It is compiled when the package is installed, once per instruction set (hatch_build.py). Where there was no
compiler `compiled` says so, and the other precisions serve.
"""

from __future__ import annotations

import ctypes
import os
import zlib
from ctypes import POINTER, Structure, c_float, c_int32, c_int64, c_uint32, c_void_p, sizeof
from functools import lru_cache
from pathlib import Path

from bark_cli.errors import OptionError


class Matrix(Structure):
    """A packed matrix as csrc/ sees it."""

    _fields_ = (
        ("values", c_void_p), ("scale", c_void_p), ("bias", c_void_p), ("total", c_void_p),
        ("calm", c_void_p), ("rows", c_int32), ("columns", c_int32),
    )  # fmt: skip


class Layer(Structure):
    """A block of a transformer."""

    _fields_ = (
        ("norm_1", c_void_p), ("norm_1_bias", c_void_p), ("norm_2", c_void_p), ("norm_2_bias", c_void_p),
        ("attention", Matrix), ("projection", Matrix), ("expansion", Matrix), ("contraction", Matrix),
    )  # fmt: skip


class Network(Structure):
    """All blocks, and the last norm."""

    _fields_ = (
        ("layers", POINTER(Layer)), ("norm", c_void_p), ("norm_bias", c_void_p),
        ("n_layer", c_int32), ("n_head", c_int32), ("width", c_int32), ("block", c_int32),
    )  # fmt: skip


class Scratch(Structure):
    """Memory for a call."""

    _fields_ = (
        ("rounded", c_void_p), ("steps", c_void_p), ("wide", c_void_p), ("mixed", c_void_p),
        ("found", c_void_p), ("heard", c_void_p),
    )  # fmt: skip


class Window(Structure):
    """A whole prompt or window."""

    _fields_ = (("x", c_void_p), ("cache", c_void_p), ("n", c_int32), ("first", c_int32))


class VocabularyStruct(Structure):
    """What ids are to a network, as csrc/generate.c sees it."""

    _fields_ = (
        ("rows", c_void_p), ("scale", c_void_p), ("turns", c_int32),
        ("positions", c_void_p), ("heads", POINTER(Matrix)), ("starts", POINTER(c_int32)),
    )  # fmt: skip


class RowStruct(Structure):
    """A sequence that goes on, as csrc/generate.c sees it."""

    _fields_ = (
        ("cache", c_void_p), ("state", c_void_p), ("words", c_void_p), ("packs", c_void_p),
        ("made", c_void_p), ("end_p", c_void_p),
        ("token", c_int32), ("position", c_int32), ("wanted", c_int32),
        ("temperature", c_float), ("top_p", c_float), ("enough", c_float), ("top_k", c_int32),
        ("heap", c_void_p), ("may_end", c_int32), ("done", c_int32),
        ("cycle", c_int32), ("placed", c_int32), ("reach", c_int32), ("last", c_int32), ("at", c_int32),
    )  # fmt: skip


def expect_callers(count: int) -> None:
    """Say how many threads are about to call at the same time: they share the helpers of a single one."""
    if (code := compiled()) is not None:
        code.bark_expect(count)


_LAYOUT = sum(sizeof(struct) << 12 * i for i, struct in enumerate((Matrix, Layer, Network, Scratch, Window)))
_GENERATE_LAYOUT = sizeof(VocabularyStruct) | sizeof(RowStruct) << 16

# instruction sets that csrc/ is compiled for, the best first; the bits of bark_can_run in the same order
VARIANTS = ("amx", "vnni", "avxvnni", "avx2", "dotprod", "neon", "plain")
FORCED = "BARK_KERNEL"  # names one of them, for measurements and tests


# what draws, decodes and multiplies
_FUNCTIONS = tuple(
    f"bark_{name}"
    for name in ("expect", "step", "windows", "product", "generate", "pack", "decode", "draw", "floats")
)


@lru_cache(maxsize=1)
def compiled() -> ctypes.CDLL | None:
    """The compiled code that suits this CPU, or the one that BARK_KERNEL names; None where none was compiled.

    Raises:
        OptionError: BARK_KERNEL names code that is not there or cannot run here.
    """
    forced = os.environ.get(FORCED)
    if not forced:
        name = best_variant()
        return None if name is None else load(name)
    code = load(forced) if forced in runnable() else None
    if code is None:
        here = [name for name in runnable() if load(name) is not None]
        raise OptionError(
            f"{FORCED}={forced} cannot run here; use one of {', '.join(here) or 'none'}, or unset it"
        )
    return code


def best_variant() -> str | None:
    """The instruction set that is taken unless another is forced."""
    return next((name for name in runnable() if load(name) is not None), None)


def variant() -> str | None:
    """The instruction set that is computed with: the one that BARK_KERNEL names, or the best."""
    return os.environ.get(FORCED) or best_variant()


@lru_cache(maxsize=1)
def runnable() -> tuple[str, ...]:
    """Those of VARIANTS that this CPU has, compiled or not; none where nothing was compiled to ask it."""
    code = _open("plain")
    if code is None:
        return ()
    can = int(code.bark_can_run())
    return tuple(name for bit, name in enumerate(VARIANTS) if can >> bit & 1)


def load(variant: str) -> ctypes.CDLL | None:
    """The code of one instruction set; None where it was not compiled or may not run."""
    code = _open(variant)
    if code is None or not code.bark_may_run():
        return None
    network, scratch = POINTER(Network), POINTER(Scratch)
    code.bark_step.argtypes = [
        network, scratch, c_int32, c_void_p, POINTER(c_void_p), POINTER(c_int32), c_int32,
    ]  # fmt: skip
    code.bark_windows.argtypes = [network, scratch, c_int32, c_int32, POINTER(Window), c_int32]
    code.bark_expect.argtypes = [c_int32]
    code.bark_product.argtypes = [
        POINTER(Matrix), scratch, c_int32, c_int32, c_void_p, c_void_p, c_int32,
    ]  # fmt: skip
    code.bark_generate.argtypes = [
        network, scratch, c_void_p, c_int32, c_void_p, c_void_p, c_void_p, c_int32,
    ]  # fmt: skip
    code.bark_pack.argtypes = [c_void_p, c_int32, c_int32, c_void_p, c_void_p, c_void_p, c_int32]
    code.bark_decode.argtypes = [
        c_void_p, c_int32, c_void_p, c_void_p, c_int32, c_int32, c_void_p, c_int32,
    ]  # fmt: skip
    code.bark_draw.argtypes = [
        c_void_p, c_int32, c_int32, c_int32, c_float, c_int32, c_float, c_void_p, c_void_p, c_void_p,
        c_void_p, c_int32,
    ]  # fmt: skip
    code.bark_floats.argtypes = [
        c_void_p, c_int32, c_void_p, c_int32, c_int32, c_int32, c_void_p, c_void_p, c_int32,
    ]  # fmt: skip
    for name in _FUNCTIONS:
        getattr(code, name).restype = None
    return code


def _open(variant: str) -> ctypes.CDLL | None:
    """What was compiled for an instruction set, from the present state of csrc/."""
    file = Path(__file__).with_name(f"kernel-{variant}.so")
    if not file.is_file():
        return None
    try:
        code = ctypes.CDLL(str(file))
    except OSError:  # compiled for another machine
        return None
    if not hasattr(code, "bark_sources"):
        return None
    code.bark_sources.restype = c_uint32
    for name in ("layout", "generate_layout", "span_bytes", "input_bytes"):
        getattr(code, f"bark_{name}").restype = c_int64
    if _sources() not in (None, code.bark_sources()):
        return None
    layouts = (code.bark_layout(), code.bark_generate_layout())
    return code if layouts == (_LAYOUT, _GENERATE_LAYOUT) else None


@lru_cache(maxsize=1)
def _sources() -> int | None:
    """What csrc/ is now, as hatch_build.py told it to what it compiled; None where it did not come along."""
    files = sorted((Path(__file__).parent / "csrc").glob("[!.]*.[ch]"))
    return zlib.crc32(b"".join(file.read_bytes() for file in files)) if files else None
