"""ID3v2.3: Tags -> the bytes that stand before the sound of an MP3.

After "ID3 tag version 2.3.0" and "ID3v2 Chapter Frame Addendum 1.0" (id3.org).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import pairwise
from typing import BinaryIO

from bark_cli.audio.provenance import Provenance
from bark_cli.audio.tags.model import FIELDS, ChapterMark, Tags, picture_type

_HEAD = 10
_MOST_CHILDREN = 255  # of an entry of the table of contents
_NOWHERE = 0xFFFFFFFF  # chapters are known by their times alone
# codes of two letters -> ISO 639-2, which TLAN wants; of the languages that Bark speaks
_LANGUAGES = {
    **{"de": "deu", "en": "eng", "es": "spa", "fr": "fra", "hi": "hin", "it": "ita", "ja": "jpn"},
    **{"ko": "kor", "pl": "pol", "pt": "por", "ru": "rus", "tr": "tur", "zh": "zho"},
}


def id3_tag(tags: Tags, duration_s: float, provenance: Provenance | None) -> bytes:
    """The whole tag."""
    frames = [_field(name, value) for name, value in tags.fields.items()]
    if provenance is not None:
        frames.append(_frame("TSSE", _text(provenance.software)))
        frames.append(_frame("COMM", b"\0eng\0" + provenance.comment().encode("latin-1", "replace")))
    if tags.cover is not None:
        mime = (picture_type(tags.cover) or "").encode()
        frames.append(_frame("APIC", b"\0" + mime + b"\0\3\0" + tags.cover))
    frames += _chapters(tags.marks, duration_s)
    body = b"".join(frames)
    return b"ID3\3\0\0" + _synchsafe(len(body)) + body


def skip_id3(stream: BinaryIO) -> None:
    """Go to where the sound begins, past a tag."""
    start = stream.tell()
    head = stream.read(_HEAD)
    size = 0
    if head[:3] == b"ID3" and len(head) == _HEAD:
        size = _HEAD + sum(byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
    stream.seek(start + size)


def _field(name: str, value: str) -> bytes:
    frame, _, described = FIELDS[name].id3.partition(":")
    if described:
        return _frame(frame, _text(f"{described}\0{value}"))
    if name == "language":
        value = _LANGUAGES.get(value[:2].lower(), value)
    return _frame(frame, _text(value[:4] if name == "date" else value))


def _chapters(marks: Sequence[ChapterMark], duration_s: float) -> list[bytes]:
    """A frame for each chapter, after a table of contents."""
    if not marks:
        return []
    names = [f"ch{number}" for number in range(1, len(marks) + 1)]
    frames = _contents(names)
    ends = [*(mark.start_s for mark in marks[1:]), duration_s]
    for name, mark, end_s in zip(names, marks, ends, strict=True):
        times = struct.pack(">IIII", round(mark.start_s * 1000), round(end_s * 1000), _NOWHERE, _NOWHERE)
        frames.append(_frame("CHAP", name.encode() + b"\0" + times + _frame("TIT2", _text(mark.title))))
    return frames


def _contents(names: Sequence[str]) -> list[bytes]:
    """One list of all, or of lists where it would be too long."""
    if len(names) <= _MOST_CHILDREN:
        return [_list("toc", names, is_top=True)]
    cuts = [*range(0, len(names), _MOST_CHILDREN), len(names)]
    below = [names[begin:end] for begin, end in pairwise(cuts)]
    lists = [f"toc{number}" for number in range(1, len(below) + 1)]
    inner = [_list(name, part, is_top=False) for name, part in zip(lists, below, strict=True)]
    return [_list("toc", lists, is_top=True), *inner]


def _list(name: str, children: Sequence[str], *, is_top: bool) -> bytes:
    flags = 0b11 if is_top else 0b01  # the top, and in order
    ids = b"".join(child.encode() + b"\0" for child in children)
    return _frame("CTOC", name.encode() + b"\0" + bytes([flags, len(children)]) + ids)


def _text(value: str) -> bytes:
    """With the number of its encoding before it: Latin-1 where that is enough, else UTF-16."""
    if value.isascii():
        return b"\0" + value.encode("ascii")
    parts = value.split("\0")
    return b"\1" + b"\0\0".join(b"\xff\xfe" + part.encode("utf-16-le") for part in parts)


def _frame(name: str, body: bytes) -> bytes:
    return name.encode() + struct.pack(">I", len(body)) + b"\0\0" + body


def _synchsafe(size: int) -> bytes:
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
