"""Vorbis comments, as Ogg and FLAC have them: Tags -> NAME=VALUE lines, a picture, a cue sheet; and back.

After "Ogg Vorbis I format specification: comment field" and RFC 9639 (FLAC), sections 8.6 to 8.8. Chapters
are CHAPTER001=00:00:00.000 and CHAPTER001NAME, the form that players read.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence

from bark_cli.audio.tags.model import FIELDS, ChapterMark, Tags, picture_type

_MOST_TRACKS = 254  # in a cue sheet; more chapters are in the comments alone
_LEAD_OUT = 255


def comments_of(tags: Tags) -> list[str]:
    """All but the picture, in lines."""
    lines = [f"{FIELDS[name].vorbis}={value}" for name, value in tags.fields.items()]
    for number, mark in enumerate(tags.marks, 1):
        lines += [f"CHAPTER{number:03}={_time(mark.start_s)}", f"CHAPTER{number:03}NAME={mark.title}"]
    return lines


def read_comments(block: bytes) -> tuple[bytes, list[bytes]]:
    """The vendor and the lines of a comment block.

    Raises:
        ValueError: it is none.
    """
    try:
        (size,) = struct.unpack_from("<I", block)
        vendor, at = block[4 : 4 + size], 4 + size
        (count,) = struct.unpack_from("<I", block, at)
        at, lines = at + 4, []
        for _ in range(count):
            (size,) = struct.unpack_from("<I", block, at)
            lines.append(block[at + 4 : at + 4 + size])
            at += 4 + size
    except struct.error as error:
        raise ValueError("the comments end too soon") from error
    return vendor, lines


def comment_block(vendor: bytes, lines: Sequence[bytes]) -> bytes:
    """The bytes of a comment block."""
    rows = b"".join(struct.pack("<I", len(line)) + line for line in lines)
    return struct.pack("<I", len(vendor)) + vendor + struct.pack("<I", len(lines)) + rows


def picture_block(cover: bytes) -> bytes:
    """The front cover; its size is left to whoever shows it."""
    mime = (picture_type(cover) or "").encode()
    head = struct.pack(">II", 3, len(mime)) + mime + struct.pack(">I", 0)
    return head + struct.pack(">IIIII", 0, 0, 0, 0, len(cover)) + cover


def picture_comment(cover: bytes) -> str:
    """The same as a line, for Ogg."""
    return f"METADATA_BLOCK_PICTURE={base64.b64encode(picture_block(cover)).decode()}"


def cue_sheet_block(marks: Sequence[ChapterMark], sample_rate: int, n_samples: int) -> bytes | None:
    """A track for each chapter; None where there are more than a cue sheet holds."""
    if not 0 < len(marks) <= _MOST_TRACKS:
        return None
    tracks = []
    for number, mark in enumerate(marks, 1):
        index = struct.pack(">QB3x", 0, 1)
        tracks.append(
            struct.pack(">QB12sB13xB", round(mark.start_s * sample_rate), number, b"", 0, 1) + index
        )
    tracks.append(struct.pack(">QB12sB13xB", n_samples, _LEAD_OUT, b"", 0, 0))
    return struct.pack(">128sQB258xB", b"", 0, 0, len(tracks)) + b"".join(tracks)


def _time(seconds: float) -> str:
    total = round(seconds * 1000)
    return f"{total // 3_600_000:02}:{total // 60_000 % 60:02}:{total // 1000 % 60:02}.{total % 1000:03}"
