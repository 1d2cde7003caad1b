"""Recipe: the voice, pauses, sampling and takes that all pieces of a text share; made from settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from bark_cli.errors import OptionError
from bark_cli.model.options import SamplingOptions
from bark_cli.narration.narrate import Continuity, VoiceChoice
from bark_cli.settings.apply import sampling_options
from bark_cli.settings.known import Settings
from bark_cli.takes.take import DEFAULT_ATTEMPTS, Attempts
from bark_cli.voices.catalogue import language_of_voice


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a text is spoken: all but the text, its seed and the model. The defaults are the command's.

    Raises:
        OptionError: the continuity is unknown.
    """

    voice: VoiceChoice = None  # None is the model's default; a script's cast goes before it
    language: str | None = None  # e.g. de; None: what the script of the letters suggests
    pause_s: float = Settings.pause  # of silence after a piece that ends a sentence
    paragraph_pause_s: float = Settings.paragraph_pause
    speed: float = Settings.speed  # times as fast as it is spoken, at the same pitch
    continuity: Continuity = "voice"  # what each piece goes on from
    options: SamplingOptions | None = None  # None is the model's own way
    attempts: Attempts = DEFAULT_ATTEMPTS  # how often each piece is said
    redo: tuple[int, ...] = ()  # pieces, counted from 1, to say with another seed; twice: with the next

    def __post_init__(self) -> None:
        if self.continuity not in (known := get_args(Continuity)):
            raise OptionError(f"continuity {self.continuity!r} is unknown; use one of {', '.join(known)}")

    @classmethod
    def of(cls, settings: Settings, defaults: SamplingOptions, language: str | None = None) -> Recipe:
        """What the settings say, over the defaults of a model; `language` goes before the voice's own.

        Raises:
            OptionError: a value is outside its range.
        """
        return cls(
            voice=settings.voice,
            language=language or language_of_voice(settings.voice),
            pause_s=settings.pause,
            paragraph_pause_s=settings.paragraph_pause,
            speed=settings.speed,
            continuity=settings.continuity,  # type: ignore[arg-type]  # one of its choices
            options=sampling_options(settings, defaults),
            attempts=Attempts(takes=settings.takes, retries=settings.retries),
        )
