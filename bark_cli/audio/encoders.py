"""Samples (N,) -> the bytes of a format, each with the place it belongs at, in memory that does not grow.

No encoder touches a file. libsndfile swallows the errors of a full disk when it writes by itself; here it
writes into memory, and whoever takes the bytes from there (sink.py) meets the error where it happens.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bark_cli.audio.formats import FORMATS
from bark_cli.audio.ogg import ogg_serial, with_serial
from bark_cli.audio.provenance import Provenance
from bark_cli.audio.sound import Audio, clipped, pcm16
from bark_cli.audio.wav import BLOCK_BYTES, wav_header
from bark_cli.errors import AudioError
from bark_cli.system.interrupts import uninterrupted

Placed = tuple[int, bytes]  # bytes, and how far from the start of the file they belong
# For a pipe, where no header can say afterwards how long an MP3 is: players tell it by a constant bit rate,
# here of 80 kbit/s at 24 kHz.
PIPED_MP3 = {"bitrate_mode": "CONSTANT", "compression_level": 0.5}


class Encoder(Protocol):
    """What turns sound into the bytes of a file."""

    def put(self, audio: Audio) -> list[Placed]:
        """The bytes that the next piece makes ready.

        Raises:
            AudioError: a sample is not a number.
        """

    def finish(self) -> list[Placed]:
        """The bytes that are left, and those that are to be written anew now that the length is known."""


class PcmEncoder:
    """Samples of 16 bits with or without a WAV header, which is made true at the end where it can be.

    In a pipe it cannot: what follows such a header is filled up to a whole block, unless `is_held`, which
    keeps all of the sound back until its length is known.
    """

    def __init__(
        self,
        sample_rate: int,
        provenance: Provenance | None,
        *,
        is_wav: bool,
        is_file: bool,
        is_held: bool = False,
        info: Mapping[str, str] | None = None,
    ) -> None:
        self._rate, self._is_file, self._is_wav = sample_rate, is_file, is_wav
        self._held: list[bytes] | None = [] if is_held and is_wav and not is_file else None
        ours = {} if provenance is None else {"ISFT": provenance.software, "ICMT": provenance.comment()}
        self._tags = {**ours, **(info or {})}
        self._data_bytes = 0
        self._start = len(self._header(None))

    def _header(self, data_bytes: int | None) -> bytes:
        if not self._is_wav:
            return b""
        return wav_header(self._rate, data_bytes, tags=self._tags, large=self._is_file)

    def put(self, audio: Audio) -> list[Placed]:
        """As `Encoder.put`."""
        data = pcm16(audio).astype("<i2").tobytes()
        at = self._start + self._data_bytes
        first = [(0, self._header(None))] if not self._data_bytes and self._is_wav else []
        self._data_bytes += len(data)
        if self._held is not None:
            self._held.append(data)
            return []
        return [*first, (at, data)]

    def finish(self) -> list[Placed]:
        """As `Encoder.finish`."""
        if not self._is_wav:
            return []
        if self._held is not None:
            return [(0, self._header(self._data_bytes) + b"".join(self._held))]
        if self._is_file:
            return [(0, self._header(self._data_bytes))]
        return [(self._start + self._data_bytes, bytes(-self._data_bytes % BLOCK_BYTES))]


class LibsndfileEncoder:
    """The formats that libsndfile writes."""

    def __init__(self, name: str, sample_rate: int, provenance: Provenance | None, *, is_file: bool) -> None:
        import soundfile

        container, self._encoding = FORMATS["." + name]
        self._rate, self._memory = sample_rate, _Memory()
        self._rest: NDArray[Any] = np.zeros(0, np.int16)
        self._serial = ogg_serial(provenance.comment() if provenance else "") if container == "OGG" else None
        self._expects_empty_frame = container == "MP3" and not is_file
        settings: dict[str, Any] = PIPED_MP3 if self._expects_empty_frame else {}
        settings |= {"samplerate": sample_rate, "channels": 1, "format": container, "subtype": self._encoding}
        try:
            self._file = soundfile.SoundFile(self._memory, "w", **settings)
            if provenance is not None:
                self._file.software, self._file.comment = provenance.software, provenance.comment()
        except (soundfile.LibsndfileError, ValueError, TypeError) as error:
            raise AudioError(f"libsndfile cannot write .{name}: {error}; use .wav") from error

    def put(self, audio: Audio) -> list[Placed]:
        """As `Encoder.put`."""
        samples: NDArray[Any] = pcm16(audio) if self._encoding == "PCM_16" else clipped(audio)
        samples = np.concatenate([self._rest, samples])
        # Vorbis sounds as it is cut: whole seconds only make it the same, whatever the pieces are
        whole = len(samples) // self._rate * self._rate if self._encoding == "VORBIS" else len(samples)
        # a second at a time: libsndfile 1.2 overflows its stack on a long Vorbis write
        for start in range(0, whole, self._rate):
            with uninterrupted():
                self._file.write(samples[start : min(start + self._rate, whole)])
        self._rest = samples[whole:].copy()
        return self._ready()

    def finish(self) -> list[Placed]:
        """As `Encoder.finish`."""
        with uninterrupted():
            if len(self._rest):
                self._file.write(self._rest)
            self._file.close()
        return self._ready()

    def _ready(self) -> list[Placed]:
        placed = joined(filter(self._is_wanted, self._memory.take()))
        if self._serial is not None:  # a page is written in two strokes, so only joined is it whole
            placed = [(at, with_serial(pages, self._serial)) for at, pages in placed]
        return placed

    def _is_wanted(self, placed: Placed) -> bool:
        """All but the frame that LAME leaves empty at an MP3's start, to say there how long it is."""
        _, data = placed
        if not self._expects_empty_frame or data[:1] != b"\xff":  # a tag comes before it
            return True
        self._expects_empty_frame = False
        return any(data[4:])


def joined(placed: Iterable[Placed]) -> list[Placed]:
    """The same bytes in fewer pieces: those that follow each other are one."""
    runs: list[tuple[int, list[bytes]]] = []
    end = -1
    for at, data in placed:
        if at != end:
            runs.append((at, []))
        runs[-1][1].append(data)
        end = at + len(data)
    return [(at, b"".join(parts)) for at, parts in runs]


class _Memory:
    """What libsndfile takes for a file: it keeps what is written, and where, until that is taken."""

    def __init__(self) -> None:
        self._placed: list[Placed] = []
        self._at = self._end = 0

    def take(self) -> list[Placed]:
        placed, self._placed = self._placed, []
        return placed

    def write(self, data: bytes) -> int:
        self._placed.append((self._at, data))
        self._at += len(data)
        self._end = max(self._end, self._at)
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._end)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, count: int = -1) -> bytes:  # asked for, and not used: nothing is read again
        return b""
