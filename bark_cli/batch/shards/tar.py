"""Rows <-> a tar file in WebDataset's form: of each row KEY.flac (or what it is), KEY.json and KEY.txt.

A key ends at the first dot of a name (webdataset.tariterators.base_plus_ext), so dots in it are written %2E.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Set
from contextlib import suppress
from pathlib import Path, PurePosixPath

from bark_cli.batch.shards.row import Row

suffix = ".tar"


class TarShard:
    """A shard that is being written, a row at a time."""

    def __init__(self, path: Path) -> None:
        self._tar = tarfile.open(path, "w", format=tarfile.GNU_FORMAT)  # noqa: SIM115  (closed by `close`)

    def add(self, row: Row) -> None:
        """Put a row at its end."""
        key, known = key_of(row.name), {**vars(row)}
        known["sound"] = member = f"{key}{PurePosixPath(row.name).suffix}"
        for name, data in (
            (member, row.sound),
            (f"{key}.json", json.dumps(known, ensure_ascii=False).encode()),
            (f"{key}.txt", row.text.encode()),
        ):
            told = tarfile.TarInfo(name)
            told.size = len(data)
            self._tar.addfile(told, io.BytesIO(data))

    def close(self) -> None:
        """End it."""
        self._tar.close()

    def abandon(self) -> None:
        """Let go of it where it cannot be ended; nothing is raised."""
        with suppress(OSError):  # the end is written, if it can be
            self._tar.close()


def create(path: Path) -> TarShard:
    """A new shard at a path."""
    return TarShard(path)


def copy_without(old: Path, new: Path, names: Set[str]) -> None:
    """Write a shard anew that lacks some of its rows."""
    keys = {key_of(name) for name in names}
    with tarfile.open(old) as tar, tarfile.open(new, "w", format=tarfile.GNU_FORMAT) as copy:
        for told in tar:
            if told.name.rpartition(".")[0] not in keys:
                copy.addfile(told, tar.extractfile(told))


def key_of(name: str) -> str:
    """What the members of a row are called, but for their endings; two names never have one key."""
    path = PurePosixPath(name.replace("%", "%25"))
    return str(path.parent / path.stem.replace(".", "%2E"))
