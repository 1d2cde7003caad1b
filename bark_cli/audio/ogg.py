"""Ogg pages with our own serial number and comments: libsndfile draws the number, and writes few comments.

The layout of a page and its checksum are those of RFC 3533, section 6.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

_HEAD, _FULL = 27, 255  # bytes of a page's head; a segment of so many is not the last of its packet
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def ogg_serial(seed: str) -> bytes:
    """A number for the stream that is always the same for `seed`, and most likely no other's (4 bytes)."""
    return zlib.crc32(seed.encode()).to_bytes(4, "little")


def with_serial(pages: bytes, serial: bytes) -> bytes:
    """Whole pages in a row -> the same, with `serial` as the number of their stream."""
    made, start = bytearray(pages), 0
    while start < len(made):
        segments = made[start + 26]
        end = start + 27 + segments + sum(made[start + 27 : start + 27 + segments])
        made[start + 14 : start + 18] = serial
        made[start + 22 : start + 26] = bytes(4)  # the checksum is made over a page that has none
        made[start + 22 : start + 26] = _checksum(bytes(made[start:end]))
        start = end
    return bytes(made)


def _checksum(page: bytes) -> bytes:
    """Ogg's CRC-32, little-endian: zlib's of mirrored bytes, mirrored, without the inversions at its ends."""
    mirrored = zlib.crc32(page.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return mirrored.to_bytes(4, "little").translate(_MIRRORED)[::-1]


def retagged(source: BinaryIO, target: BinaryIO, change: Callable[[bytes], bytes]) -> None:
    """Copy a stream of Opus or Vorbis, its block of comments changed; all later pages are numbered anew.

    Raises:
        ValueError: it is no such stream.
        OSError: the disk refuses.
    """
    first = _next_page(source)
    if first is None:
        raise ValueError("it is no Ogg")
    opus = first[0][28:36] == b"OpusHead"
    magic, end, count = (b"OpusTags", b"", 1) if opus else (b"\3vorbis", b"\1", 2)
    packets, n_pages = _packets(source, count)
    if not packets[0].startswith(magic):
        raise ValueError("it has no comments where they should be")
    packets[0] = magic + change(packets[0][len(magic) :]) + end
    target.write(first[0])
    number, serial = 1, first[0][14:18]
    for page in _pages_of(packets, serial, number):
        target.write(page)
        number += 1
    shift = number - 1 - n_pages
    while (found := _next_page(source)) is not None:
        whole = bytearray(found[0])
        if shift:
            old = int.from_bytes(whole[18:22], "little")
            whole[18:22] = (old + shift).to_bytes(4, "little")
        target.write(with_serial(bytes(whole), serial) if shift else found[0])


def _next_page(source: BinaryIO) -> tuple[bytes, bytes] | None:
    """A whole page, and the lengths of its segments; None after the last."""
    head = source.read(_HEAD)
    if len(head) < _HEAD:
        return None
    if head[:4] != b"OggS":
        raise ValueError("it is no Ogg")
    lengths = source.read(head[26])
    return head + lengths + source.read(sum(lengths)), lengths


def _packets(source: BinaryIO, count: int) -> tuple[list[bytes], int]:
    """The next packets, which end with a page, and the number of their pages."""
    packets, parts, n_pages = list[bytes](), list[bytes](), 0
    while len(packets) < count:
        found = _next_page(source)
        if found is None:
            raise ValueError("it ends in its head")
        page, lengths = found
        n_pages, at = n_pages + 1, _HEAD + len(lengths)
        for length in lengths:
            parts.append(page[at : at + length])
            at += length
            if length < _FULL:
                packets.append(b"".join(parts))
                parts = []
    return packets, n_pages


def _pages_of(packets: Sequence[bytes], serial: bytes, number: int) -> Iterator[bytes]:
    """Pages that hold these packets, numbered from `number`; no sound ends on them."""
    lengths = [
        size for packet in packets for size in (*[_FULL] * (len(packet) // _FULL), len(packet) % _FULL)
    ]
    body, at, is_continued = b"".join(packets), 0, False
    for begin in range(0, len(lengths), _FULL):
        table = lengths[begin : begin + _FULL]
        ends_one = any(size < _FULL for size in table)
        granule = bytes(8) if ends_one else b"\xff" * 8
        head = b"OggS\0" + bytes([is_continued]) + granule + serial + number.to_bytes(4, "little") + bytes(4)
        page = head + bytes([len(table), *table]) + body[at : at + sum(table)]
        at, number, is_continued = at + sum(table), number + 1, table[-1] == _FULL
        yield with_serial(page, serial)
