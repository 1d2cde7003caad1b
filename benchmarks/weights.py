"""A size -> folders of random weights in the cache: Transformers', and what `bark convert` makes of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bark_cli.bench import SIZES
from bark_cli.store import nano_folder

ROOT = Path(__file__).parent.parent
THEIRS = Path(__file__).with_name("theirs.py")


def transformers_weights(cache: Path, size: str, peer_python: Path) -> Path:
    """A folder of random weights as Transformers writes them, read by both sides; made when missing."""
    folder = cache / "weights" / size
    if not (folder / "tokenizer.json").exists():  # copied last, so that what has one is whole
        folder.mkdir(parents=True, exist_ok=True)
        shape = [str(number) for number in SIZES[size]]
        run([str(peer_python), str(THEIRS), "make", str(folder), *shape])
        shutil.copyfile(nano_folder() / "tokenizer.json", folder / "tokenizer.json")
    return folder


def converted_weights(cache: Path, size: str, peer_python: Path, layout: str, storage: str) -> Path:
    """The same in another layout of bark's; made when missing."""
    folder = cache / "weights" / f"{size}-{layout}-{storage}"
    if not folder.exists():
        original = transformers_weights(cache, size, peer_python)
        names = [str(original), str(folder), "--to", layout]
        run([sys.executable, "-m", "bark_cli", "convert", *names, "--storage", storage, "-q"])
    return folder


def run(command: Sequence[str], **environment: str) -> str:
    """What a process prints, once it has ended well; its complaints are shown.

    Raises:
        SystemExit: it failed.
    """
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=False, cwd=ROOT, env=os.environ | environment
    )
    if done.returncode:
        raise SystemExit(f"benchmarks: {' '.join(command[:5])} failed; see the lines above")
    return done.stdout
