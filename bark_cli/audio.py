"""Sound and where it goes: samples (N,) -> a whole file of any known format, a pipe, or the loudspeaker.

Formats are libsndfile's, through soundfile; playback is PortAudio's, through sounddevice. Both are imported
when first needed, because PortAudio may be missing altogether.
"""

from __future__ import annotations

import io
import queue
import struct
import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from bark_cli.errors import AudioError, OptionError
from bark_cli.files import check_target, write_whole

BLOCK_S = 0.05  # of sound written to the device at once: so late a Ctrl-C may be heard
# file suffix -> libsndfile's container and encoding
FORMATS = {
    ".wav": ("WAV", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".ogg": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
}


@dataclass(frozen=True, eq=False)
class Audio:
    """Mono sound: float32 samples (N,) in -1..1, and their rate in Hz."""

    samples: NDArray[np.float32]
    sample_rate: int

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate


def check_sound_file(path: str | Path, *, force: bool = False) -> None:
    """Find out whether `path` can be written as sound, before any is made.

    Raises:
        OptionError: the suffix is of no known format.
        OutputError: it exists and `force` is off, is a folder, or its folder is missing or read-only.
    """
    _format(Path(path))
    check_target(Path(path), force=force)


def save(audio: Audio, path: str | Path, *, force: bool = False) -> None:
    """Write `audio` in the format of the suffix, .wav and .flac with 16 bits; louder than 1 is clipped.

    Raises:
        OptionError: the suffix is of no known format.
        AudioError: as `encode`.
        OutputError: the file cannot be written; an old file of that name is intact then.
    """
    path = Path(path)
    _format(path)  # whose message names the file; encode knows no more than the suffix
    write_whole(path, encode(audio, path.suffix), force=force)


def encode(audio: Audio, suffix: str) -> bytes:
    """The bytes of a sound file of the format named by `suffix`.

    Raises:
        OptionError: the suffix is of no known format.
        AudioError: there is no sound, a sample is not a number, or this libsndfile lacks the format.
    """
    import soundfile

    container, encoding = _format(Path("sound" + suffix))
    if not len(audio.samples):
        raise AudioError("there is no sound to save; say it again, with another --seed")
    samples: NDArray[Any] = pcm16(audio) if encoding == "PCM_16" else _clipped(audio)
    # in memory: libsndfile would swallow the errors of a full disk
    stream = io.BytesIO()
    settings = {"samplerate": audio.sample_rate, "channels": 1, "format": container, "subtype": encoding}
    try:
        with soundfile.SoundFile(stream, "w", **settings) as file:
            # a second at a time: libsndfile 1.2 overflows its stack on a long Vorbis write
            for start in range(0, len(samples), audio.sample_rate):
                file.write(samples[start : start + audio.sample_rate])
    except (soundfile.LibsndfileError, ValueError, TypeError) as error:
        raise AudioError(f"libsndfile cannot write {suffix}: {error}; use .wav") from error
    return stream.getvalue()


def pcm16(audio: Audio) -> NDArray[np.int16]:
    """Samples (N,) as 16 bit integers; louder than 1 is clipped.

    Raises:
        AudioError: a sample is not a number.
    """
    return np.round(_clipped(audio) * 32_767.0).astype(np.int16)


def wav_header(sample_rate: int) -> bytes:
    """The start of a mono 16 bit WAV of unknown length: its sizes say "all that follows", as ffmpeg's do."""
    form = struct.pack("<HHIIHH", 1, 1, sample_rate, 2 * sample_rate, 2, 16)
    unknown = struct.pack("<I", 0xFFFFFFFF)
    return b"RIFF" + unknown + b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + unknown


class WavPipe(AbstractContextManager["WavPipe"]):
    """Writes pieces of sound to a stream of bytes as one WAV, each as it comes."""

    def __init__(self, stream: BinaryIO, sample_rate: int) -> None:
        self._stream = stream
        self._header = wav_header(sample_rate)

    def put(self, audio: Audio) -> None:
        """Write the next piece.

        Raises:
            AudioError: a sample is not a number.
            BrokenPipeError: nobody reads any more.
            OSError: the stream takes no more.
        """
        data = pcm16(audio).astype("<i2").tobytes()
        self._stream.write(self._header + data)
        self._stream.flush()
        self._header = b""

    def __exit__(self, *_: object) -> None:
        pass


class Player(AbstractContextManager["Player"]):
    """Plays pieces of sound in a row through the default output device, while others are being made.

    Leaving it waits until the last has ended. An error or Ctrl-C, then too, falls silent at once.

    Raises:
        AudioError: PortAudio or an output device is missing.
    """

    def __init__(self, sample_rate: int) -> None:
        self._sounddevice, self._rate = _player(), sample_rate
        self._waiting: queue.SimpleQueue[NDArray[np.float32] | None] = queue.SimpleQueue()  # None: no more
        self._is_broken_off = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._play_all, daemon=True)

    def __enter__(self) -> Player:
        self._thread.start()
        return self

    def put(self, audio: Audio) -> None:
        """Play the next piece, after those before it; returns at once.

        Raises:
            AudioError: a sample is not a number, or the device has failed.
        """
        self._check()
        self._waiting.put(_clipped(audio))

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._waiting.put(None)
        try:
            if kind is not None:
                self._is_broken_off.set()
            while self._thread.is_alive():
                self._thread.join(0.1)
        except BaseException:
            self._is_broken_off.set()
            raise
        if kind is None:
            self._check()

    def _check(self) -> None:
        if self._failure is not None:
            raise _device_failed(self._failure) from self._failure

    def _play_all(self) -> None:
        """In a thread of its own: write what is waiting to the device, a little at a time."""
        samples = self._waiting.get()  # the device is not opened before there is sound: it would run dry
        if samples is None:
            return
        block = max(1, round(BLOCK_S * self._rate))
        try:
            with self._sounddevice.OutputStream(self._rate, channels=1, dtype="float32") as stream:
                while samples is not None:
                    for start in range(0, len(samples), block):
                        if self._is_broken_off.is_set():
                            stream.abort()
                            return
                        stream.write(samples[start : start + block, None])
                    samples = self._waiting.get()
                stream.stop()  # which waits for what is written
        except (self._sounddevice.PortAudioError, ValueError) as error:
            self._failure = error


