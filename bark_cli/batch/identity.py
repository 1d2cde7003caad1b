"""What decides how a sound comes out: text, voice, settings and model -> keys; no model is loaded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from bark_cli.audio import Tags
from bark_cli.batch.items import Item
from bark_cli.errors import ModelError
from bark_cli.model.published import config_in
from bark_cli.store import ModelRef, find_codec, find_tokenizer, tokenizer_elsewhere
from bark_cli.store.places import model_files
from bark_cli.system.digest import digest
from bark_cli.voices.catalogue import NO_VOICE, locate_voice
from bark_cli.voices.file import KEYS

_MODEL_SUFFIXES = {".pt", ".th", ".bin", ".safetensors", ".json", ".txt", ".gguf"}
_WHOLE = 16 * 2**20  # bytes; a larger file is known by its size and samples of it
_SAMPLES, _SAMPLE = 64, 2**16  # how many, and bytes each


@dataclass(frozen=True, eq=False)
class Maker:
    """Who makes a batch, and how: everything but the texts."""

    models: Sequence[ModelRef]  # the leading one, whose voices are used, and those of single stages
    voice: str | None  # None is the model's default
    seed: int | None  # of every item; None: each has its own, which follows from its key
    settings: Mapping[str, Any]  # all else that shapes the sound; JSON
    files: Mapping[str, Any] = field(default_factory=dict)  # what shapes the file alone; JSON
    _known: dict[object, str] = field(default_factory=dict, init=False)

    @cached_property
    def default_voice(self) -> str | None:
        """The voice that the leading model takes where none is named.

        Raises:
            ModelError: the model's configuration cannot be read.
        """
        return config_in(self.models[0].folder).default_voice

    def sound_key(self, item: Item, text: str) -> str:
        """What the sound of an item is known by: another key, another sound.

        Raises:
            VoiceError: there is no such voice.
            ModelError: the model cannot be read.
        """
        model = self._digest("model", lambda: model_identity(self.models))
        name = self.voice if item.voice is None else item.voice
        voice = self._voice(name)
        seed = self.seed if item.seed is None else item.seed
        return digest(text, model, voice, seed, {**self.settings, **self._own(item)})

    def file_key(self, sound_key: str, format: str) -> str:
        """What a file is known by that holds such a sound."""
        return digest(sound_key, format, dict(self.files))

    def seed_of(self, item: Item, sound_key: str) -> int:
        """The seed an item is spoken with: its own, the batch's, or the one that follows from its key."""
        given = self.seed if item.seed is None else item.seed
        return int(sound_key[:8], 16) if given is None else given

    def _own(self, item: Item) -> dict[str, Any]:
        """The settings that an item has of its own."""
        own: dict[str, Any] = {} if item.language is None else {"language": item.language}
        if item.cast:
            own["cast"] = {name: self._voice(voice) for name, voice in item.cast.items()}
        return own

    def _voice(self, name: str | None) -> str:
        return self._digest(("voice", name), lambda: voice_identity(name, self.models[0].folder))

    def _digest(self, name: object, find: Any) -> str:
        """What was found once; models and voices are taken to stay as they are while a batch runs."""
        if name not in self._known:
            self._known[name] = find()
        return self._known[name]


def told(tags: Tags) -> list[Any]:
    """What tells tags from others; nothing where there are none."""
    return [dict(tags.fields), hashlib.sha256(tags.cover or b"").hexdigest()] if tags else []


def voice_identity(name: str | None, model_folder: Path) -> str:
    """The hash of a voice's file: of another voice of that name it is another.

    Raises:
        VoiceError: there is no such voice.
    """
    if name is None and (name := config_in(model_folder).default_voice) is None:
        return NO_VOICE
    if name == NO_VOICE:
        return NO_VOICE
    path = locate_voice(name, model_folder).path
    parts = [path] if path.suffix == ".npz" else [path.with_name(f"{path.name}_{key}.npy") for key in KEYS]
    return digest(*_hashes(parts))


def model_identity(models: Iterable[ModelRef]) -> str:
    """The hash of all files that a model is read from; of large ones only samples are read.

    Raises:
        ModelError: one cannot be read.
    """
    found = []
    for model in models:
        files = read_from(model)
        found.append([model.size, [path.name for path in files], _hashes(files)])
    return digest(*found)


def read_from(model: ModelRef) -> list[Path]:
    """The files that a model is read from, by name: its own, and codec and tokenizer wherever they lie."""
    codec, tokenizer = find_codec(model.folder), find_tokenizer(model.folder) or tokenizer_elsewhere()
    beside = model_files(model.folder)
    own = [path for path in beside if path == model.folder or path.suffix.lower() in _MODEL_SUFFIXES]
    return sorted({*own, *filter(None, (codec, tokenizer))}, key=lambda path: path.name)


def _hashes(files: Iterable[Path]) -> list[str]:
    try:
        return [_sampled(path) for path in files]
    except OSError as error:
        raise ModelError(f"cannot read {error.filename}: {error.strerror}; check its permissions") from error


def _sampled(path: Path) -> str:
    """A file's size, and the hash of all of it or of samples spread over it."""
    size, found = path.stat().st_size, hashlib.sha256()
    with path.open("rb") as stream:
        if size <= _WHOLE:
            found.update(stream.read())
        else:
            for i in range(_SAMPLES):
                stream.seek((size - _SAMPLE) * i // (_SAMPLES - 1))
                found.update(stream.read(_SAMPLE))
    return f"{size}-{found.hexdigest()}"
