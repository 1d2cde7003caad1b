"""A model without its networks: how it reads a text, its voices, and what it says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bark_cli import voices
from bark_cli.model.config import BarkConfig
from bark_cli.model.tokenizer import BarkTokenizer
from bark_cli.voices import Voice
from bark_cli.voices.file import check_tokens


@dataclass(eq=False)
class KnownModel:
    """A model as far as a text can be composed for it."""

    name: str
    folder: Path
    config: BarkConfig
    tokenizer: BarkTokenizer

    def find_voice(self, voice: str | Path | Voice | None) -> Voice | None:
        """The voice that was asked for, checked, else the model's default; None is no history.

        Raises:
            VoiceError: it is unknown, malformed or made for another model.
        """
        wanted = self.config.default_voice if voice is None else voice
        if wanted is None or wanted == voices.NO_VOICE:
            return None
        if isinstance(wanted, Voice):
            return Voice(wanted.name, check_tokens(wanted.tokens, wanted.name, self.config))
        return voices.find_voice(wanted, model_folder=self.folder, config=self.config)


class SpeaksWith:
    """What all that speak with a model tell of it."""

    model: KnownModel

    @property
    def name(self) -> str:
        """What the model is called."""
        return self.model.name

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.model.folder

    @property
    def config(self) -> BarkConfig:
        """What it says of itself."""
        return self.model.config
