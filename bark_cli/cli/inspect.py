"""`bark inspect`: a sound file, the tokens of a voice file, or both -> a table of numbers, and a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bark_cli.cli.options import Force, Json, Model
from bark_cli.cli.output import note, print_json
from bark_cli.cli.show import made_by_rows, named, sound_record, sound_rows
from bark_cli.cli.table import aligned

if TYPE_CHECKING:
    from bark_cli.inspection import SoundFacts, SoundMeter, StageFacts, TokenTrack


@dataclass(frozen=True, kw_only=True, eq=False)
class _Found:
    """What was found out."""

    record: dict[str, Any]  # what the file says of itself
    rows: dict[str, str]  # the same for people
    meter: SoundMeter
    track: TokenTrack | None


def inspect(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="A sound file, the .npz of --save-voice, or a model's .gguf file.",
            show_default=False,
        ),
    ],
    tokens: Annotated[
        str | None,
        typer.Option(metavar="NPZ", help="The tokens of the sound, as `bark say --save-voice` kept them."),
    ] = None,
    model: Model = None,
    plot: Annotated[
        str | None,
        typer.Option(
            metavar="PICTURE",
            help="Draw waveform, mel spectrogram and tokens into PICTURE (.png .svg .pdf); needs matplotlib.",
        ),
    ] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Measure FILE, a sound or a voice's tokens, and draw it.

    \b
    bark inspect hello.wav --plot hello.png
    bark say "Hello." -o hello.wav --save-voice hello.npz
    bark inspect hello.wav --tokens hello.npz --plot hello.png
    bark inspect hello.npz --json
    bark inspect bark-small-q8_0.gguf

    A sound file holds no tokens: --save-voice keeps them, for a long text those of its last piece. Where
    FILE is such a file, the sound is what a model's codec makes of the tokens; -m names the model.
    Of a model's file every key and tensor is listed.
    """
    from pathlib import Path

    from bark_cli.inspection import draw, token_facts
    from bark_cli.inspection.model_file import is_model_file
    from bark_cli.system.plots import check_plot

    if is_model_file(Path(file)):
        _inspect_model(file, tokens, plot, as_json=as_json)
        return
    if plot is not None:
        check_plot(Path(plot), force=force)
    found = _inspect_tokens(file, tokens, model) if _is_tokens(file) else _inspect_sound(file, tokens, model)
    stages = [] if found.track is None else token_facts(found.track)
    if plot is not None:
        draw(found.meter.sketch(), found.track, Path(plot), title=file, force=force)
    if as_json:
        print_json(_record(found, stages, plot))
    else:
        print("\n".join(_lines(found, stages)))
    if plot is not None and not as_json:
        note(f"{plot}: drawn")


def _inspect_model(file: str, tokens: str | None, plot: str | None, *, as_json: bool) -> None:
    """A model's file, in which there is nothing to be drawn.

    Raises:
        BarkError: it is damaged, or something of a sound is asked for.
    """
    from pathlib import Path

    from bark_cli.cli.model_file import print_model_file
    from bark_cli.errors import OptionError

    if tokens is not None or plot is not None:
        raise OptionError(f"{file} is a model and holds no sound; leave out --tokens and --plot")
    print_model_file(Path(file), tensors=True, as_json=as_json)


def _is_tokens(file: str) -> bool:
    return file.lower().endswith(".npz")


def _inspect_sound(file: str, tokens: str | None, model: str | None) -> _Found:
    """A sound file, with its tokens if they are given.

    Raises:
        BarkError: one of them cannot be read, or they do not belong together.
    """
    from bark_cli.audio import open_sound
    from bark_cli.inspection import SoundMeter

    track = None if tokens is None else _track(tokens, model)
    with open_sound(file) as source:
        meter = SoundMeter(source.sample_rate)
        for block in source.blocks():
            meter.put(block)
        record = sound_record(file, source)
    seconds = meter.facts().seconds
    record["seconds"] = round(seconds, 3)  # a piped file does not say
    if track is not None:
        track = _placed(track, seconds)
    return _Found(record=record, rows=sound_rows(record) | made_by_rows(record), meter=meter, track=track)


