"""Pieces of sound -> a stream of AAC (ADTS), each as it comes, by ffmpeg, which has to be there."""

from __future__ import annotations

import shutil
import subprocess
import threading
from contextlib import AbstractContextManager, suppress
from typing import BinaryIO

from bark_cli.audio.sound import Audio, pcm16
from bark_cli.errors import AudioError

_BIT_RATE = "64k"  # of one voice
_MOST = 2**16  # bytes read at once


def can_write_aac() -> bool:
    """Whether ffmpeg is there."""
    return shutil.which("ffmpeg") is not None


class AacPipe(AbstractContextManager["AacPipe"]):
    """Writes pieces of sound to a stream of bytes; what the stream raises comes out of `put`.

    A stream that takes nothing for a while holds up `put`, and nobody else.

    Raises:
        AudioError: there is no ffmpeg.
    """

    def __init__(self, stream: BinaryIO, sample_rate: int) -> None:
        ffmpeg = shutil.which("ffmpeg")
        if ffmpeg is None:
            raise AudioError("AAC is made by ffmpeg, which is not here")
        words = [
            "-nostdin",
            "-v",
            "error",
            "-f",
            "s16le",
            "-ar",
            str(sample_rate),
            "-ac",
            "1",
            "-i",
            "pipe:0",
        ]
        words += ["-c:a", "aac", "-b:a", _BIT_RATE, "-f", "adts", "-flush_packets", "1", "pipe:1"]
        pipe, null = subprocess.PIPE, subprocess.DEVNULL
        # Ctrl-C, which a terminal sends to all of us, is for us alone: what is at work may be finished
        self._process = subprocess.Popen(
            [ffmpeg, *words],
            stdin=pipe,
            stdout=pipe,
            stderr=null,
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # the same on Windows
        )
        self._stream = stream
        self._failure: BaseException | None = None  # of the stream
        self._reader = threading.Thread(target=self._hand_on, name="bark-aac", daemon=True)
        self._reader.start()

    def put(self, audio: Audio) -> None:
        """Write the next piece.

        Raises:
            AudioError: a sample is not a number, or ffmpeg ended.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(pcm16(audio).astype("<i2").tobytes())
            self._process.stdin.flush()
        except OSError as error:
            self._end()
            raise AudioError("ffmpeg broke off in the middle of an AAC") from error

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._process.kill()
            with suppress(Exception):  # it is given up already
                self._end()
            return
        self._end()
        if self._process.returncode:
            raise AudioError("ffmpeg could not make an AAC of it")

    def _end(self) -> None:
        """Wait until all of it is handed on.

        Raises:
            Exception: what the stream raised.
        """
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        self._reader.join()
        self._process.wait()
        if self._failure is not None:
            raise self._failure

    def _hand_on(self) -> None:
        """On its own thread: what ffmpeg makes goes to the stream."""
        assert self._process.stdout is not None
        with self._process.stdout as made:
            try:
                while data := made.read1(_MOST):  # type: ignore[attr-defined]
                    self._stream.write(data)
            except BaseException as error:
                self._failure = error
                self._process.kill()  # so that `put` waits no longer
