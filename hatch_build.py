"""Compiles the int8 kernel while the package is built, once per instruction set, if there is a compiler.

`python hatch_build.py` does the same in a checkout, after a change of the C code.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import sysconfig
import zlib
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run as a script, where nothing is built but the kernel
    BuildHookInterface = dict  # type: ignore[assignment, misc]

SOURCES = Path("bark_cli/backends/csrc")
# which file suits a CPU is decided when it is loaded: bark_cli/backends/kernel.py
_WIDE = ["-march=x86-64-v4", "-mprefer-vector-width=512", "-mavx512vnni"]
X86 = {
    "amx": [*_WIDE, "-mamx-tile", "-mamx-int8"],
    "vnni": _WIDE,
    "avxvnni": ["-march=x86-64-v3", "-mavxvnni"],
    "avx2": ["-march=x86-64-v3"],
    "plain": [],
}
ARM = {
    "dotprod": ["-march=armv8.2-a+dotprod"],
    "neon": ["-march=armv8-a"],
    "plain": ["-march=armv8-a", "-DBARK_PLAIN"],
}
OTHER: dict[str, list[str]] = {"plain": []}
FLAGS = ["-O3", "-std=gnu11", "-fno-math-errno", "-fno-trapping-math", "-fopenmp-simd", "-pthread"]
# Windows: the threads of MinGW come along in the file. Its gcc takes the stack for aligned, which it is not
# there for vectors of AVX (bug 54412 of gcc): the assembler makes moves of those that need no alignment.
POSIX, WINDOWS = ["-fPIC"], ["-static", "-Wa,-muse-unaligned-vector-move"]


class Kernel(BuildHookInterface[Any]):
    """Puts kernel-*.so beside kernel.py."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile what this machine can, and tag the wheel by it."""
        made = compile_all(Path(self.root))
        if not made:
            self.app.display_warning(
                "nothing was compiled: bark will compute without its int8 kernel, more slowly"
            )
            return
        build_data["artifacts"] += [f"/{file}" for file in made]
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"


def variants(machine: str) -> dict[str, list[str]]:
    """The instruction sets of a kind of processor, and what tells the compiler of each."""
    machine = machine.lower()
    return X86 if machine in ("x86_64", "amd64") else ARM if machine in ("aarch64", "arm64") else OTHER


def compile_all(root: Path) -> list[Path]:
    """Compile every variant of this machine in a checkout; returns those that could be, from `root` on."""
    files = {name: SOURCES.with_name(f"kernel-{name}.so") for name in variants(platform.machine())}
    return [
        files[name]
        for name, flags in variants(platform.machine()).items()
        if compiled(root / SOURCES, root / files[name], flags)
    ]


def command(sources: Path, target: Path, flags: list[str], compiler: list[str]) -> list[str]:
    """What compiles one variant."""
    files = [str(file) for file in sorted(sources.glob("[!.]*.c"))]
    system = WINDOWS if sys.platform == "win32" else POSIX
    state = zlib.crc32(b"".join(file.read_bytes() for file in sorted(sources.glob("[!.]*.[ch]"))))
    flags = [*flags, f"-DBARK_SOURCES={state}u"]  # kernel.py refuses what was compiled from others
    return [*compiler, *FLAGS, *flags, "-shared", *system, *files, "-o", str(target), "-lm"]


def compiled(sources: Path, target: Path, flags: list[str]) -> bool:
    """Whether one variant could be compiled."""
    scratch = target.with_name(f".{target.name}.{os.getpid()}")  # a running bark keeps the old file
    target.unlink(missing_ok=True)  # what cannot be compiled anew must not stay as it was
    try:
        compiler = os.environ.get("CC", "gcc" if sys.platform == "win32" else "cc")
        line = command(sources, scratch, flags, compiler.split())
        subprocess.run(line, check=True, capture_output=True, text=True)
    except OSError as error:
        print(f"bark: no C compiler: {error}")
    except subprocess.CalledProcessError as error:
        print(f"bark: {' '.join(flags)}: {error.stderr.strip().splitlines()[-1:]}")
    else:
        scratch.replace(target)
        return True
    scratch.unlink(missing_ok=True)
    return False


if __name__ == "__main__":
    print(*compile_all(Path(__file__).parent))
