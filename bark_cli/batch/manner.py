"""How the items of a batch are spoken: settings -> a Making, whose files say how they were made.

A Manner is plain data, so that it can travel to another machine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bark_cli.audio import Provenance, Tags
from bark_cli.audio.sink import NO_TAGS
from bark_cli.batch.items import Item
from bark_cli.batch.make import Making
from bark_cli.known_model import KnownModel
from bark_cli.narration.compose import compose_for
from bark_cli.narration.each import Speaks
from bark_cli.narration.narrate import Narration, VoiceChoice
from bark_cli.narration.recipe import Recipe
from bark_cli.settings.known import Settings
from bark_cli.text.reading import Reading
from bark_cli.text.script import Script
from bark_cli.voices import NO_VOICE, Voice, language_of_voice


@dataclass(frozen=True, kw_only=True)
class Manner:
    """All that decides how an item is spoken, but the model."""

    settings: Settings
    reading: Reading = field(default_factory=Reading)
    language: str | None = None  # of all texts; None: what voice and letters suggest
    noted: Mapping[str, Any] = field(default_factory=dict)  # the settings that a file is to say
    tags: Tags = NO_TAGS  # that each file is to have

    def script(self, item: Item, text: str) -> Script:
        """What is said of a text.

        Raises:
            TextError: it is not what it should be, or has a tag that no model knows and must not.
        """
        reading = self.reading
        if item.cast or item.language:
            cast, language = item.cast or reading.cast, item.language or reading.language
            reading = replace(reading, cast=cast, language=language)
        return reading.script(text, None if item.file is None else str(item.file))

    def voice_and_language(self, item: Item) -> tuple[str | None, str | None]:
        """The voice of an item, its own or the batch's, and the language, its own or that voice's."""
        voice = self.settings.voice if item.voice is None else item.voice
        return voice, item.language or self.language or language_of_voice(voice)

    def making(
        self,
        speaker: Speaks,
        model: str,
        scratch: Path,
        *,
        on_told: Callable[[Item, str], None] = lambda _item, _told: None,
        voices: Mapping[str, Voice] | None = None,
        batch_size: int | None = None,
    ) -> Making:
        """How files are made so.

        Args:
            speaker: who speaks.
            model: what files call it.
            scratch: an empty folder, where files grow.
            on_told: is told what of a text is left out.
            voices: what is spoken with in the place of names; others the model finds by itself.
            batch_size: pieces at once; None is as many as fit.

        Raises:
            OptionError: a setting is outside its range.
        """
        settings, default_voice = self.settings, speaker.model.config.default_voice
        return Making(
            speaker=speaker,
            scratch=scratch,
            compose=self._composer(speaker.model, on_told, voices or {}),
            metadata=self._describer(model, default_voice) if settings.metadata else None,
            level=settings.normalize,  # type: ignore[arg-type]  # one of its choices
            tags=self.tags,
            batch_size=batch_size,
        )

    def voice_names(self, item: Item, text: str, default: str | None) -> set[str]:
        """The voices that an item is spoken in: its own or the batch's, else the model's, and its cast's.

        Raises:
            TextError: as `script`.
        """
        voice = self.settings.voice if item.voice is None else item.voice
        voice = default if voice is None else voice
        return {voice or NO_VOICE, *self.script(item, text).cast.values()} - {NO_VOICE}

    def _composer(
        self, model: KnownModel, on_told: Callable[[Item, str], None], voices: Mapping[str, Voice]
    ) -> Callable[[Item, str, int], Narration]:
        """What makes narrations of items, their texts and seeds, for a model."""
        recipe = Recipe.of(self.settings, model.config.sampling, self.language)
        default = model.config.default_voice

        def speaker(voice: str | None) -> VoiceChoice:
            return voices.get((default if voice is None else voice) or NO_VOICE, voice)

        def narration(item: Item, text: str, seed: int) -> Narration:
            voice, language = self.voice_and_language(item)
            mine = replace(recipe, voice=speaker(voice), language=language)
            script = self.script(item, text)
            cast: Any = {name: speaker(voice) for name, voice in script.cast.items()}
            composed = compose_for(model, replace(script, cast=cast), mine, seed)
            if composed.told is not None:
                on_told(item, composed.told)
            return composed

        return narration

    def _describer(
        self, name: str, default_voice: str | None
    ) -> Callable[[Item, Narration, int], Provenance]:
        """What tells how a file was made by the model of that name, whose voice is that one by default."""

        def metadata(item: Item, narration: Narration, seed: int) -> Provenance:
            voice = item.voice or self.settings.voice or default_voice
            return narration.provenance(name, voice, seed, self.noted)

        return metadata
