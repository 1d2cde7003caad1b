"""What `bark say` was asked for: its parameters and the settings -> SayRequest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bark_cli.errors import OptionError
from bark_cli.settings import SETTINGS, Resolved, Settings, resolve
from bark_cli.text.script import parse_cast

if TYPE_CHECKING:
    from pathlib import Path

    from bark_cli.audio import Level, Provenance
    from bark_cli.model.options import SamplingOptions
    from bark_cli.narration.compose import Manner
    from bark_cli.pipeline import Bark

# what changes the sound, beside model, voice and seed: it is noted in the file, for --like
_NOTED = (
    "temperature",
    "semantic_temperature",
    "coarse_temperature",
    "fine_temperature",
    "liveliness",
    "top_k",
    "top_p",
    "min_eos_p",
    "max_duration",
    "continuity",
    "pause",
    "paragraph_pause",
    "takes",
    "retries",
    "precision",
    "normalize",
)
_STAGES = ("semantic_model", "coarse_model", "fine_model")


@dataclass(frozen=True, kw_only=True)
class ModelChoice:
    """Which model, and where it computes."""

    model: str | None  # name or folder; None is the best installed
    size: str | None  # where a folder holds two
    semantic: str | None  # models for single stages
    coarse: str | None
    fine: str | None
    device: str
    precision: str

    @property
    def models(self) -> list[str | None]:
        """All that are needed, the leading one first; None is the best installed."""
        stages = [self.semantic, self.coarse, self.fine]
        # as in Bark.load: where every stage is chosen, and no model beside them, the fine one's leads
        leading = self.fine if self.model is None and None not in stages else self.model
        return [leading, *(stage for stage in stages if stage is not None)]

    def load(self, on_note: Callable[[str], None] | None) -> Bark:
        """The model, read; `on_note` is told of a conversion.

        Raises:
            BarkError: as `Bark.load`.
        """
        from bark_cli.pipeline import Bark

        return Bark.load(
            self.model,
            size=self.size,
            semantic=self.semantic,
            coarse=self.coarse,
            fine=self.fine,
            device=self.device,
            precision=self.precision,
            on_note=on_note,
        )


@dataclass(frozen=True, kw_only=True)
class SamplingFlags:
    """What was asked for; None leaves it to the model."""

    temperature: float | None = None  # of the semantic and coarse stages, where they have none of their own
    semantic_temperature: float | None = None
    coarse_temperature: float | None = None
    fine_temperature: float | None = None
    liveliness: float = 1.0  # times the semantic temperature
    top_k: int | None = None  # semantic and coarse; 0 switches the model's own off
    top_p: float | None = None  # semantic and coarse
    min_eos_p: float | None = None
    max_duration: float | None = None  # seconds

    @classmethod
    def of(cls, settings: Settings) -> SamplingFlags:
        """Those among all settings."""
        return cls(**{name: getattr(settings, name) for name in cls.__dataclass_fields__})

    def over(self, defaults: SamplingOptions) -> SamplingOptions:
        """The model's defaults with what was asked for in their place.

        Raises:
            OptionError: a value is outside its range.
        """
        shared: dict[str, Any] = _given(temperature=self.temperature, top_p=self.top_p)
        if self.top_k is not None:
            shared["top_k"] = self.top_k or None
        semantic = replace(defaults.semantic, **shared | _given(temperature=self.semantic_temperature))
        lively = min(10.0, semantic.temperature * self.liveliness)
        return replace(
            defaults,
            semantic=replace(semantic, temperature=lively),
            coarse=replace(defaults.coarse, **shared | _given(temperature=self.coarse_temperature)),
            fine=replace(defaults.fine, **_given(temperature=self.fine_temperature)),
            **_given(min_eos_p=self.min_eos_p, max_duration_s=self.max_duration),
        )


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """Where the speech goes, and what is printed about it."""

    output: str | None  # a sound file; "-" is standard output; None plays
    format: str | None  # of the file or pipe; None: what the suffix says, a pipe has WAV
    plays: bool  # through the loudspeaker, in or out of company
    audio_device: str | None
    voice_file: str | None  # where the speaker is kept
    subtitles: str | None  # "srt" or "vtt", beside the file
    normalize: Level  # of the file
    metadata: bool
    force: bool  # write over files that exist
    exact: bool  # where it comes in pieces: the very sound that a file would hold
    as_json: bool
    quiet: bool
    verbose: bool

    @property
    def subtitle_file(self) -> Path | None:
        """Beside the sound, under its name."""
        from pathlib import Path

        return None if self.subtitles is None else Path(str(self.output)).with_suffix(f".{self.subtitles}")

    @property
    def is_stream(self) -> bool:
        """Whether the sound is delivered while it is being made."""
        return self.plays or self.output == "-"


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How the text is understood."""

    format: str  # text, markdown, srt, script or auto
    encoding: str | None  # None: UTF-8, or what its byte order mark says
    language: str | None
    cast: Mapping[str, str]  # voices of a script's names
    strict: bool  # tags that no model knows are an error


