"""What decides a sound beside the request: code, machine's settings, model's files -> names to compare.

It is found out without reading a model, by names, sizes and times of files; whatever differs is a doubt.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path

from bark_cli.store import ModelRef, bark_home, find_codec, find_tokenizer, tokenizer_elsewhere
from bark_cli.store.places import model_files
from bark_cli.system.digest import digest

# what torch and our kernel go by
_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES", "BARK_KERNEL")
_WORDS = {
    "code": "it runs another bark",
    "machine": "it was started under other circumstances",
    "home": "it has another BARK_HOME",
    "model": "it speaks with another model",
    "files": "the model's files are others",
    "size": "it speaks with another model",
    "device": "it computes on another device",
    "precision": "it computes in another precision",
}

Identity = dict[str, str]


def identity(ref: ModelRef, *, size: str | None, device: str, precision: str) -> Identity:
    """Of a program that speaks with a model, on a device and in a precision as they are asked for.

    Raises:
        OSError: a file of the model cannot be looked at.
    """
    package = Path(__file__).resolve().parent.parent
    beside = (find_codec(ref.folder), find_tokenizer(ref.folder) or tokenizer_elsewhere())
    files = [*model_files(ref.folder), *(path for path in beside if path is not None)]
    set_to = [os.environ.get(name, "") for name in _VARIABLES]
    return {
        "code": _code(package),
        "machine": digest(sys.version, os.path.realpath(sys.executable), *set_to),
        "home": str(bark_home()),
        "model": ref.name,
        "files": digest(*_stamps(files)),
        "size": size or ref.size or "",
        "device": device,
        "precision": precision,
    }


def difference(
    client: Mapping[str, object], server: Mapping[str, str], chosen: Mapping[str, str]
) -> str | None:
    """Why a client is not to be served, in words; None where both would make the same sounds.

    Args:
        client: its identity.
        server: the server's.
        chosen: device and precision that the server came to, which a client may have asked for by name.
    """
    for name, words in _WORDS.items():
        if client.get(name) not in (server.get(name), chosen.get(name, server.get(name))):
            return words
    return None


def config_digest(config: object) -> str:
    """By which two know that a model says the same of itself to both."""
    return digest(repr(config))


def _stamps(files: Iterable[Path]) -> list[str]:
    found = []
    for path in sorted(files):
        status = path.stat()
        found.append(f"{path} {status.st_size} {status.st_mtime_ns} {status.st_ino}")
    return found


def _code(package: Path) -> str:
    """What a package's modules say, wherever it lies."""
    files = sorted(package.rglob("*.py"))
    return digest(*((file.relative_to(package), sha256(file.read_bytes()).hexdigest()) for file in files))
