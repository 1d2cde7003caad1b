"""The output devices of this machine, through PortAudio: a name or number -> the device it means."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

from bark_cli.errors import AudioError, OptionError

SAVE_INSTEAD = "use -o FILE to save the sound"


@dataclass(frozen=True)
class AudioDevice:
    """An output device as PortAudio sees it; the same may be there once for each host API."""

    index: int
    name: str
    host_api: str
    sample_rate: float  # Hz, its own
    is_default: bool


def list_devices() -> list[AudioDevice]:
    """All output devices; there may be none.

    Raises:
        AudioError: PortAudio is missing.
    """
    sounddevice = portaudio()
    apis, default = sounddevice.query_hostapis(), _default(sounddevice)
    return [
        AudioDevice(
            index=index,
            name=" ".join(device["name"].split()),
            host_api=apis[device["hostapi"]]["name"],
            sample_rate=device["default_samplerate"],
            is_default=default is not None and index == default["index"],
        )
        for index, device in enumerate(sounddevice.query_devices())
        if device["max_output_channels"] > 0
    ]


def find_device(wanted: str | None = None, *, instead: str = SAVE_INSTEAD) -> int | None:
    """The number of the device that `wanted` means: its number, its name or a part of it; None: the default.

    `instead` is what to do where there is none.

    Raises:
        AudioError: PortAudio or an output device is missing.
        OptionError: no device, or several, are called so.
    """
    sounddevice = portaudio(instead=instead)
    if wanted is None:
        if _default(sounddevice) is None:
            raise AudioError(f"cannot play sound: no output device found; {instead}")
        return None
    devices = list_devices()
    found = (
        [device for device in devices if str(device.index) == wanted]
        or [device for device in devices if device.name == wanted]
        or [device for device in devices if wanted.lower() in device.name.lower()]
    )
    # the same device through several host APIs: the default one's is meant
    chosen = [device for device in found if device.is_default] or found
    if len(chosen) == 1:
        return chosen[0].index
    if not chosen:
        raise OptionError(f"no output device is called {wanted}; `bark devices` lists them")
    names = ", ".join(f"{device.index} ({device.name}, {device.host_api})" for device in chosen)
    raise OptionError(f"{wanted} could be any of these output devices: {names}; give its number")


def check_player(device: str | None = None, *, instead: str = SAVE_INSTEAD) -> None:
    """Find out whether sound can be played, before any is made; `instead` is what to do if not.

    Raises:
        AudioError: PortAudio or an output device is missing.
        OptionError: no device, or several, are called `device`.
    """
    find_device(device, instead=instead)


def portaudio(*, instead: str = SAVE_INSTEAD) -> Any:
    """The sounddevice module.

    Raises:
        AudioError: it, or the PortAudio library, is missing.
    """
    try:
        _quieten_alsa()
        import sounddevice
    except (ImportError, OSError) as error:  # OSError: the package is there, the PortAudio library is not
        raise AudioError(
            "cannot play sound: PortAudio is missing; install it (apt install libportaudio2, or "
            f"brew install portaudio), or {instead}"
        ) from error
    return sounddevice


@cache
def _quieten_alsa() -> None:
    """Keep Linux's sound library from writing to stderr: underruns we count, and errors we tell ourselves."""
    if sys.platform != "linux":
        return
    with suppress(OSError, AttributeError):  # it is not there
        # any function of C that takes no notice of what it is called with, and is there until the very end
        nothing = ctypes.cast(ctypes.CDLL(None).getpid, ctypes.c_void_p)
        ctypes.CDLL("libasound.so.2").snd_lib_error_set_handler(nothing)


def device_failed(error: BaseException) -> AudioError:
    """The error of a device that was there and then failed."""
    return AudioError(f"the output device failed: {error}; choose another, or {SAVE_INSTEAD}")


def _default(sounddevice: Any) -> dict[str, Any] | None:
    """What PortAudio knows of the default output device."""
    try:
        found: dict[str, Any] = sounddevice.query_devices(kind="output")
    except (sounddevice.PortAudioError, ValueError):  # as there is none
        return None
    return found
