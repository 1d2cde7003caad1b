"""Voices by name: a name or a path -> history tokens (n,), (2, m), (8, m) of a speaker.

A model's own voices come first, from the folder its layout has for them (ours `voices/`, Suno's
`assets/prompts/`, Transformers' `speaker_embeddings/`), then those that come with the package, then the
Suno voices, once fetched (`$BARK_HOME/suno-voices`, for models of their vocabulary), then the user's own
(`$BARK_HOME/voices`).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from bark_cli.errors import VoiceError
from bark_cli.model.config import BarkConfig, CoarseConfig
from bark_cli.model.published import VOICE_NAMES, config_in, shares_voices, speaks_suno_voices
from bark_cli.model.tokens import BarkTokens
from bark_cli.store import nano_folder, suno_voices_home, voices_home
from bark_cli.system.records import Bounds, read_object
from bark_cli.voices.file import KEYS, count_frames, read_voice_file
from bark_cli.voices.file import check_voice_file as check_voice_file
from bark_cli.voices.file import save_voice as save_voice

NO_VOICE = "none"  # asks for no history, even where the model has a default voice
Source = Literal["model", "shipped", "suno", "yours"]
DESCRIPTIONS = "voices.json"  # {"anna": {"language": "en", "description": "woman, ..."}}, beside voices
_DESCRIBED = Bounds(bytes=2**20)
_LANGUAGE = re.compile(r"(?:^|/)([a-z]{2})_speaker_\d+$")  # Suno's names say it


@dataclass(frozen=True, eq=False)
class Voice:
    """A speaker: the tokens of something they said, checked against a model's vocabulary."""

    name: str
    tokens: BarkTokens


@dataclass(frozen=True)
class VoiceInfo:
    """A voice that was found and not yet opened."""

    name: str  # what -v takes, such as v2/en_speaker_6
    source: Source
    path: Path  # a .npz file, or the common beginning of Transformers' three .npy files
    frame_rate_hz: float | None  # None: no model says it

    @property
    def files(self) -> tuple[Path, ...]:
        """The .npz file, or those of Transformers' three .npy files that are there."""
        if self.path.suffix.lower() == ".npz":
            return (self.path,)
        parts = (self.path.with_name(f"{self.path.name}_{key}.npy") for key in KEYS)
        return tuple(part for part in parts if part.is_file())

    @property
    def language(self) -> str | None:
        """Two-letter code, where the name says it, or the descriptions in its folder."""
        return language_of_voice(self.name) or _described(self.path).get("language")

    @property
    def description(self) -> str | None:
        """Who speaks: sex, age, pitch and manner in words, where its folder describes it."""
        return _described(self.path).get("description")

    @property
    def duration_s(self) -> float | None:
        """Seconds of speech it holds, from the header of one array; None when the file cannot be read.

        Every call opens the file.
        """
        frames = count_frames(self.path)
        return None if frames is None or self.frame_rate_hz is None else frames / self.frame_rate_hz


def language_of_voice(name: object) -> str | None:
    """The two-letter code that a voice's name says: de for v2/de_speaker_3."""
    match = _LANGUAGE.search(name) if isinstance(name, str) else None
    return match[1] if match else None


def find_voice(voice: str | Path, *, model_folder: Path | None, config: BarkConfig) -> Voice:
    """Read the voice called `voice`, or the file if it is a path ending in .npz, and check it fits the model.

    Raises:
        VoiceError: there is no such voice, its file is damaged or hostile, or it was made for another model.
    """
    info = locate_voice(voice, model_folder)
    return Voice(name=info.name, tokens=read_voice_file(info.path, info.name, config))


def locate_voice(voice: str | Path, model_folder: Path | None = None) -> VoiceInfo:
    """Where a voice lies, without opening it: the same search as `find_voice`, at no cost.

    Names are looked up in the list of what exists, so none can lead out of the voice folders.

    Raises:
        VoiceError: no voice or file of that name; the message offers the nearest.
    """
    if str(voice).lower().endswith(".npz"):
        return _voice_at(Path(voice), _frame_rate(model_folder))
    known = list_voices(model_folder)
    for info in known:
        if info.name == voice:
            return info
    own = "" if model_folder is None else model_folder.name
    for info in known:  # a model's own voices go by the last part of their name too: anna for nano/anna
        if info.name == f"{own}/{voice}" or (info.source == "model" and info.name.endswith(f"/{voice}")):
            return info
    if voice in VOICE_NAMES:
        raise VoiceError(_suno_missing(str(voice), model_folder))
    if model_folder is not None and any(info.name == voice for info in _shipped_voices(None)):
        raise VoiceError(
            f"{voice} is a voice of nano's and {own} has another vocabulary; use -m nano, or a voice from "
            "`bark voices ls`"
        )
    raise VoiceError(_unknown(str(voice), [info.name for info in known]))


def _voice_at(path: Path, rate: float | None) -> VoiceInfo:
    with suppress(OSError):  # such as a name too long for any file
        if path.is_file():
            return VoiceInfo(path.stem, "yours", path, rate)
    raise VoiceError(f"there is no voice file {path}; `bark voices ls` shows the voices at hand")


def list_voices(model_folder: Path | None = None) -> list[VoiceInfo]:
    """Voices of the model, those shipped, Suno voices, the user's own; the first of a name counts.

    Suno's are left out where the model has not their vocabulary, and nano's where it has not nano's.
    """
    found: dict[str, VoiceInfo] = {}
    suno = (
        _npz_voices(suno_voices_home(), "suno", CoarseConfig.rate_hz) if _speaks_sunos(model_folder) else ()
    )
    shipped = _shipped_voices(model_folder)
    for info in (*model_voices(model_folder), *shipped, *suno, *own_voices(model_folder)):
        found.setdefault(info.name, info)
    return list(found.values())


