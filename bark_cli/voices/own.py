"""The user's own voices: a checked voice file -> $BARK_HOME/voices/NAME.npz and away again; which models fit.

Names are checked or looked up in the list of what exists, so none leads out of the folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bark_cli.errors import OptionError, OutputError, VoiceError
from bark_cli.model.published import VOICE_NAMES, config_in, published_config
from bark_cli.model.tokens import BarkTokens
from bark_cli.store import ModelRef, check_name, installed_models, voices_home
from bark_cli.voices.catalogue import NO_VOICE, VoiceInfo, list_voices, locate_voice, own_voices
from bark_cli.voices.file import read_shapes, read_voice_file, save_voice


@dataclass(frozen=True, kw_only=True)
class VoiceCard:
    """Everything a voice's file tells."""

    info: VoiceInfo
    shapes: dict[str, tuple[int, ...]]  # of the three arrays
    models: tuple[ModelRef, ...]  # those here that can speak it
    seconds: float | None  # None: no model here can speak it


def describe_voice(voice: str | Path, models: Sequence[ModelRef] | None = None) -> VoiceCard:
    """Look at a voice, by name or file, and find which of the models (all installed, if None) can speak it.

    Raises:
        VoiceError: there is no such voice, or its file is damaged or hostile.
    """
    refs = installed_models() if models is None else models
    info = _locate(voice, refs)
    shapes = read_shapes(info.path)
    fitting = tuple(ref for ref in refs if _fits(info, ref.folder))
    frames = sum(shapes["coarse_prompt"][-1:])
    seconds = frames / config_in(fitting[0].folder).coarse.rate_hz if fitting else info.duration_s
    return VoiceCard(info=info, shapes=shapes, models=fitting, seconds=seconds)


def _locate(voice: str | Path, refs: Sequence[ModelRef]) -> VoiceInfo:
    """The voice as the first of the models finds it; Suno's are found even if none can speak them."""
    failure: VoiceError | None = None
    for folder in (*(ref.folder for ref in refs), None):
        try:
            return locate_voice(voice, folder)
        except VoiceError as error:
            failure = failure or error
    raise failure or VoiceError(f"no voice {str(voice)!r}; `bark voices ls` shows all")


def _fits(info: VoiceInfo, folder: Path) -> bool:
    try:
        read_voice_file(info.path, info.name, config_in(folder))
    except VoiceError:
        return False
    return True


def keep_voice(file: Path, name: str, *, force: bool = False) -> list[str]:
    """Check a voice file and keep it as the user's own voice `name`; returns the models here that speak it.

    What is kept is written from the three arrays that were checked, not copied.

    Raises:
        OptionError: the name could lead out of the folder, or is not free.
        VoiceError: the file is missing, damaged or hostile, or no known model can speak it.
        OutputError: there is one of that name and `force` is off, or the disk refuses.
    """
    target = _place(name)
    if file.is_file() and file.suffix.lower() != ".npz":  # a name without it begins those of three .npy files
        raise VoiceError(f"{file} is no voice: a voice is a .npz file, as --save-voice writes it")
    tokens, models = _read_for_any(file)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make folder {target.parent}: {error.strerror}; set BARK_HOME") from error
    save_voice(tokens, target, force=force)
    return models


def _place(name: str) -> Path:
    """Where a voice of that name is to lie, once the name is found to be good and free."""
    check_name(name)
    if name == NO_VOICE or name.lower().endswith(".npz"):
        raise OptionError(
            f"a voice cannot be called {name}: -v has another meaning for it; choose another name"
        )
    if taken := next((i for i in list_voices() if i.name == name and i.source != "yours"), None):
        raise OptionError(f"{name} is {_whose(taken)}; choose another name")
    target = voices_home() / f"{name}.npz"
    if not _is_inside(target.resolve()):  # by way of a link that somebody put there
        raise OptionError(f"{target} leads out of {voices_home()}; choose another name")
    return target


def _read_for_any(file: Path) -> tuple[BarkTokens, list[str]]:
    """Tokens that fit an installed model, or Suno's where they are not installed; and whom of the former."""
    configs = {ref.name: config_in(ref.folder) for ref in installed_models()}
    models, tokens, failure = [], None, None
    for model, config in (*configs.items(), (None, published_config())):
        try:
            tokens = read_voice_file(file, file.name, config)
            models.append(model)
        except VoiceError as error:
            failure = failure or error
    if tokens is None:
        raise failure or VoiceError(f"cannot read voice {file}; check its name")
    return tokens, [model for model in models if model is not None]


def find_own_voice(name: str) -> VoiceInfo:
    """The user's own voice of that name.

    Raises:
        VoiceError: there is none, or it is somebody else's.
    """
    for info in own_voices():
        if info.name == name:
            return info
    others = {info.name: info for info in list_voices()}
    if name in others:
        raise VoiceError(f"{name} is {_whose(others[name])}; only your own voices can be removed")
    if name in VOICE_NAMES:
        raise VoiceError(f"{name} is one of Suno's voices; only your own voices can be removed")
    raise VoiceError(f"you have no voice {name!r}; `bark voices ls` shows yours")


def remove_voice(info: VoiceInfo) -> None:
    """Remove one of the user's own voices, and its folder if that is empty then.

    Raises:
        OptionError: it is not one of them.
        OutputError: the system refuses.
    """
    if not _is_inside(info.path.parent.resolve() / info.path.name):
        raise OptionError(f"{info.path} lies outside of {voices_home()}; remove it yourself")
    try:
        info.path.unlink()
    except OSError as error:
        raise OutputError(f"cannot remove {info.path}: {error.strerror}; check its permissions") from error
    for folder in info.path.parents:
        if folder == voices_home():
            break
        with suppress(OSError):  # not empty
            folder.rmdir()


def _is_inside(path: Path) -> bool:
    return path.is_relative_to(voices_home().resolve())


def _whose(info: VoiceInfo) -> str:
    return {"suno": "one of Suno's voices", "shipped": "a voice that comes with the package"}.get(
        info.source, "a voice of a model"
    )
