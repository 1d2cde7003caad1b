"""The names of models and voices: what a client asks for -> what is meant, and lists of what there is."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bark_cli.server.problem import SERVER, Problem
from bark_cli.text.lexicon import Lexicon
from bark_cli.voices import NO_VOICE
from bark_cli.voices.catalogue import VoiceInfo, list_voices

# what unchanged clients call a model
MODEL_ALIASES = ("tts-1", "tts-1-hd", "gpt-4o-mini-tts")
# OpenAI's voices and, where the model has them, those of nano's that come nearest; else the model's in turn
VOICE_ALIASES = {
    "alloy": "nano/anna",
    "ash": "nano/ben",
    "ballad": "nano/carl",
    "cedar": "nano/emil",
    "coral": "nano/dora",
    "echo": "nano/emil",
    "fable": "nano/finn",
    "marin": "nano/dora",
    "nova": "nano/dora",
    "onyx": "nano/carl",
    "sage": "nano/anna",
    "shimmer": "nano/dora",
    "verse": "nano/finn",
}


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What a server offers."""

    model: str  # its name
    folder: Path  # where it lies
    aliases: Mapping[str, str] = field(default_factory=dict)  # of voices, as the server's owner set them
    lexicon: Lexicon | None = None  # how words are spoken

    def check_model(self, asked: str) -> None:
        """Find out whether the model is the one served.

        Raises:
            Problem: it is another.
        """
        if asked not in (known := [self.model, *MODEL_ALIASES]):
            meant = _nearest(asked, known)
            message = f"there is no model {asked!r} here{meant}; this server has {', '.join(known)}"
            raise Problem(404, message, param="model", code="model_not_found")

    def check_files(self) -> None:
        """Find out whether the model still lies where it was read; voices are read as they are asked for.

        Raises:
            Problem: it does not.
        """
        if not self.folder.exists():
            message = f"the files of {self.model} are gone; bring them back, or start the server anew"
            raise Problem(503, message, SERVER, code="model_gone")

    def voices(self) -> list[VoiceInfo]:
        """The voices that the model can speak with: of those shipped, its own alone.

        A name that could be taken for a file is left out.
        """
        return [
            info
            for info in list_voices(self.folder)
            if (info.source != "shipped" or info.name.startswith(f"{self.folder.name}/"))
            and not info.name.lower().endswith(".npz")
        ]

    def voice_aliases(self, voices: Sequence[VoiceInfo]) -> dict[str, str]:
        """OpenAI's names and the owner's -> the voices they stand for."""
        names = [info.name for info in voices]
        english = [info.name for info in voices if info.language in (None, "en")] or names
        found: dict[str, str] = {}
        for number, (alias, wanted) in enumerate(VOICE_ALIASES.items()):
            if english:
                found[alias] = wanted if wanted in names else english[number % len(english)]
        return found | dict(self.aliases)

    def find_voice(self, asked: str, param: str = "voice") -> str:
        """The name of the voice that is meant. No path leads to a file: only names of the list count.

        Raises:
            Problem: there is none of that name.
        """
        voices = self.voices()
        aliases = self.voice_aliases(voices)
        name = aliases.get(asked, asked)
        if name == NO_VOICE or name in {info.name for info in voices}:
            return name
        for info in voices:  # a model's own go by the last part of their name, too
            is_own = info.source == "model" and info.name.endswith(f"/{name}")
            if is_own or info.name == f"{self.folder.name}/{name}":
                return info.name
        meant = _nearest(asked, [*(info.name for info in voices), *aliases])
        message = f"there is no voice {asked!r} here{meant}; /v1/audio/voices lists them"
        raise Problem(404, message, param=param, code="voice_not_found")

    def list_models(self) -> list[dict[str, Any]]:
        """The model under each of its names, as OpenAI lists them."""
        return [
            {"id": name, "object": "model", "created": 0, "owned_by": "bark"}
            for name in dict.fromkeys([self.model, *MODEL_ALIASES])
        ]

    def list_voices(self) -> list[dict[str, Any]]:
        """Every voice with an id and a name, those first that the model has."""
        voices = self.voices()
        stand_for: dict[str, list[str]] = {}
        for alias, name in self.voice_aliases(voices).items():
            stand_for.setdefault(name, []).append(alias)
        return [
            {
                "id": info.name,
                "name": info.name,
                "language": info.language,
                "source": info.source,
                "aliases": stand_for.get(info.name, []),
            }
            for info in voices
        ]


def _nearest(asked: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(asked, list(known), n=3, cutoff=0.5)
    return f" (did you mean {' or '.join(near)}?)" if near else ""
