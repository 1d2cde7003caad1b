"""What a book is: a title and chapters, each with passages in the order in which they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["text", "heading", "quote", "note", "break"]
# what is left out of a book unless it is asked for
EXTRAS = ("footnotes", "tables", "code", "images", "emphasis")


@dataclass(frozen=True, kw_only=True)
class Passage:
    """What stands in a paragraph of its own; a break has no words."""

    text: str
    kind: Kind = "text"
    level: int = 0  # of a heading, from 1
    speaker: str | None = None  # of a script's line


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """A part of a book that has a title."""

    title: str
    passages: Sequence[Passage]

    @property
    def n_words(self) -> int:
        """Words in it; what is written without spaces counts as one."""
        return sum(len(passage.text.split()) for passage in self.passages)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """The bytes of a picture, a JPEG or a PNG."""

    data: bytes

    @property
    def mime(self) -> str:
        """Its media type."""
        return "image/png" if self.data.startswith(b"\x89PNG") else "image/jpeg"

    @property
    def suffix(self) -> str:
        """Of a file that holds it."""
        return ".png" if self.mime == "image/png" else ".jpg"

    @classmethod
    def of(cls, data: bytes) -> Picture | None:
        """The picture that these bytes are; None if they are neither a JPEG nor a PNG."""
        known = data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"))
        return cls(data=data) if known else None


@dataclass(frozen=True, kw_only=True)
class Book:
    """All of it."""

    chapters: Sequence[Chapter]
    title: str = ""
    author: str = ""  # several are joined by commas
    language: str | None = None  # such as de
    year: str | None = None
    series: str | None = None
    cover: Picture | None = None
    cast: Mapping[str, str] = field(default_factory=dict)  # of scripts: speaker -> voice
    left_out: Sequence[str] = ()  # what is not read aloud, each in a few words
