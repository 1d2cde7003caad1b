"""Sound made as loud as asked: a Sink and a level -> a Sink that first keeps all of it on the disk."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal

import numpy as np

from bark_cli.audio.loudness import LoudnessMeter, loudness_gain, peak_gain, scaled
from bark_cli.audio.sink import Sink
from bark_cli.audio.sound import Audio
from bark_cli.audio.tags.model import ChapterMark
from bark_cli.system.files import told_of

Level = Literal["off", "loudness", "peak"]
_BLOCK = 2**16  # samples


class LevelledSink(Sink):
    """Keeps all sound on the disk until its loudness is known, and then puts it into another sink."""

    def __init__(self, sink: Sink, sample_rate: int, level: Level) -> None:
        self._sink, self._rate, self._level = sink, sample_rate, level
        self._meter = LoudnessMeter(sample_rate)
        self._samples = 0
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the sink)

    def put(self, audio: Audio) -> None:
        """Take the next piece; raises as the other sink does."""
        self._meter.put(audio)
        with told_of(Path(tempfile.gettempdir())):
            self._file.write(audio.samples.astype(np.float32).tobytes())
        self._samples += len(audio.samples)

    def mark(self, title: str) -> None:
        """Say that a chapter begins here."""
        self._sink.marks.append(ChapterMark(self.duration_s, title))

    def close(self) -> None:
        """Put all of it into the other sink, and close that; raises as it does."""
        gain = peak_gain(self._meter.peak)
        if self._level == "loudness":
            gain = loudness_gain(self._meter.lufs(), self._meter.peak)
        with self._sink, self._file:
            self._file.seek(0)
            while block := self._file.read(4 * _BLOCK):
                self._sink.put(scaled(Audio(np.frombuffer(block, np.float32), self._rate), gain))

    def abandon(self) -> None:
        """Give up."""
        self._file.close()
        self._sink.abandon()
