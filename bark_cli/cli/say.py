"""`bark say`: text -> a sound file, or the loudspeaker."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import typer

from bark_cli.cli import options
from bark_cli.cli.completion import voice_names
from bark_cli.cli.input import read_text
from bark_cli.cli.offer import forbid_network
from bark_cli.cli.speak import Delivery, ModelChoice, SamplingFlags, SayRequest, speak

_SAMPLING = "Sampling (the model has its own defaults)"
_PRINTING = "Printing"


def say(
    context: typer.Context,
    text: Annotated[
        list[str] | None,
        typer.Argument(metavar="TEXT", help="What to say; - reads it from a pipe.", show_default=False),
    ] = None,
    file: Annotated[
        str | None, typer.Option("-f", "--file", metavar="FILE", help="Read the text from FILE.")
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="OUT",
            help="Write OUT (.wav .flac .ogg .opus .mp3) instead of playing; - writes WAV to a pipe.",
        ),
    ] = None,
    force: options.Force = False,
    exact: Annotated[
        bool, typer.Option("--exact", help="Play or pipe exactly what a file would hold; it begins later.")
    ] = False,
    voice: Annotated[
        str | None,
        typer.Option(
            "-v",
            "--voice",
            metavar="VOICE",
            autocompletion=voice_names,
            help="A name from `bark voices ls`, a .npz file, or none.",
        ),
    ] = None,
    save_voice: Annotated[
        str | None,
        typer.Option("--save-voice", metavar="FILE", help="Keep the speaker as FILE.npz, to use with -v."),
    ] = None,
    model: options.Model = None,
    size: Annotated[
        Literal["small", "large"] | None, typer.Option(help="Which model of a folder that holds both.")
    ] = None,
    semantic_model: options.SemanticModel = None,
    coarse_model: options.CoarseModel = None,
    fine_model: options.FineModel = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    offline: options.Offline = False,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=2**32 - 1, metavar="N", help="The same N gives the same sound."),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(
            metavar="T",
            rich_help_panel=_SAMPLING,
            help="Semantic and coarse: 0 always takes the likeliest, more is livelier.",
        ),
    ] = None,
    semantic_temperature: Annotated[
        float | None,
        typer.Option(metavar="T", rich_help_panel=_SAMPLING, help="What is said, and how."),
    ] = None,
    coarse_temperature: Annotated[
        float | None, typer.Option(metavar="T", rich_help_panel=_SAMPLING, help="How it sounds.")
    ] = None,
    fine_temperature: Annotated[
        float | None, typer.Option(metavar="T", rich_help_panel=_SAMPLING, help="The last detail of it.")
    ] = None,
    top_k: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            rich_help_panel=_SAMPLING,
            help="Semantic and coarse: draw from the K likeliest; 0 from all.",
        ),
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(
            metavar="P",
            rich_help_panel=_SAMPLING,
            help="Semantic and coarse: draw from the likeliest that make up P.",
        ),
    ] = None,
    min_eos_p: Annotated[
        float | None,
        typer.Option(
            metavar="P", rich_help_panel=_SAMPLING, help="Stop once the end of speech has this probability."
        ),
    ] = None,
    max_duration: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", rich_help_panel=_SAMPLING, help="Stop after so much speech."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", rich_help_panel=_PRINTING, help="Print one JSON object on stdout.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", rich_help_panel=_PRINTING, help="Print errors only.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", rich_help_panel=_PRINTING, help="Print what each stage took.")
    ] = False,
) -> None:
    """Say TEXT: play it, or write it to a file.

    \b
    bark say "Hello, my name is Bark. [laughs] I can speak." -o hello.wav
    bark say -f story.txt -v nano/ben --seed 7 -o story.mp3
    echo "Read from a pipe." | bark say -o pipe.flac
    bark say "Heard at once, by any player." -o - | ffplay -nodisp -autoexit -

    Square brackets hold sounds, such as [laughs] or [sighs]; music notes hold song.

    Played or piped, the sound begins while the rest is being made. What is said, and how, is as in a file;
    the finest detail is drawn without hearing what follows and so differs, unless --exact is given.
    """
    if offline:
        forbid_network()
    found = read_text(text or [], file)
    if found is None:
        print(context.get_help(), file=sys.stderr)
        raise typer.Exit(2)
    by_stage = (semantic_temperature, coarse_temperature, fine_temperature)
    sampling = SamplingFlags(temperature, *by_stage, top_k, top_p, min_eos_p, max_duration)
    delivery = Delivery(output, save_voice, force, exact, as_json, quiet, verbose)
    choice = ModelChoice(model, size, semantic_model, coarse_model, fine_model, device, precision)
    speak(SayRequest(found, voice, seed, choice, sampling, delivery))
