"""One spoken request: options of `bark say` -> a loaded model -> a file, a sound, a JSON object."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bark_cli.cli.clock import seconds_since_start
from bark_cli.cli.output import abandon_stdout, note, print_json
from bark_cli.errors import OptionError

if TYPE_CHECKING:
    from bark_cli.pipeline import Bark, Progress, Speech
    from bark_cli.tokens import SamplingOptions, SemanticConfig


@dataclass(frozen=True)
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
        """All that are needed; None is the best installed."""
        stages = [self.semantic, self.coarse, self.fine]
        # as in Bark.load: where every stage is chosen, and no model beside them, the fine one's leads
        leading = self.fine if self.model is None and None not in stages else self.model
        return [leading, *(stage for stage in stages if stage is not None)]


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

    output: str | None  # a sound file; None plays, "-" is standard output
    voice_file: str | None  # where the speaker is kept
    force: bool  # write over files that exist
    exact: bool  # where it comes in pieces: the very sound that a file would hold
    as_json: bool
    quiet: bool
    verbose: bool

    @property
    def is_stream(self) -> bool:
        """Whether the sound is delivered while it is being made."""
        return self.output in (None, "-")


@dataclass(frozen=True)
class SayRequest:
    """Everything `bark say` was asked for."""

    text: str
    voice: str | None
    seed: int | None
    model: ModelChoice
    sampling: SamplingFlags
    delivery: Delivery


@dataclass(frozen=True)
class Result:
    """What came of a request."""

    speech: Speech
    first_sound_s: float | None = None  # from Enter to the first sound, where it came in pieces


def speak(request: SayRequest) -> None:
    """Say it and deliver it; whatever can be found wrong without the model is, before it is loaded.

    Raises:
        BarkError: as the pipeline's, or the sound cannot be delivered.
    """
    check(request)
    choice, delivery = request.model, request.delivery
    with _loading_line(delivery):
        from bark_cli.pipeline import Bark

        bark = Bark.load(
            choice.model,
            size=choice.size,
            semantic=choice.semantic,
            coarse=choice.coarse,
            fine=choice.fine,
            device=choice.device,
            precision=choice.precision,
            on_note=None if delivery.quiet else note,
        )
    if not delivery.quiet:
        _introduce(bark, choice, delivery.verbose)
    try:
        result = _stream(bark, request) if delivery.is_stream else _save(bark, request)
    except BrokenPipeError:  # who listened has heard enough: that is no failure
        abandon_stdout()
        if delivery.voice_file is not None and not delivery.quiet:
            note(f"{delivery.voice_file} was not written: the reader went away before the speech ended")
        return
    if delivery.voice_file is not None:
        result.speech.save_voice(delivery.voice_file, force=delivery.force)
    if delivery.as_json:
        print_json(record(result, delivery.output))
    if not delivery.quiet:
        _report(result, request)
        _warn_if_cut_off(result.speech, bark.config.semantic)


def _save(bark: Bark, request: SayRequest) -> Result:
    """Say it all and write the file."""
    with _stage_lines(request.delivery) as on_progress:
        speech = bark.say(request.text, on_progress=on_progress, **_how(bark, request))
    speech.save(str(request.delivery.output), force=request.delivery.force)
    return Result(speech)


def _stream(bark: Bark, request: SayRequest) -> Result:
    """Play it, or write it to standard output, while it is being made.

    Raises:
        BrokenPipeError: nobody reads standard output any more.
    """
    from bark_cli.audio import Player, WavPipe

    rate, first_sound_s = bark.config.codec.sample_rate, None
    with WavPipe(sys.stdout.buffer, rate) if request.delivery.output else Player(rate) as sink:
        with _stage_lines(request.delivery) as on_progress:
            exact = request.delivery.exact
            stream = bark.stream(request.text, exact=exact, on_progress=on_progress, **_how(bark, request))
            for piece in stream:
                sink.put(piece)
                first_sound_s = first_sound_s or seconds_since_start()
        return Result(stream.speech, first_sound_s)


def _how(bark: Bark, request: SayRequest) -> dict[str, Any]:
    """The arguments of `Bark.say` that `Bark.stream` shares."""
    options = request.sampling.over(bark.config.sampling)
    return {"voice": request.voice, "seed": request.seed, "options": options}


def check(request: SayRequest) -> None:
    """Find what is wrong with the text, the options, the voice's name and the places to write to.

    Raises:
        BarkError: the first thing wrong.
    """
    from bark_cli import audio
    from bark_cli.cli.offer import resolve_or_offer
    from bark_cli.text import normalise
    from bark_cli.tokens import SamplingOptions
    from bark_cli.voices import NO_VOICE, check_voice_file, locate_voice

    normalise(request.text)
    request.sampling.over(SamplingOptions())
    delivery = request.delivery
    if delivery.voice_file is not None:
        check_voice_file(delivery.voice_file, force=delivery.force)
    if delivery.output == "-":
        _check_stdout(delivery)
    elif delivery.output is not None:
        audio.check_sound_file(delivery.output, force=delivery.force)
    may_ask = not (delivery.quiet or delivery.as_json)
    folder = resolve_or_offer(request.model.models, may_ask=may_ask)[0].folder
    if request.voice not in (None, NO_VOICE):
        locate_voice(str(request.voice), folder)
    if delivery.output is None:
        audio.check_player()


def _check_stdout(delivery: Delivery) -> None:
    """Find out whether standard output can take sound.

    Raises:
        OptionError: it is a terminal, or is to hold JSON as well.
    """
    if delivery.as_json:
        raise OptionError("--json and -o - cannot share standard output; give -o the name of a file")
    if sys.stdout.isatty():
        raise OptionError("-o - writes sound, and a terminal cannot show it; pipe it on, or use -o FILE")


def record(result: Result, path: str | None) -> dict[str, Any]:
    """What `--json` prints; `path` is None where the sound was played."""
    speech, first = result.speech, result.first_sound_s
    timed = {} if first is None else {"first_sound_seconds": round(first, 3)}
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
        **timed,
    }


def _introduce(bark: Bark, choice: ModelChoice, verbose: bool) -> None:
    """Say which model speaks, where the user left it open."""
    if choice.model is None:
        better = "; for Suno's own Bark, `bark download small`"
        note(f"speaking with {bark.name}{better if bark.name == 'nano' else ''}")
    if verbose:
        from bark_cli.backends.device import cpu_abilities

        processor = f" ({cpu_abilities()})" if bark.device == "cpu" else ""
        note(f"model {bark.name} from {bark.folder} on {bark.device}{processor} in {bark.precision}")


def _report(result: Result, request: SayRequest) -> None:
    """Say what came of it."""
    speech, output = result.speech, request.delivery.output
    if request.delivery.verbose:
        for name, stage in speech.stages.items():
            note(f"{name}: {stage.tokens} tokens in {stage.seconds:.2f} s")
        if result.first_sound_s is not None:
            note(f"first sound {result.first_sound_s:.2f} s after the start")
    if request.seed is None:
        note(f"seed {speech.seed}; --seed {speech.seed} says it the same way again")
    what = {None: "played", "-": "standard output"}.get(output, output)
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
