"""`bark say`: text -> a sound file, a pipe, or the loudspeaker."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import typer

from bark_cli.cli import options
from bark_cli.cli.download.offer import forbid_network
from bark_cli.cli.say.check import check_player
from bark_cli.cli.say.input import as_script, read_text
from bark_cli.cli.say.request import say_request
from bark_cli.cli.say.speak import speak

_SOUND = "Sound"
_PRINTING = "Printing"


def say(
    context: typer.Context,
    text: Annotated[
        list[str] | None,
        typer.Argument(metavar="TEXT", help="Text to say; - reads it from a pipe.", show_default=False),
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
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin a long text anew that was stopped on its way into OUT.")
    ] = False,
    keep_partial: Annotated[
        bool,
        typer.Option(
            "--keep-partial",
            help="Write what was made of a stopped text to NAME.partial beside OUT, and make no more.",
        ),
    ] = False,
    keep_pieces: Annotated[
        bool,
        typer.Option(
            "--keep-pieces", help="Keep the pieces of a long text beside OUT, to make --redo quick."
        ),
    ] = False,
    voice: options.Voice = None,
    save_voice: Annotated[
        str | None,
        typer.Option("--save-voice", metavar="FILE", help="Keep the speaker as FILE.npz, to use with -v."),
    ] = None,
    seed: options.Seed = None,
    preset: options.Preset = None,
    like: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Repeat how FILE was made: its model, voice, seed and settings."),
    ] = None,
    redo: Annotated[
        list[int] | None,
        typer.Option(
            metavar="N",
            min=1,
            max=100_000,
            help="With --like: say piece N again with another seed, and the others as they were.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the pieces and how long they will take, without speaking.")
    ] = False,
    model: options.Model = None,
    size: Annotated[
        Literal["small", "large"] | None, typer.Option(help="Model to use where a folder holds both.")
    ] = None,
    device: options.Device = None,
    precision: options.Precision = None,
    batch_size: options.BatchSize = None,
    no_server: Annotated[
        bool, typer.Option("--no-server", help="Load the model here, even if `bark serve` has it.")
    ] = False,
    offline: options.Offline = False,
    input_format: options.InputFormat = "auto",
    encoding: options.Encoding = None,
    language: options.Language = None,
    say_as: options.SayAs = None,
    read_numbers: options.ReadNumbers = False,
    dialogue_voice: options.DialogueVoice = None,
    cast: options.Cast = None,
    strict: options.Strict = False,
    continuity: options.Continuity = None,
    pause: options.Pause = None,
    paragraph_pause: options.ParagraphPause = None,
    speed: options.Speed = None,
    takes: options.Takes = None,
    retries: options.Retries = None,
    play: Annotated[
        bool, typer.Option("--play", rich_help_panel=_SOUND, help="Play the sound as well as writing it.")
    ] = False,
    audio_device: Annotated[
        str | None,
        typer.Option(metavar="NAME", rich_help_panel=_SOUND, help="Output device, from `bark devices`."),
    ] = None,
    exact: Annotated[
        bool,
        typer.Option(
            "--exact",
            rich_help_panel=_SOUND,
            help="Play or pipe exactly what a file would hold; the sound starts later.",
        ),
    ] = False,
    format: Annotated[
        Literal["wav", "flac", "mp3", "opus", "ogg", "raw"] | None,
        typer.Option(rich_help_panel=_SOUND, help="Format of OUT, whatever its name says."),
    ] = None,
    raw: Annotated[
        bool,
        typer.Option(
            "--raw", rich_help_panel=_SOUND, help="Write 16-bit samples without a header (format raw)."
        ),
    ] = False,
    subtitles: Annotated[
        Literal["srt", "vtt", "none"] | None,
        typer.Option(rich_help_panel=_SOUND, help="Write subtitles beside OUT."),
    ] = None,
    normalize: Annotated[
        Literal["off", "loudness", "peak"] | None,
        typer.Option(
            rich_help_panel=_SOUND, help="Bring the loudness of OUT to -16 LUFS, or its peak to -1 dB."
        ),
    ] = None,
    no_metadata: Annotated[
        bool,
        typer.Option("--no-metadata", rich_help_panel=_SOUND, help="Do not record in OUT how it was made."),
    ] = False,
    tag: options.Tag = None,
    cover: options.Cover = None,
    semantic_model: options.SemanticModel = None,
    coarse_model: options.CoarseModel = None,
    fine_model: options.FineModel = None,
    temperature: options.Temperature = None,
    semantic_temperature: options.SemanticTemperature = None,
    coarse_temperature: options.CoarseTemperature = None,
    fine_temperature: options.FineTemperature = None,
    liveliness: options.Liveliness = None,
    top_k: options.TopK = None,
    top_p: options.TopP = None,
    min_eos_p: options.MinEosP = None,
    max_duration: options.MaxDuration = None,
    fine_codebooks: options.FineCodebooks = None,
    as_json: Annotated[
        bool, typer.Option("--json", rich_help_panel=_PRINTING, help="Print one JSON object on stdout.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", rich_help_panel=_PRINTING, help="Print errors only.")
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", rich_help_panel=_PRINTING, help="Print the time that each stage took."),
    ] = False,
) -> None:
    """Say TEXT: play it, or write it to a file.

    \b
    bark say "Hello, my name is Bark. [laughs] I can speak." -o hello.wav
    bark say -f chapter.txt -v nano/ben -o chapter.mp3
    bark say -f play.txt --cast ANNA=nano/anna --cast BEN=nano/ben -o play.flac
    echo "Read from a pipe." | bark say -o pipe.flac
    bark say "Heard at once, by any player." -o - | ffplay -nodisp -autoexit -

    Square brackets hold sounds, such as [laughs] or [sighs] (`bark tags`); music notes hold song.
    Text of any length is cut at sentences into pieces that the model can say.

    Played or piped, the sound begins while the rest is being made. What is said, and how, is as in a file;
    the finest detail is drawn without hearing what follows and so differs, unless --exact is given.
    """
    request = say_request(context.params)
    if request.settings.offline:
        forbid_network()
    found = read_text(text or [], file, request.reading.encoding)
    if found is None:
        print(context.get_help(), file=sys.stderr)
        raise typer.Exit(2)
    script = as_script(*found, request.reading, quiet=quiet)
    if dry_run:
        from bark_cli.cli.say.outline import outline

        outline(script, request)
    else:
        check_player(request.delivery)
        speak(script, request)
