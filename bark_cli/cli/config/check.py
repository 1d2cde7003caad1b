"""Whether the voice, model or loudspeaker that a setting is to name exists."""

from __future__ import annotations

from bark_cli.cli.output import note
from bark_cli.errors import AudioError, MissingModelError, ModelError, OptionError
from bark_cli.store.names import is_repository


def check_value(name: str, value: str) -> None:
    """Find out whether what a setting names is there; what may come to be here later is only told.

    Raises:
        BarkError: there is no such voice, model or output device.
    """
    check = {"voice": _check_voice, "model": _check_model, "audio_device": _check_device}
    if found := check.get(name.replace("-", "_")):
        found(value.strip())


def _check_voice(value: str) -> None:
    """A voice of the model that is set; Suno's may be fetched later."""
    from bark_cli.model.published import VOICE_NAMES
    from bark_cli.settings import resolve
    from bark_cli.store import resolve_model
    from bark_cli.voices.catalogue import NO_VOICE, locate_voice

    if value not in (NO_VOICE, *VOICE_NAMES):
        locate_voice(value, resolve_model(resolve().settings.model).folder)


def _check_model(value: str) -> None:
    """A model that is here, or one that can be downloaded."""
    from bark_cli.store import resolve_model

    try:
        resolve_model(value)
    except MissingModelError as error:
        note(str(error))
    except ModelError as error:
        if not is_repository(value):
            raise OptionError(str(error)) from error
        note(f"{value} is not on this machine; fetch it with `bark download {value}`")


def _check_device(value: str) -> None:
    """An output device of this machine."""
    from bark_cli.audio.devices import find_device

    try:
        find_device(value)
    except AudioError as error:  # PortAudio is missing, say
        note(f"whether there is such a device could not be found out: {error}")
