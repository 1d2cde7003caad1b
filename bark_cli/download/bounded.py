"""What a server says, as long as it is not too much: an answer -> its bytes, bounded as they are unpacked."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator
from typing import Any

MOST_BYTES = 16 * 2**20  # of a listing; of a repository of ten thousand files it is 4 MB
MOST_S = 120.0
_PIECE = 2**16


class TooMuchError(ValueError):
    """An answer that no hub would give; the message says why."""


def read_answer(answer: Any, most_bytes: int = MOST_BYTES, most_s: float = MOST_S) -> bytes:
    """The body of a streamed answer of httpx's, unpacked where it was packed with gzip.

    The client would unpack whatever comes, of which a few MB may stand for many GB.

    Raises:
        TooMuchError: it is longer, or takes longer, or is packed in another way.
    """
    found, began = bytearray(), time.monotonic()
    for data in _unpacked(answer):
        found += data
        if len(found) > most_bytes:
            raise TooMuchError(f"it answers with more than {most_bytes // 2**20} MiB")
        if time.monotonic() - began > most_s:
            raise TooMuchError(f"its answer took more than {most_s:.0f} s")
    return bytes(found)


def _unpacked(answer: Any) -> Iterator[bytes]:
    packing = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if packing in ("identity", ""):
        yield from answer.iter_raw()
        return
    if packing not in ("gzip", "x-gzip"):
        raise TooMuchError(f"its answer is compressed in a way that was not asked for ({packing[:20]!r})")
    unpack = zlib.decompressobj(wbits=31)
    try:
        for data in answer.iter_raw():
            while data:
                yield unpack.decompress(data, _PIECE)
                data = unpack.unconsumed_tail
            yield b""  # so that time is looked at
    except zlib.error as error:
        raise TooMuchError("its answer is damaged") from error