@dataclass(frozen=True, kw_only=True)
class SayRequest:
    """Everything `bark say` was asked for."""

    seed: int
    is_seed_drawn: bool
    choice: ModelChoice
    sampling: SamplingFlags
    reading: Reading
    delivery: Delivery
    settings: Settings
    noted: Mapping[str, Any]  # the settings that the file is to say

    def manner(self, defaults: SamplingOptions) -> Manner:
        """How the text is read, with a model's defaults."""
        from bark_cli.narration.compose import Manner
        from bark_cli.takes.attempt import Attempts

        s = self.settings
        return Manner(
            seed=self.seed,
            voice=s.voice,
            language=self.reading.language or _language_of(s.voice),
            pause_s=s.pause,
            paragraph_pause_s=s.paragraph_pause,
            continuity=s.continuity,  # type: ignore[arg-type]  # one of its choices
            options=self.sampling.over(defaults),
            attempts=Attempts(takes=s.takes, retries=s.retries),
        )


def say_request(given: Mapping[str, Any]) -> SayRequest:
    """Put together the parameters of the command (None: not given), the file to be like, and the settings.

    Raises:
        BarkError: a value is outside its range, or values do not go together.
    """
    flags = {name: given.get(name) for name in SETTINGS}
    flags["offline"] = given["offline"] or None
    flags["metadata"] = False if given["no_metadata"] else None
    if given["raw"]:
        flags["format"] = "raw"
    if given["like"] is not None:
        like = _like(given["like"])
        given = {**given, **{stage: given[stage] or like.get(stage) for stage in _STAGES}}
        flags = {name: like.get(name) for name in SETTINGS} | _given(**flags)
    resolved = resolve(flags, whole=() if given["like"] is None else _NOTED)
    settings, delivery = resolved.settings, _delivery(given, resolved)
    _spare_text(given.get("file"), delivery)
    return SayRequest(
        seed=_draw() if settings.seed is None else settings.seed,
        is_seed_drawn=settings.seed is None,
        choice=ModelChoice(
            model=settings.model,
            size=given["size"],
            semantic=given["semantic_model"],
            coarse=given["coarse_model"],
            fine=given["fine_model"],
            device=settings.device,
            precision=settings.precision,
        ),
        sampling=SamplingFlags.of(settings),
        reading=Reading(
            format=given["input_format"],
            encoding=given["encoding"],
            language=given["language"],
            cast=parse_cast(given["cast"] or []),
            strict=given["strict"],
        ),
        delivery=delivery,
        settings=settings,
        noted={name: getattr(settings, name) for name in _NOTED if resolved.was_set(name)},
    )


def _delivery(given: Mapping[str, Any], resolved: Resolved) -> Delivery:
    """Where it goes.

    Raises:
        OptionError: what was asked for does not go together.
    """
    settings, output = resolved.settings, given["output"]
    is_file = output not in (None, "-")
    if given["subtitles"] not in (None, "none") and not is_file:
        raise OptionError("--subtitles lie beside a sound file; add -o FILE")
    if given["normalize"] not in (None, "off") and not is_file:  # one that --like brings asks for nothing
        raise OptionError("--normalize has to hear all of it first; add -o FILE")
    named = resolved.was_flag("format") or output == "-" or not _suffix(output)
    return Delivery(
        output=output,
        format=settings.format if named else None,
        plays=given["play"] or output is None,
        audio_device=settings.audio_device,
        voice_file=given["save_voice"],
        subtitles=settings.subtitles if is_file and settings.subtitles != "none" else None,
        normalize=settings.normalize if is_file else "off",  # type: ignore[arg-type]  # one of its choices
        metadata=settings.metadata,
        force=given["force"],
        exact=given["exact"],
        as_json=given["as_json"],
        quiet=given["quiet"],
        verbose=given["verbose"],
    )


def _spare_text(file: str | None, delivery: Delivery) -> None:
    """Keep --force from the text itself.

    Raises:
        OptionError: the text would be written over.
    """
    import os

    for written in (delivery.output, delivery.subtitle_file):
        if file is not None and written is not None and os.path.realpath(file) == os.path.realpath(written):
            raise OptionError(f"{written} is the text that is read; give -o another name")


def _suffix(output: str | None) -> str:
    from pathlib import PurePath

    return PurePath(output or "").suffix


def _like(path: str) -> dict[str, Any]:
    """What the file at `path` says it was made with, as flags.

    Raises:
        AudioError: it is no sound.
        OptionError: Bark did not make it, or it does not say.
    """
    from bark_cli.audio import read_provenance

    found: Provenance | None = read_provenance(path)
    if found is None:
        raise OptionError(f"{path} does not say how it was made; only files that bark wrote do")
    noted = {name: value for name, value in found.settings.items() if name in _NOTED}
    model, *borrowed = found.model.split("+")  # as in nano+coarse:small
    stages = {f"{stage}_model": name for stage, _, name in (one.partition(":") for one in borrowed)}
    return {**noted, **stages, "model": model, "voice": found.voice or "none", "seed": found.seed}


def _language_of(voice: str | None) -> str | None:
    """The language that a preset's name says: de for v2/de_speaker_3."""
    import re

    match = re.search(r"(?:^|/)([a-z]{2})_speaker_\d+$", voice or "")
    return match[1] if match else None


def _draw() -> int:
    import random

    return random.SystemRandom().randrange(2**31)


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