def check_player() -> None:
    """Find out whether sound can be played, before any is made.

    Raises:
        AudioError: PortAudio or an output device is missing.
    """
    _player()


def play(audio: Audio) -> None:
    """Play `audio` through the default output device and wait until it has ended.

    Raises:
        AudioError: PortAudio or an output device is missing, or playing failed.
    """
    sounddevice = _player()
    try:
        sounddevice.play(np.clip(audio.samples, -1.0, 1.0), audio.sample_rate)
        sounddevice.wait()
    except sounddevice.PortAudioError as error:
        raise _device_failed(error) from error
    finally:  # Ctrl-C falls silent at once
        sounddevice.stop()


def _clipped(audio: Audio) -> NDArray[np.float32]:
    """Samples within -1..1.

    Raises:
        AudioError: one is not a number.
    """
    if not np.isfinite(audio.samples).all():
        raise AudioError(
            "the codec returned NaN: its weights are damaged; verify or download the model again"
        )
    return np.clip(audio.samples, -1.0, 1.0)


def _device_failed(error: Exception) -> AudioError:
    return AudioError(f"the output device failed: {error}; use -o FILE to save the sound")


def _player() -> Any:
    """The sounddevice module, once it is known to work."""
    try:
        import sounddevice
    except (ImportError, OSError) as error:  # OSError: the package is there, the PortAudio library is not
        raise AudioError(
            "cannot play sound: PortAudio is missing; install it (apt install libportaudio2, or "
            "brew install portaudio), or use -o FILE to save the sound"
        ) from error
    try:
        sounddevice.query_devices(kind="output")
    except (sounddevice.PortAudioError, ValueError) as error:
        raise AudioError(
            "cannot play sound: no output device found; use -o FILE to save the sound"
        ) from error
    return sounddevice


def _format(path: Path) -> tuple[str, str]:
    """libsndfile's container and encoding for a file name."""
    known = FORMATS.get(path.suffix.lower())
    if known is None:
        ending = f"ends in {path.suffix}" if path.suffix else "has no ending"
        raise OptionError(f"{path} {ending}, which is no known format; use one of {', '.join(FORMATS)}")
    return known