def own_voices(model_folder: Path | None = None) -> list[VoiceInfo]:
    """The user's own voices, those that another of the same name hides included."""
    return list(_npz_voices(voices_home(), "yours", _frame_rate(model_folder)))


def lacks_suno_voices(model_folder: Path) -> bool:
    """Whether the model could speak with Suno voices but none was fetched or lies beside it."""
    names = {info.name for info in list_voices(model_folder)}
    return _speaks_sunos(model_folder) and names.isdisjoint(VOICE_NAMES)


def _speaks_sunos(model_folder: Path | None) -> bool:
    return model_folder is None or speaks_suno_voices(config_in(model_folder))


def model_voices(folder: Path | None) -> Iterator[VoiceInfo]:
    """The voices beside a model's weights, in whichever of the three layouts; of a name the first counts."""
    if folder is None:
        return
    folder = folder.resolve()
    rate = _frame_rate(folder)
    for info in _npz_voices(folder / "voices", "model", rate):
        # a voice that lies flat is called after its model: nano/anna
        name = info.name if "/" in info.name else f"{folder.name}/{info.name}"
        yield VoiceInfo(name, "model", info.path, rate)
    yield from _npy_voices(folder / "speaker_embeddings", rate)
    yield from _npz_voices(folder / "assets" / "prompts", "model", rate)


def place_in_model(name: str) -> str:
    """Where in a model's folder the voice of that name lies, with /, so that it is called so there."""
    # what lies flat in voices/ would be called after the folder
    return f"{'voices' if '/' in name else 'assets/prompts'}/{name}.npz"


def _shipped_voices(model_folder: Path | None) -> Iterator[VoiceInfo]:
    """The shipped voices: the bundled model's at its frame rate, Suno voices at the published Bark's."""
    nano = nano_folder()
    rate, fits = _frame_rate(nano), _speaks_nanos(model_folder)
    for info in _npz_voices(_shipped_home(), "shipped", CoarseConfig.rate_hz):
        bundled = info.name.startswith(f"{nano.name}/")
        if fits or not bundled:
            yield replace(info, frame_rate_hz=rate) if bundled else info


def _speaks_nanos(model_folder: Path | None) -> bool:
    return model_folder is None or shares_voices(config_in(model_folder), config_in(nano_folder()))


def _shipped_home() -> Path:
    """The shipped voices: inside the package in a wheel, beside it in a checkout."""
    package = Path(__file__).parent.parent
    inside = package / "presets"
    if inside.is_dir() or not (package.parent / "pyproject.toml").is_file():
        return inside
    return package.parent / "presets"


def _described(path: Path) -> dict[str, str]:
    """What voices.json beside a voice says of it; where it cannot be read it says nothing."""
    with suppress(OSError, ValueError):
        told = read_object(path.with_name(DESCRIPTIONS), _DESCRIBED).get(path.stem)
        if isinstance(told, dict):
            return {key: value for key, value in told.items() if isinstance(value, str)}
    return {}


def _npz_voices(root: Path, source: Source, rate: float | None) -> Iterator[VoiceInfo]:
    for path in _visible(root, "*.npz"):
        yield VoiceInfo(path.relative_to(root).with_suffix("").as_posix(), source, path, rate)


def _npy_voices(root: Path, rate: float | None) -> Iterator[VoiceInfo]:
    """Transformers keeps a voice in three files, {name}_semantic_prompt.npy and so on."""
    ending = f"_{KEYS[0]}.npy"
    for path in _visible(root, f"*{ending}"):
        prefix = path.with_name(path.name.removesuffix(ending))
        yield VoiceInfo(prefix.relative_to(root).as_posix(), "model", prefix, rate)


def _visible(root: Path, pattern: str) -> list[Path]:
    """Files under `root` whose names can be typed and printed, sorted."""
    return sorted(
        path
        for path in root.rglob(pattern)
        if path.is_file() and not path.name.startswith(".") and str(path.relative_to(root)).isprintable()
    )


def _frame_rate(folder: Path | None) -> float | None:
    """The model's frame rate as its reader finds it: our configuration's, Transformers', else Suno's."""
    if folder is None:
        return None
    for file, section, name in _RATES:
        with suppress(OSError, ValueError, TypeError, LookupError, OverflowError):
            rate = float(read_object(folder / file, Bounds(2**20))[section][name])
            if 0 < rate < 1e6:
                return rate
    return CoarseConfig.rate_hz


_RATES = (
    ("config.json", "coarse", "rate_hz"),
    ("generation_config.json", "coarse_acoustics_config", "coarse_rate_hz"),
)


def _suno_missing(voice: str, model_folder: Path | None) -> str:
    """The message for a Suno voice that cannot be had."""
    if not _speaks_sunos(model_folder):
        return (
            f"{voice} is a voice of Suno's models and {model_folder.name if model_folder else 'this model'} "
            "has another vocabulary; use -m small (fetched with `bark download small`), or a voice from "
            "`bark voices ls`"
        )
    return (
        f"voice {voice}, one of Suno's, is not on this machine; fetch them all with `bark download --voices`"
    )


def _unknown(voice: str, names: list[str]) -> str:
    known = {name.rpartition("/")[2].lower(): name for name in reversed(names)}
    known |= {name.lower(): name for name in names}
    matches = difflib.get_close_matches(voice.lower(), known, n=3, cutoff=0.5)
    if near := list(dict.fromkeys(known[match] for match in matches)):
        return f"no voice {voice!r}; did you mean {' or '.join(near)}? `bark voices ls` shows all"
    if names:
        return f"no voice {voice!r}; `bark voices ls` shows all, and a path ending in .npz is read as a file"
    return f"no voice {voice!r}, and none is installed; save a voice file with `bark voices save`"
