"""A finished sound file and Tags -> the same file with them, copied a block at a time."""

from __future__ import annotations

import shutil
import struct
from typing import BinaryIO

from bark_cli.audio.ogg import retagged
from bark_cli.audio.provenance import Provenance
from bark_cli.audio.tags.id3 import id3_tag, skip_id3
from bark_cli.audio.tags.model import Tags
from bark_cli.audio.tags.vorbis import (
    comment_block,
    comments_of,
    cue_sheet_block,
    picture_block,
    picture_comment,
    read_comments,
)

_STREAM_INFO, _PADDING, _SEEK_TABLE, _COMMENTS, _CUE_SHEET, _PICTURE = 0, 1, 3, 4, 5, 6
_LAST = 0x80


def write_tags(
    source: BinaryIO,
    target: BinaryIO,
    format: str,
    tags: Tags,
    *,
    sample_rate: int,
    n_samples: int,
    provenance: Provenance | None = None,
) -> None:
    """Copy a file of ours, which begins where `source` stands, with tags; a WAV has them from the start.

    Raises:
        ValueError: it is not of that format.
        OSError: the disk refuses.
    """
    if format == "mp3":
        skip_id3(source)
        target.write(id3_tag(tags, n_samples / sample_rate, provenance))
    elif format == "flac":
        _flac_head(source, target, tags, sample_rate, n_samples)
    elif format in ("ogg", "opus"):
        lines = comments_of(tags) + ([] if tags.cover is None else [picture_comment(tags.cover)])
        retagged(source, target, lambda block: _with_comments(block, lines))
    shutil.copyfileobj(source, target, 2**20)


def _with_comments(block: bytes, lines: list[str]) -> bytes:
    """A comment block with more lines than it had."""
    vendor, kept = read_comments(block)
    return comment_block(vendor, [*kept, *(line.encode() for line in lines)])


def _flac_head(source: BinaryIO, target: BinaryIO, tags: Tags, sample_rate: int, n_samples: int) -> None:
    """The metadata blocks; `source` stands at the first frame after it."""
    if source.read(4) != b"fLaC":
        raise ValueError("it is no FLAC")
    found: dict[int, bytes] = {}
    is_last = False
    while not is_last:
        head = source.read(4)
        if len(head) < 4:
            raise ValueError("it ends in its head")
        is_last, kind = bool(head[0] & _LAST), head[0] & 0x7F
        found[kind] = source.read(int.from_bytes(head[1:], "big"))
    empty = comment_block(b"", [])
    found[_COMMENTS] = _with_comments(found.get(_COMMENTS, empty), comments_of(tags))
    if (cues := cue_sheet_block(tags.marks, sample_rate, n_samples)) is not None:
        found[_CUE_SHEET] = cues
    if tags.cover is not None:
        found[_PICTURE] = picture_block(tags.cover)
    found.pop(_PADDING, None)
    target.write(b"fLaC")
    # that of the stream first, as it must be, and the comments after the cue sheet: ffmpeg reads the titles
    # of chapters from there, and would forget them at a cue sheet, which has none
    kinds = sorted(found, key=lambda kind: (kind == _COMMENTS, kind))
    for kind in kinds:
        flag = _LAST if kind == kinds[-1] else 0
        target.write(struct.pack(">I", (flag | kind) << 24 | len(found[kind])) + found[kind])
