"""WAV as we write it: a rate, a length and tags -> the bytes before the samples.

Of ours and not libsndfile's, which writes none into a pipe and none longer than 4 GiB. The layout is RIFF's
(IBM and Microsoft, 1991), with an INFO list for tags; beyond 4 GiB it is RF64's (EBU Tech 3306).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

LIMIT = 0xFFFFFFFF  # the largest size RIFF can say; in RF64 it stands for "see ds64"
# "All that follows", as SoX says it into a pipe. It, ffmpeg, aplay and mpv take that without a word, where
# LIMIT makes the first two complain; the rest of a block makes ffmpeg call the last packet corrupt.
UNKNOWN, BLOCK_BYTES = 0x7FFFF000, 4096
_RIFF_HEAD = 8  # "RIFF" and its size, which do not count themselves


def wav_header(
    sample_rate: int,
    data_bytes: int | None = None,
    *,
    tags: Mapping[str, str] | None = None,
    large: bool = False,
) -> bytes:
    """The start of a mono 16 bit WAV with `data_bytes` of samples; None says "all that follows".

    `large` keeps room for the sizes of RF64, so that a header rewritten at the end is as long as before. It
    is RIFF as long as RIFF can say the size, and RF64 beyond that.
    """
    chunks = [_chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, sample_rate, 2 * sample_rate, 2, 16))]
    if tags:
        chunks.append(_chunk(b"LIST", b"INFO" + b"".join(_text(*tag) for tag in tags.items())))
    if not large:
        return _head(b"RIFF", chunks, data_bytes)
    room = _chunk(b"JUNK", bytes(28))
    small = _head(b"RIFF", [*chunks, room], data_bytes)
    total = len(small) - _RIFF_HEAD + (data_bytes or 0)
    if total < LIMIT:
        return small
    sizes = struct.pack("<QQQI", total, data_bytes, (data_bytes or 0) // 2, 0)  # no table of further chunks
    return _head(b"RF64", [_chunk(b"ds64", sizes), *chunks], LIMIT)


def _head(form: bytes, chunks: list[bytes], data_bytes: int | None) -> bytes:
    """From the first byte to the size of the data chunk."""
    body = b"WAVE" + b"".join(chunks) + b"data"
    size = UNKNOWN if data_bytes is None else data_bytes
    fields = [min(field, LIMIT) for field in (len(body) + 4 + size, size)]
    return form + struct.pack("<I", fields[0]) + body + struct.pack("<I", fields[1])


def _chunk(name: bytes, body: bytes) -> bytes:
    """A chunk, padded to an even length that its size does not count."""
    return name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def _text(name: str, value: str) -> bytes:
    return _chunk(name.encode("ascii"), value.encode("utf-8") + b"\0")
