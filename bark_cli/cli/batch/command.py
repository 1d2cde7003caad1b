"""`bark batch`: many texts -> as many sound files, beside a ledger that says which are done."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from bark_cli.cli import options
from bark_cli.cli.download.offer import forbid_network

_OUTPUT = "Output"
_PRINTING = "Printing"


def batch(
    context: typer.Context,
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATHS", help="Folders, files, patterns, .jsonl files; - with --jsonl."),
    ],
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="DIR", help="The folder to write to; it is made.")
    ],
    format: Annotated[
        Literal["flac", "wav", "mp3", "opus", "ogg", "raw"] | None,
        typer.Option(rich_help_panel=_OUTPUT, help="What the files are; flac if not given."),
    ] = None,
    glob: Annotated[
        str | None,
        typer.Option(metavar="PATTERN", help="Which files of a folder, such as '*.txt' or 'part*/*.md'."),
    ] = None,
    jsonl: Annotated[
        bool,
        typer.Option("--jsonl", help="PATHS are JSON Lines with text, and maybe voice, output, seed, id."),
    ] = False,
    join: Annotated[
        bool,
        typer.Option("--join", rich_help_panel=_OUTPUT, help="Besides, write all into one file, DIR/all."),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", rich_help_panel=_OUTPUT, help="Make all anew, over files that exist."),
    ] = False,
    no_metadata: Annotated[
        bool,
        typer.Option(
            "--no-metadata", rich_help_panel=_OUTPUT, help="Do not write into the files how they were made."
        ),
    ] = False,
    subtitles: Annotated[
        Literal["srt", "vtt", "none"] | None,
        typer.Option(rich_help_panel=_OUTPUT, help="Write subtitles beside each file."),
    ] = None,
    normalize: Annotated[
        Literal["off", "loudness", "peak"] | None,
        typer.Option(rich_help_panel=_OUTPUT, help="Bring each file to -16 LUFS, or its peak to -1 dB."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be made and how long it is; make nothing.")
    ] = False,
    voice: options.Voice = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=2**32 - 1,
            metavar="N",
            help="Of every file, as `bark say --seed N`; if not given, each has its own, always the same.",
        ),
    ] = None,
    preset: options.Preset = None,
    model: options.Model = None,
    size: Annotated[
        Literal["small", "large"] | None, typer.Option(help="Which model of a folder that holds both.")
    ] = None,
    device: options.Device = None,
    precision: options.Precision = None,
    batch_size: options.BatchSize = None,
    offline: options.Offline = False,
    input_format: options.InputFormat = "auto",
    encoding: options.Encoding = None,
    language: options.Language = None,
    cast: options.Cast = None,
    strict: options.Strict = False,
    continuity: options.Continuity = None,
    pause: options.Pause = None,
    paragraph_pause: options.ParagraphPause = None,
    takes: options.Takes = None,
    retries: options.Retries = None,
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
    as_json: Annotated[
        bool, typer.Option("--json", rich_help_panel=_PRINTING, help="Print one JSON object at the end.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", rich_help_panel=_PRINTING, help="Print errors only.")
    ] = False,
) -> None:
    """Say many texts, each into a file of its own.

    \b
    bark batch book/ -o spoken/
    bark batch 'lessons/*.md' -o spoken/ --format mp3 -v nano/ben
    bark batch list.jsonl -o clips/
    make-lines | bark batch - --jsonl -o clips/ --json

    Files lie in DIR as the texts do in their folder. A ledger in DIR, .bark-batch.jsonl, says what is done:
    the same command makes only what is missing or whose text, voice or settings have changed. Stopped in
    any way, it goes on where it was when it is run again. What fails is listed at the end, and the exit code
    is 1 then; the others are made all the same.

    A line of JSON Lines: {"text": "Hello.", "voice": "nano/ben", "output": "a/hello.wav", "seed": 7}
    """
    from bark_cli.cli.batch.request import batch_request
    from bark_cli.cli.batch.work import outline, work

    request = batch_request(context.params)
    if request.settings.offline:
        forbid_network()
    if not (outline if dry_run else work)(request):
        raise typer.Exit(1)
