"""Pieces of sound -> one file of any format, or one pipe, each piece as it comes: memory stays as it was.

A file is written beside its final name and put there whole at the end, with exact headers; whatever happens
before, the old one is untouched. A pipe gets what can be said without knowing the length.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from bark_cli.audio.encoders import Encoder, LibsndfileEncoder, PcmEncoder, Placed
from bark_cli.audio.formats import RAW, find_format
from bark_cli.audio.provenance import Provenance
from bark_cli.audio.sound import Audio
from bark_cli.audio.tags.model import FIELDS, ChapterMark, Tags, check_tags_fit
from bark_cli.errors import AudioError
from bark_cli.system.files import new_file, told_of, write_whole

NO_TAGS = Tags()


class Sink(AbstractContextManager["Sink"]):
    """Where pieces of sound go; leaving it closes it, or after an error undoes the file."""

    def __init__(self, encoder: Encoder, sample_rate: int) -> None:
        self._encoder, self._rate = encoder, sample_rate
        self._samples = 0
        self.marks: list[ChapterMark] = []  # of chapters

    @property
    def sample_rate(self) -> int:
        """Of the sound, in Hz."""
        return self._rate

    @property
    def duration_s(self) -> float:
        """Seconds of sound put so far."""
        return self._samples / self._rate

    def put(self, audio: Audio) -> None:
        """Write the next piece.

        Raises:
            AudioError: a sample is not a number, or the piece has another rate.
            OutputError: the file takes no more: the disk is full, say.
            BrokenPipeError: nobody reads the pipe any more.
            OSError: the pipe takes no more.
        """
        if audio.sample_rate != self._rate:
            raise AudioError(f"a sound of {audio.sample_rate} Hz cannot go on one of {self._rate} Hz")
        if len(audio.samples):
            self._write(self._encoder.put(audio))
            self._samples += len(audio.samples)

    def mark(self, title: str) -> None:
        """Say that a chapter begins here; a file whose format has chapters shows it."""
        self.marks.append(ChapterMark(self.duration_s, title))

    def close(self) -> None:
        """Write what is left; a file appears under its name.

        Raises:
            AudioError: there was no sound, which no file can hold; a pipe then gets nothing.
            OutputError: the disk refuses; an old file of that name is intact.
            OSError: the pipe takes no more.
        """
        raise NotImplementedError

    def abandon(self) -> None:
        """Give up: leave no file, and write no more."""
        raise NotImplementedError

    def _write(self, placed: list[Placed]) -> None:
        raise NotImplementedError

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()


Finish = Callable[[BinaryIO, Sink], None]  # the stream of a file that is all written, and its sink


class _FileSink(Sink):
    """Into a file that appears at the end."""

    def __init__(
        self, path: Path, encoder: Encoder, sample_rate: int, finish: Finish, *, force: bool
    ) -> None:
        super().__init__(encoder, sample_rate)
        self._path, self._held, self._finish = path, ExitStack(), finish
        self._stream = self._held.enter_context(new_file(path, force=force))

    def _write(self, placed: list[Placed]) -> None:
        with told_of(self._path):
            _write_placed(self._stream, placed)

    def close(self) -> None:
        with self._held:  # an error in here undoes the file
            if not self._samples:
                self._encoder.finish()
                raise no_sound()
            self._write(self._encoder.finish())
            with told_of(self._path):
                self._finish(self._stream, self)

    def abandon(self) -> None:
        with suppress(_Abandoned), self._held:
            self._encoder.finish()
            raise _Abandoned


class _Abandoned(Exception):  # noqa: N818  (never seen outside)
    """Tells an open file that it is not wanted."""


class _PipeSink(Sink):
    """Into a stream of bytes that can only go forward."""

    def __init__(self, stream: BinaryIO, encoder: Encoder, sample_rate: int) -> None:
        super().__init__(encoder, sample_rate)
        self._stream, self._end = stream, 0

    def _write(self, placed: list[Placed]) -> None:
        for at, data in placed:
            if at >= self._end:  # what lies before is a header to be written anew, which is gone
                self._stream.write(data)
                self._end = at + len(data)
        self._stream.flush()

    def close(self) -> None:
        left = self._encoder.finish()
        if self._samples:
            self._write(left)

    def abandon(self) -> None:
        self._encoder.finish()


def open_sink(
    target: str | Path | BinaryIO,
    format: str | None = None,
    sample_rate: int = 24_000,
    metadata: Provenance | None = None,
    *,
    tags: Tags = NO_TAGS,
    force: bool = False,
    is_held: bool = False,
) -> Sink:
    """A file (a path) or a pipe (a stream of bytes, which is left open) for pieces of sound.

    `format` is one of FORMAT_NAMES; None: what the suffix of the path says. WAV and FLAC have 16 bits; louder
    than 1 is clipped. In a pipe a WAV says "all that follows" for its length, which ends in silence up to
    a whole block (less than 0.1 s), a FLAC says that it is not known, and an MP3 nothing, so that it keeps
    the hundredths of a second that its codec adds at both ends. With `is_held` a WAV is written to a pipe
    when all of it is there, and says how long it is. A pipe has no tags.

    Raises:
        OptionError: the format is not known, or does not hold the tags.
        AudioError: this libsndfile lacks the format, or the format this rate.
        OutputError: the file exists and `force` is off, or its folder is missing or read-only.
    """
    is_file = isinstance(target, str | Path)
    name = find_format(target if is_file else None, format)  # type: ignore[arg-type]
    check_tags_fit(name, tags)
    encoder = _encoder(name, sample_rate, metadata, is_file=is_file, is_held=is_held, tags=tags)
    if isinstance(target, str | Path):

        def finish(stream: BinaryIO, sink: Sink) -> None:
            found = replace(tags, marks=[*tags.marks, *sink.marks])
            if found and name != "wav":
                _tag(stream, name, found, sink, metadata)

        return _FileSink(Path(target), encoder, sample_rate, finish, force=force)
    return _PipeSink(target, encoder, sample_rate)


def save(
    audio: Audio,
    path: str | Path,
    *,
    force: bool = False,
    format: str | None = None,
    metadata: Provenance | None = None,
) -> None:
    """Write `audio` in the format of the suffix, .wav and .flac with 16 bits; louder than 1 is clipped.

    Raises:
        OptionError: the format is not known.
        AudioError: as `encode`.
        OutputError: the file cannot be written; an old file of that name is intact then.
    """
    name = find_format(path, format)  # whose message names the file
    write_whole(Path(path), encode(audio, name, metadata), force=force)


def encode(audio: Audio, format: str, metadata: Provenance | None = None) -> bytes:
    """The bytes of a sound file of a format, given by its name or as a suffix.

    Raises:
        OptionError: the format is not known.
        AudioError: there is no sound, a sample is not a number, or this libsndfile lacks the format.
    """
    if not len(audio.samples):
        raise no_sound()
    encoder = _encoder(find_format(name=format), audio.sample_rate, metadata, is_file=True)
    stream = io.BytesIO()
    for placed in (encoder.put(audio), encoder.finish()):
        _write_placed(stream, placed)
    return stream.getvalue()


def no_sound() -> AudioError:
    """The error of a file that would hold nothing."""
    return AudioError("there is no sound to save; say it again, with another --seed")


def _encoder(
    name: str,
    sample_rate: int,
    metadata: Provenance | None,
    *,
    is_file: bool,
    is_held: bool = False,
    tags: Tags = NO_TAGS,
) -> Encoder:
    if name in ("wav", RAW):
        info = {FIELDS[field].info: value for field, value in tags.fields.items() if FIELDS[field].info}
        is_wav = name == "wav"
        return PcmEncoder(sample_rate, metadata, is_wav=is_wav, is_file=is_file, is_held=is_held, info=info)
    return LibsndfileEncoder(name, sample_rate, metadata, is_file=is_file)


def _tag(stream: BinaryIO, name: str, tags: Tags, sink: Sink, provenance: Provenance | None) -> None:
    """Write the whole of an open file anew, with tags."""
    import tempfile

    from bark_cli.audio.tags.write import write_tags

    rate, n_samples = sink.sample_rate, round(sink.duration_s * sink.sample_rate)
    with tempfile.TemporaryFile(dir=Path(stream.name).parent) as copy:
        stream.seek(0)
        write_tags(stream, copy, name, tags, sample_rate=rate, n_samples=n_samples, provenance=provenance)
        copy.seek(0)
        stream.seek(0)
        shutil.copyfileobj(copy, stream, 2**20)
        stream.truncate()


def _write_placed(stream: BinaryIO, placed: list[Placed]) -> None:
    for at, data in placed:
        if stream.tell() != at:
            stream.seek(at)
        stream.write(data)
