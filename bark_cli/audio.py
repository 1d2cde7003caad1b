"""Sound and where it goes: samples (N,) -> a file of any known format, written whole, or the loudspeaker.

Formats are libsndfile's, through soundfile; playback is PortAudio's, through sounddevice. Both are imported
when first needed, because PortAudio may be missing altogether.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bark_cli.errors import AudioError, OptionError
from bark_cli.files import check_target, write_whole

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
    if not np.isfinite(audio.samples).all():
        raise AudioError(
            "the codec returned NaN: its weights are damaged; verify or download the model again"
        )
    samples: NDArray[Any] = np.clip(audio.samples, -1.0, 1.0)
    if encoding == "PCM_16":
        samples = np.round(samples * 32_767.0).astype(np.int16)
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
        raise AudioError(f"the output device failed: {error}; use -o FILE to save the sound") from error
    finally:  # Ctrl-C falls silent at once
        sounddevice.stop()


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
