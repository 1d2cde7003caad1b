"""Compiles the int8 kernel while the package is built, once per instruction set, if there is a compiler."""

from __future__ import annotations

import os
import platform
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = Path("bark_cli/backends/decode.c")
# which file suits a CPU is decided when it is loaded: bark_cli/backends/kernel.py
_WIDE = ["-march=x86-64-v4", "-mprefer-vector-width=512", "-mavx512vnni"]
X86 = {
    "amx": [*_WIDE, "-mamx-tile", "-mamx-int8"],
    "vnni": _WIDE,
    "avx2": ["-march=x86-64-v3"],
    "plain": [],
}
OTHER: dict[str, list[str]] = {"plain": []}
FLAGS = ["-O3", "-std=gnu11", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC"]


class Kernel(BuildHookInterface[Any]):
    """Puts decode-*.so beside decode.c."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile what this machine can, and tag the wheel by it."""
        root = Path(self.root)
        variants = X86 if platform.machine().lower() in ("x86_64", "amd64") else OTHER
        made = [name for name, flags in variants.items() if compiled(root / SOURCE, name, flags)]
        if not made:
            self.app.display_warning(
                "nothing was compiled: bark will compute without its int8 kernel, more slowly"
            )
            return
        build_data["artifacts"] += [f"/{SOURCE.with_name(f'decode-{name}.so')}" for name in made]
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"


def compiled(source: Path, name: str, flags: list[str]) -> bool:
    """Whether one variant could be compiled, with OpenMP if the compiler has it."""
    target = source.with_name(f"decode-{name}.so")
    scratch = source.with_name(f".{target.name}.{os.getpid()}")  # a running bark keeps the old file
    target.unlink(missing_ok=True)  # what cannot be compiled anew must not stay as it was
    compiler = os.environ.get("CC", "cc").split()
    for openmp in (["-fopenmp"], []):
        command = [*compiler, *FLAGS, *flags, *openmp, str(source), "-o", str(scratch), "-lm"]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except OSError as error:
            print(f"bark: no C compiler: {error}")
        except subprocess.CalledProcessError as error:
            print(f"bark: {' '.join(flags + openmp)}: {error.stderr.strip().splitlines()[-1:]}")
        else:
            scratch.replace(target)
            return True
    scratch.unlink(missing_ok=True)
    return False
