"""One spoken request: options of `bark say` -> a loaded model -> a file, a sound, a JSON object."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bark_cli.cli.output import note, print_json
from bark_cli.errors import OptionError

if TYPE_CHECKING:
    from bark_cli.pipeline import Bark, Progress, Speech
    from bark_cli.tokens import SamplingOptions, SemanticConfig


@dataclass(frozen=True)
class ModelChoice:
    """Which model, and where it computes."""

    model: str | None  # name or folder; None is the best installed
    size: str | None  # where a folder holds two
    device: str
    precision: str


@dataclass(frozen=True)
class SamplingFlags:
    """What was asked for; None leaves it to the model."""

    temperature: float | None = None  # of the semantic and coarse stages, where they have none of their own
    semantic_temperature: float | None = None
    coarse_temperature: float | None = None
    fine_temperature: float | None = None
    top_k: int | None = None  # semantic and coarse; 0 switches the model's own off
    top_p: float | None = None  # semantic and coarse
    min_eos_p: float | None = None
    max_duration_s: float | None = None

    def over(self, defaults: SamplingOptions) -> SamplingOptions:
        """The model's defaults with what was asked for in their place.

        Raises:
            OptionError: a value is outside its range.
        """
        shared: dict[str, Any] = _given(temperature=self.temperature, top_p=self.top_p)
        if self.top_k is not None:
            shared["top_k"] = self.top_k or None
        semantic = shared | _given(temperature=self.semantic_temperature)
        coarse = shared | _given(temperature=self.coarse_temperature)
        return replace(
            defaults,
            semantic=replace(defaults.semantic, **semantic),
            coarse=replace(defaults.coarse, **coarse),
            fine=replace(defaults.fine, **_given(temperature=self.fine_temperature)),
            **_given(min_eos_p=self.min_eos_p, max_duration_s=self.max_duration_s),
        )


@dataclass(frozen=True)
class Delivery:
    """Where the speech goes, and what is printed about it."""

    output: str | None  # a sound file; None plays
    voice_file: str | None  # where the speaker is kept
    force: bool  # write over files that exist
    as_json: bool
    quiet: bool
    verbose: bool


@dataclass(frozen=True)
class SayRequest:
    """Everything `bark say` was asked for."""

    text: str
    voice: str | None
    seed: int | None
    model: ModelChoice
    sampling: SamplingFlags
    delivery: Delivery


def speak(request: SayRequest) -> None:
    """Say it and deliver it; whatever can be found wrong without the model is, before it is loaded.

    Raises:
        BarkError: as the pipeline's, or the sound cannot be delivered.
    """
    check(request)
    choice, delivery = request.model, request.delivery
    with _loading_line(delivery):
        from bark_cli.pipeline import Bark

        bark = Bark.load(choice.model, size=choice.size, device=choice.device, precision=choice.precision)
    if not delivery.quiet:
        _introduce(bark, choice, delivery.verbose)
    with _stage_lines(delivery) as on_progress:
        speech = bark.say(
            request.text,
            voice=request.voice,
            seed=request.seed,
            options=request.sampling.over(bark.config.sampling),
            on_progress=on_progress,
        )
    deliver(speech, delivery)
    if not delivery.quiet:
        _report(speech, request)
        _warn_if_cut_off(speech, bark.config.semantic)


def check(request: SayRequest) -> None:
    """Find what is wrong with the text, the options, the voice's name and the places to write to.

    Raises:
        BarkError: the first thing wrong.
    """
    from bark_cli import audio
    from bark_cli.hub import resolve_model
    from bark_cli.text import normalise
    from bark_cli.tokens import SamplingOptions
    from bark_cli.voices import NO_VOICE, check_voice_file, locate_voice

    normalise(request.text)
    request.sampling.over(SamplingOptions())
    delivery = request.delivery
    if delivery.output == "-":
        raise OptionError("sound cannot be written to standard output yet; give -o the name of a file")
    if delivery.voice_file is not None:
        check_voice_file(delivery.voice_file, force=delivery.force)
    if delivery.output is not None:
        audio.check_sound_file(delivery.output, force=delivery.force)
    folder = resolve_model(request.model.model).folder
    if request.voice not in (None, NO_VOICE):
        locate_voice(str(request.voice), folder)
    if delivery.output is None:
        audio.check_player()


def deliver(speech: Speech, delivery: Delivery) -> None:
    """Write or play the sound, write the voice, and print the result if it was asked for.

    Raises:
        BarkError: a file cannot be written or the sound not played.
    """
    from bark_cli import audio

    if delivery.output is not None:
        speech.save(delivery.output, force=delivery.force)
    if delivery.voice_file is not None:
        speech.save_voice(delivery.voice_file, force=delivery.force)
    if delivery.as_json:
        print_json(record(speech, delivery.output))
    if delivery.output is None:
        audio.play(speech.audio)


def record(speech: Speech, path: str | None) -> dict[str, Any]:
    """What `--json` prints; `path` is None where the sound was played."""
    return {
        "path": path,
        "seconds": round(speech.duration_s, 3),
        "complete": speech.complete,
        "sample_rate": speech.audio.sample_rate,
        "model": speech.model,
        "voice": speech.voice,
        "seed": speech.seed,
        "real_time_factor": round(speech.real_time_factor, 3),
        "stages": {
            name: {"seconds": round(stage.seconds, 3), "tokens": stage.tokens}
            for name, stage in speech.stages.items()
        },
    }


def _introduce(bark: Bark, choice: ModelChoice, verbose: bool) -> None:
    """Say which model speaks, where the user left it open."""
    if choice.model is None:
        better = "; to hear the large one, put Suno's Bark in a folder and use -m FOLDER"
        note(f"speaking with {bark.name}{better if bark.name == 'nano' else ''}")
    if verbose:
        note(f"model {bark.name} from {bark.folder} on {bark.device} in {bark.precision}")


def _report(speech: Speech, request: SayRequest) -> None:
    """Say what came of it."""
    if request.delivery.verbose:
        for name, stage in speech.stages.items():
            note(f"{name}: {stage.tokens} tokens in {stage.seconds:.2f} s")
    if request.seed is None:
        note(f"seed {speech.seed}; --seed {speech.seed} says it the same way again")
    what = request.delivery.output or "played"
    note(f"{what}: {speech.duration_s:.1f} s of speech, {speech.real_time_factor:.2f}x real time")


def _warn_if_cut_off(speech: Speech, config: SemanticConfig) -> None:
    """Say that the model had no room for more; the user's own --max-duration is no news to them."""
    if not speech.complete and len(speech.tokens.semantic) == config.max_new_tokens:
        limit_s = config.max_new_tokens / config.rate_hz
        note(f"the speech reached this model's limit of {limit_s:.1f} s and may be cut off; shorten the text")


def _is_watched(delivery: Delivery) -> bool:
    """Whether a human sits there and wants to see what goes on."""
    watched = sys.stderr is not None and sys.stderr.isatty()
    return watched and not delivery.quiet and not delivery.as_json


@contextmanager
def _loading_line(delivery: Delivery) -> Iterator[None]:
    """Show that something happens while torch and the model are read, which takes seconds."""
    if not _is_watched(delivery):
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status("loading the model"):
        yield


@contextmanager
def _stage_lines(delivery: Delivery) -> Iterator[Callable[[Progress], None] | None]:
    """Draw the stages where a human watches, else nothing."""
    if not _is_watched(delivery):
        yield None
        return
    from bark_cli.cli.progress import StageLines

    with StageLines() as lines:
        yield lines


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
