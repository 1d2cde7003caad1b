"""A model that the command has -> the same on a worker's machine: found there, or brought and verified."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath

from bark_cli.batch.destination import sha256_of
from bark_cli.batch.identity import model_identity, read_from
from bark_cli.cluster.job import Wanted
from bark_cli.errors import BarkError, ModelError
from bark_cli.store import ModelRef, models_home, resolve_model
from bark_cli.system.files import told_of

_PART = 32 * 2**20  # bytes of a file that travel at once


@dataclass(frozen=True, kw_only=True)
class Packed:
    """A file that travels in parts; what they are depends on how they travel."""

    name: str
    sha256: str
    parts: Sequence[object]


def find(wanted: Wanted) -> ModelRef | None:
    """The model as this machine has it: under its name, in the same place, or brought here before."""
    ref = wanted.ref
    for place in (ref.name, ref.folder, _place(wanted)):
        with suppress(BarkError, OSError):
            found = resolve_model(place)
            found = ModelRef(name=ref.name, folder=found.folder, size=ref.size)
            if model_identity([found]) == wanted.identity:
                return found
    return None


def pack(ref: ModelRef, send: Callable[[bytes], object]) -> list[Packed]:
    """The files of a model, in parts; `send` gives for each what it is fetched with.

    Raises:
        ModelError: one cannot be read.
    """
    try:
        return [
            Packed(name=path.name, sha256=sha256_of(path), parts=[send(part) for part in _parts(path)])
            for path in read_from(ref)
        ]
    except OSError as error:
        raise ModelError(f"cannot read {error.filename}: {error.strerror}; check its permissions") from error


def unpack(files: Sequence[Packed], wanted: Wanted, fetch: Callable[[object], bytes]) -> ModelRef:
    """Put a model that was packed into this machine's store: whole and verified, or not at all.

    Raises:
        ModelError: what came is not what was sent.
        OutputError: the disk refuses.
    """
    home = _place(wanted)
    with told_of(home):
        home.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=".bark-", dir=home.parent))
        try:
            for file in files:
                _write(part / PurePath(file.name).name, file, fetch)
            with suppress(OSError):  # another worker of this machine was first
                part.rename(home)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    found = find(wanted)
    if found is None:
        raise ModelError(f"model {wanted.ref.name} came here damaged, to {home}; remove that folder")
    return found


def _place(wanted: Wanted) -> Path:
    """Where a model is put that was brought; its own folder, for another may have the name."""
    return models_home() / f"{wanted.ref.name.replace('/', '--')}-{wanted.identity[:12]}"


def _write(path: Path, file: Packed, fetch: Callable[[object], bytes]) -> None:
    found = hashlib.sha256()
    with path.open("xb") as stream:
        for part in file.parts:
            data = fetch(part)
            found.update(data)
            stream.write(data)
    if found.hexdigest() != file.sha256:
        raise ModelError(f"{file.name} was damaged on its way; run the same command again")


def _parts(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while part := stream.read(_PART):
            yield part