def _placed(track: TokenTrack, seconds: float) -> TokenTrack:
    from dataclasses import replace

    from bark_cli.inspection import place

    start_s = place(track.duration_s, seconds, 1 / track.config.coarse.rate_hz)
    if start_s:
        note(f"the tokens are of the last {track.duration_s:.1f} s: of a text, its last piece is kept")
    return replace(track, start_s=start_s)


def _inspect_tokens(file: str, tokens: str | None, model: str | None) -> _Found:
    """A voice file, and the sound that it stands for.

    Raises:
        BarkError: it cannot be read, or no model here can speak it.
    """
    from bark_cli.errors import OptionError
    from bark_cli.inspection import SoundMeter
    from bark_cli.inspection.preview import preview_voice

    if tokens is not None:
        raise OptionError(f"{file} holds tokens itself; give --tokens with a sound file")
    track, sound = _track(file, model), preview_voice(file, _model_for(file, model))
    meter = SoundMeter(sound.sample_rate)
    meter.put(sound)
    made = f"{sound.duration_s:.1f} s, {sound.sample_rate} Hz, decoded from its tokens"
    record = {"path": file, "seconds": round(sound.duration_s, 3), "sample_rate": sound.sample_rate}
    return _Found(record=record, rows={"file": file, "sound": made}, meter=meter, track=track)


def _track(file: str, model: str | None) -> TokenTrack:
    from bark_cli.inspection import TokenTrack
    from bark_cli.model.published import config_in
    from bark_cli.voices.catalogue import find_voice

    folder = _model_for(file, model).folder
    config = config_in(folder)
    return TokenTrack(tokens=find_voice(file, model_folder=folder, config=config).tokens, config=config)


def _model_for(file: str, model: str | None) -> Any:
    """The model that is named, else the best that can speak the voice."""
    from bark_cli.store import resolve_model
    from bark_cli.voices.own import describe_voice

    fitting = () if model is not None else describe_voice(file).models
    return fitting[0] if fitting else resolve_model(model)


def _record(found: _Found, stages: list[StageFacts], plot: str | None) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        **found.record,
        "measured": _rounded(asdict(found.meter.facts())),
        "tokens": [_rounded(asdict(stage)) for stage in stages] or None,
        "tokens_start": None if found.track is None else round(found.track.start_s, 3),
        "plot": plot,
    }


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in values.items()}


def _lines(found: _Found, stages: list[StageFacts]) -> list[str]:
    lines = named(found.rows | _measured(found.meter.facts()))
    if stages:
        head = ("STAGE", "TOKENS", "RATE", "DISTINCT", "LONGEST REPETITION")
        lines += ["", *aligned([head, *map(_stage_row, stages)])]
    return lines


def _measured(facts: SoundFacts) -> dict[str, str]:
    clipped = facts.clipped_samples
    loud, peak, centroid = facts.loudness_lufs, facts.peak_db, facts.centroid_hz
    return {
        "loudness": "silence" if loud is None else f"{loud:.1f} LUFS",
        "peak": "silence" if peak is None else f"{peak:.1f} dB",
        "silence": f"{facts.silence:.0%}",
        "clipping": f"{clipped} sample{'s' * (clipped != 1)}" if clipped else "none",
        "centroid": "none" if centroid is None else f"{centroid:.0f} Hz",
    }


def _stage_row(facts: StageFacts) -> tuple[str, ...]:
    books = f"{facts.books} x " if facts.books > 1 else ""
    longest = (
        f"{facts.repetition_s:.2f} s, in rounds of {facts.round_s:.2f} s" if facts.repetition_s else "none"
    )
    return (
        facts.stage,
        f"{books}{facts.length}",
        f"{books}{facts.rate_hz:g} Hz",
        f"{facts.distinct} of {facts.vocabulary}",
        longest,
    )
