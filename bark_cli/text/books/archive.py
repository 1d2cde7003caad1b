"""A zip archive from anybody: a path -> its members' bytes, within limits; none is written to the disk."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bark_cli.errors import TextError

_MOST_FILE = 2**30  # bytes of the archive itself
_MOST_MEMBERS = 20_000
_MOST_MEMBER = 2**25  # bytes of a member, unpacked
_MOST_READ = 2**28  # of all that are read
_RATIO, _FREE = 200, 2**20  # how much larger a member may become, beyond the first of its bytes
_BAD = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)


class Archive:
    """The members of an open archive."""

    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        self._archive, self._name = archive, name
        self._members = {member.filename: member for member in archive.infolist()}
        self._left = _MOST_READ

    def __contains__(self, name: str) -> bool:
        return name in self._members

    @property
    def names(self) -> list[str]:
        """Of all members."""
        return list(self._members)

    def read(self, name: str) -> bytes | None:
        """A member's bytes; None if there is none of that name.

        Raises:
            TextError: it is encrypted, damaged, or larger than any page of a book.
        """
        member = self._members.get(name)
        if member is None:
            return None
        if member.flag_bits & 1:
            raise TextError(f"{self._name} is protected by a password or by DRM; give a copy without it")
        most = min(_MOST_MEMBER, self._left, _FREE + _RATIO * member.compress_size)
        try:
            with self._archive.open(member) as stream:
                data = stream.read(most + 1)
        except _BAD as error:
            raise TextError(
                f"{self._name} is damaged: {_short(name)} cannot be unpacked ({error})"
            ) from error
        if len(data) > most:
            raise TextError(
                f"{self._name}: {_short(name)} unpacks to more than {most / 2**20:.1f} MiB, which no page "
                "of a book does; it was not read"
            )
        self._left -= len(data)
        return data


@contextmanager
def open_archive(path: Path, kind: str = "EPUB") -> Iterator[Archive]:
    """The archive at `path`, which is to be of a kind.

    Raises:
        TextError: there is none, it is no zip archive, too large, or has too many members.
    """
    try:
        if path.stat().st_size > _MOST_FILE:
            raise TextError(f"{path} has more than {_MOST_FILE // 2**30} GiB, which is no book of words")
        opened = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise TextError(f"{path} is no {kind}, or a damaged one ({error}); open it to see") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise TextError(f"cannot read {path}: {reason}; check the name") from error
    with opened:
        if len(opened.infolist()) > _MOST_MEMBERS:
            raise TextError(f"{path} holds more than {_MOST_MEMBERS} files, which is no book of words")
        yield Archive(opened, str(path))


def _short(name: str) -> str:
    return name if len(name) <= 60 else f"…{name[-59:]}"
