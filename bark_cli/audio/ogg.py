"""Ogg pages with a serial number of our own: libsndfile draws one at random, so that no two files are alike.

The layout of a page and its checksum are those of RFC 3533, section 6.
"""

from __future__ import annotations

import zlib

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
