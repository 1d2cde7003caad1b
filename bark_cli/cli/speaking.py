"""What all commands that speak share: parameters (None: not given) and settings -> Speaking."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bark_cli.cli.output import note
from bark_cli.errors import BarkError, ModelError, OptionError, VoiceError
from bark_cli.settings import SETTINGS, Resolved, Settings
from bark_cli.text.documents.dialogue import parse_cast
from bark_cli.text.reading import Reading

if TYPE_CHECKING:
    from bark_cli.audio import Tags
    from bark_cli.model.options import SamplingOptions
    from bark_cli.narration.kept import KeptPieces
    from bark_cli.narration.recipe import Recipe
    from bark_cli.pipeline import Bark
    from bark_cli.remote.client import RemoteBark
    from bark_cli.text.lexicon import Lexicon
    from bark_cli.text.quotations import Dialogue

STAGES = ("semantic_model", "coarse_model", "fine_model")
# what changes the sound, beside model, voice and seed: it is noted in the file, for --like
NOTED = (
    "temperature",
    "semantic_temperature",
    "coarse_temperature",
    "fine_temperature",
    "liveliness",
    "top_k",
    "top_p",
    "min_eos_p",
    "max_duration",
    "fine_codebooks",
    "continuity",
    "pause",
    "paragraph_pause",
    "speed",
    "takes",
    "retries",
    "precision",
    "normalize",
)


@dataclass(frozen=True, kw_only=True)
class Speaking:
    """Which model speaks, how texts are understood, and how they are spoken."""

    settings: Settings
    size: str | None  # where a folder holds two models
    stage_models: Mapping[str, str | None]  # by STAGES: models for single stages
    reading: Reading
    language: str | None
    noted: Mapping[str, Any]  # the settings that a file is to say
    tags: Tags  # that files are to have
    origins: Mapping[str, str]  # of model and voice, where a file or a variable has set them: which one

    @property
    def models(self) -> list[str | None]:
        """All that are needed, the leading one first; None is the best installed."""
        stages = [self.stage_models[name] for name in STAGES]
        # as in Bark.load: where every stage is chosen, and no model beside them, the fine one's leads
        leading = stages[-1] if self.settings.model is None and None not in stages else self.settings.model
        return [leading, *(stage for stage in stages if stage is not None)]

    @contextmanager
    def naming_origins(self) -> Iterator[None]:
        """Say of an error which file or variable asked for the model or the voice that it is about."""
        try:
            yield
        except (ModelError, VoiceError) as error:
            for name, origin in self.origins.items():
                if str(getattr(self.settings, name)) in str(error):
                    error.args = (f"{error} ({name} is set in {origin})",)
            raise

    def load(self, on_note: Callable[[str], None] | None) -> Bark:
        """The model, loaded; `on_note` is called with a line when it is converted first.

        Raises:
            BarkError: as `Bark.load`.
        """
        from bark_cli.pipeline import Bark

        return Bark.load(
            self.settings.model,
            size=self.size,
            semantic=self.stage_models["semantic_model"],
            coarse=self.stage_models["coarse_model"],
            fine=self.stage_models["fine_model"],
            device=self.settings.device,
            precision=self.settings.precision,
            on_note=on_note,
        )

    def kept_pieces(self, bark: Bark | RemoteBark, output: str) -> KeptPieces:
        """Where the pieces on their way into a file or folder are kept.

        Raises:
            OutputError: the name of their folder belongs to something else.
        """
        from pathlib import Path

        from bark_cli.narration.kept import KeptPieces

        def made_by() -> str:
            from bark_cli import __version__
            from bark_cli.batch.identity import model_identity
            from bark_cli.store import resolve_model
            from bark_cli.system.digest import digest

            model = model_identity([resolve_model(name) for name in self.models])
            return digest(model, bark.precision, bark.device, __version__)

        return KeptPieces(Path(output), made_by)

    def recipe(self, defaults: SamplingOptions) -> Recipe:
        """How texts are spoken, over a model's defaults.

        Raises:
            OptionError: a value is outside its range.
        """
        from bark_cli.narration.recipe import Recipe

        return Recipe.of(self.settings, defaults, self.language)


def settings_flags(given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that go before the settings; None: not given."""
    flags = {name: given.get(name) for name in SETTINGS}
    flags["offline"] = given["offline"] or None
    flags["metadata"] = False if given["no_metadata"] else None
    return flags


def speaking(given: Mapping[str, Any], resolved: Resolved) -> dict[str, Any]:
    """The fields of a Speaking.

    Raises:
        OptionError: --language, --cast, --tag, --cover or --say-as is not understood, or what spells numbers
            is missing.
    """
    from bark_cli.text.split.sentences import is_language
    from bark_cli.voices.catalogue import language_of_voice

    if given["language"] and not is_language(given["language"]):
        raise OptionError(f"--language takes a code such as en or pt-BR, not {given['language']!r}")
    spoken_language = given["language"] or language_of_voice(resolved.settings.voice)
    if given["read_numbers"]:
        from bark_cli.text.numbers import check_speller

        check_speller()
        if spoken_language is None and not (given["quiet"] or _is_described_as_english(resolved.settings)):
            note("numbers are spelled in English where nobody says the language; --language de, say, does")
    return {
        "settings": resolved.settings,
        "size": given["size"],
        "stage_models": {name: given[name] for name in STAGES},
        "reading": Reading(
            format=given["input_format"],
            encoding=given["encoding"],
            cast=parse_cast(given["cast"] or []),
            strict=given["strict"],
            lexicon=_lexicon(given["say_as"]),
            dialogue=_dialogue(given, resolved.settings),
            reads_numbers=given["read_numbers"],
            language=spoken_language,
        ),
        "language": given["language"],
        "tags": _tags(given),
        "noted": {name: getattr(resolved.settings, name) for name in NOTED if resolved.was_set(name)},
        "origins": {
            name: resolved.sources[name]
            for name in ("model", "voice")
            if resolved.was_set(name) and not resolved.was_flag(name)
        },
    }


def _is_described_as_english(settings: Settings) -> bool:
    """Whether the voice, or the model's default one, is known to speak English, as nano's are."""
    from bark_cli.model.published import config_in
    from bark_cli.store import resolve_model
    from bark_cli.voices.catalogue import locate_voice

    with suppress(BarkError):  # what is missing is reported where it is needed
        folder = resolve_model(settings.model).folder
        voice = settings.voice or config_in(folder).default_voice
        return voice is not None and locate_voice(voice, folder).language == "en"
    return False


def _lexicon(say_as: str | None) -> Lexicon | None:
    """How a file says that words are spoken."""
    if say_as is None:
        return None
    from bark_cli.system.home import expanded
    from bark_cli.text.lexicon import read_lexicon

    return read_lexicon(expanded(say_as))


def _dialogue(given: Mapping[str, Any], settings: Settings) -> Dialogue | None:
    """Another voice for what stands in quotation marks."""
    if (voice := given["dialogue_voice"]) is None:
        return None
    from bark_cli.text.quotations import Dialogue

    return Dialogue(voice=voice, pause_s=settings.pause)


def _tags(given: Mapping[str, Any]) -> Tags:
    """What --tag and --cover say.

    Raises:
        OptionError: one is not understood, or the picture cannot be read.
    """
    from bark_cli.audio.tags import Tags, parse_tags, read_cover
    from bark_cli.system.home import expanded

    cover = None if given.get("cover") is None else read_cover(expanded(given["cover"]))
    return Tags(fields=parse_tags(given.get("tag") or []), cover=cover)
