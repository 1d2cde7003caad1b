"""A sound file of any kind -> what it says of itself, and its sound in blocks (N,) of float32."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from bark_cli.audio.provenance import Provenance, is_notice, parse_comment
from bark_cli.audio.sound import Audio
from bark_cli.errors import AudioError
from bark_cli.system.complaints import uncomplaining

SLOWEST_HZ, FASTEST_HZ = 4_000, 768_000
_MOST_SAMPLES = 2**22  # of all channels at once
UNKNOWN_FRAMES = 2**62  # what libsndfile says of a FLAC that was a pipe is longer than anything


class SoundSource(AbstractContextManager["SoundSource"]):
    """An open sound file; several channels are heard as their mean."""

    def __init__(self, path: str | Path) -> None:
        self._path, self._file = Path(path), _open(Path(path))
        self.format: str = self._file.format_info
        self.encoding: str = self._file.subtype_info
        self.sample_rate: int = self._file.samplerate
        self.channels: int = self._file.channels
        if not SLOWEST_HZ <= self.sample_rate <= FASTEST_HZ:  # sizes of buffers follow from it
            self._file.close()
            rates = f"{SLOWEST_HZ:,} to {FASTEST_HZ:,} Hz"
            raise AudioError(f"{path} says that it has {self.sample_rate:,} Hz; sound has {rates}")
        frames: int = self._file.frames
        self.duration_s = None if frames >= UNKNOWN_FRAMES else frames / self.sample_rate
        self.provenance: Provenance | None = parse_comment(self._file.comment)
        self.is_ai_generated = is_notice(self._file.comment)  # False: it does not say

    def blocks(self, seconds: float = 1.0) -> Iterator[Audio]:
        """The sound from its start to its end, `seconds` at a time.

        Raises:
            AudioError: the file is damaged, or a sample is not a number.
        """
        import soundfile

        count = max(1, min(round(seconds * self.sample_rate), _MOST_SAMPLES // self.channels))
        try:
            while len(samples := self._next(count)):
                if not np.isfinite(samples).all():
                    raise AudioError(f"{self._path} holds samples that are no numbers; it is damaged")
                yield Audio(samples.mean(axis=1), self.sample_rate)
        except soundfile.LibsndfileError as error:
            raise AudioError(f"{self._path} cannot be read to its end: {error}; is it damaged?") from error

    def _next(self, count: int) -> Any:
        """Samples (N, channels), N <= count; none at the end."""
        with uncomplaining():
            return self._file.read(count, dtype="float32", always_2d=True)

    def __exit__(self, *_: object) -> None:
        self._file.close()


def open_sound(path: str | Path) -> SoundSource:
    """Open a sound file.

    Raises:
        AudioError: it is missing, cannot be read, is no sound that libsndfile knows, or says a rate that no
            sound has.
    """
    return SoundSource(path)


def read_provenance(path: str | Path) -> Provenance | None:
    """What made the sound file `path`; None where it does not say, as for every file that Bark did not make.

    Raises:
        AudioError: it cannot be read as sound.
    """
    with open_sound(path) as source:
        return source.provenance


def _open(path: Path) -> Any:
    import soundfile

    class Forward(soundfile.SoundFile):  # type: ignore[misc]
        """Read from start to end only: soundfile's way of seeking fails in a FLAC of unknown length."""

        def seekable(self) -> bool:
            return False

    try:
        with path.open("rb"), uncomplaining():  # errors of the first say what is wrong, libsndfile's do not
            # bytes: soundfile encodes no name that is not UTF-8
            return Forward(os.fsencode(path) if os.name == "posix" else path)
    except OSError as error:
        raise AudioError(f"cannot read {path}: {error.strerror}; give the name of a sound file") from error
    except (soundfile.LibsndfileError, TypeError, ValueError) as error:
        why = getattr(error, "error_string", str(error)).rstrip(".")
        # the file is there: what libsndfile takes for a missing one is one whose beginning leads nowhere
        why = "it is damaged" if "does not exist" in why else why
        raise AudioError(f"{path} is not a sound file that can be read here: {why}") from error
