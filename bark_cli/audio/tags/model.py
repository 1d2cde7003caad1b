"""The tags that a sound file may have: NAME=VALUE -> Tags, and what each is called in every format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from bark_cli.errors import OptionError

_MOST_COVER = 12 * 2**20  # bytes; a block of FLAC holds 16 MiB
_MOST_VALUE = 10_000  # characters


class Names(NamedTuple):
    """What a tag is called; "" where the format has none."""

    vorbis: str
    id3: str
    info: str  # of WAV
    mp4: str  # of ffmpeg's metadata


FIELDS = {
    "title": Names("TITLE", "TIT2", "INAM", "title"),
    "artist": Names("ARTIST", "TPE1", "IART", "artist"),
    "album": Names("ALBUM", "TALB", "IPRD", "album"),
    "albumartist": Names("ALBUMARTIST", "TPE2", "", "album_artist"),
    "composer": Names("COMPOSER", "TCOM", "", "composer"),
    "track": Names("TRACKNUMBER", "TRCK", "ITRK", "track"),
    "disc": Names("DISCNUMBER", "TPOS", "", "disc"),
    "genre": Names("GENRE", "TCON", "IGNR", "genre"),
    "date": Names("DATE", "TYER", "ICRD", "date"),
    "language": Names("LANGUAGE", "TLAN", "ILNG", "language"),
    "copyright": Names("COPYRIGHT", "TCOP", "ICOP", "copyright"),
    "series": Names("SERIES", "TXXX:SERIES", "", "grouping"),
}


class ChapterMark(NamedTuple):
    """Where a chapter begins."""

    start_s: float
    title: str


@dataclass(frozen=True, kw_only=True)
class Tags:
    """What a file says of itself."""

    fields: Mapping[str, str] = field(default_factory=dict)  # by the names in FIELDS
    cover: bytes | None = None  # a JPEG or a PNG
    marks: Sequence[ChapterMark] = ()

    def __bool__(self) -> bool:
        return bool(self.fields or self.cover or self.marks)


def parse_tags(options: Iterable[str]) -> dict[str, str]:
    """What was given as NAME=VALUE, by name.

    Raises:
        OptionError: one is no NAME=VALUE, is unknown, or is given twice.
    """
    found: dict[str, str] = {}
    for option in options:
        name, equals, value = (part.strip() for part in option.partition("="))
        name = name.lower()
        if not (equals and value):
            raise OptionError(f"--tag {option} is no NAME=VALUE; write, for example, --tag title=Emma")
        if name not in FIELDS:
            raise OptionError(f"--tag {name} is not known; there are {', '.join(FIELDS)}")
        if name in found:
            raise OptionError(f"--tag {name} is given twice; give it once")
        if len(value) > _MOST_VALUE or any(ord(sign) < 32 or 0xD800 <= ord(sign) < 0xE000 for sign in value):
            raise OptionError(f"--tag {name} is too long, or has signs that no player shows; shorten it")
        found[name] = value
    return found


def read_cover(path: str | Path) -> bytes:
    """The bytes of a picture.

    Raises:
        OptionError: it cannot be read, is too large, or is neither a JPEG nor a PNG.
    """
    try:
        with Path(path).open("rb") as stream:
            data = stream.read(_MOST_COVER + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise OptionError(f"cannot read --cover {path}: {reason}; check the name") from error
    if len(data) > _MOST_COVER:
        raise OptionError(f"--cover {path} has more than {_MOST_COVER // 2**20} MiB; make it smaller")
    if picture_type(data) is None:
        raise OptionError(f"--cover {path} is neither a JPEG nor a PNG; convert it")
    return data


def picture_type(data: bytes) -> str | None:
    """The media type of a picture that players show; None if it is not one."""
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    return "image/png" if data.startswith(b"\x89PNG\r\n\x1a\n") else None


def check_tags_fit(format: str, tags: Tags) -> None:
    """Find out whether a format holds them, before any sound is made.

    Raises:
        OptionError: it does not.
    """
    if format == "raw" and tags:
        raise OptionError("raw sound holds no tags; use another format")
    if format == "wav" and (tags.cover or tags.marks):
        what = "cover" if tags.cover else "chapters"
        raise OptionError(f"a WAV holds no {what}; use .flac, .opus, .ogg or .mp3")
