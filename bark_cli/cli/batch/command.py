"""`bark batch`: many texts -> as many sound files, beside a ledger that says which are done."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from bark_cli.cli import options
from bark_cli.cli.download.offer import forbid_network

_OUTPUT = "Output"
_PRINTING = "Printing"
_MACHINES = "Many machines"


def batch(
    context: typer.Context,
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATHS",
            help="Folders, files, patterns, lists (.jsonl, also .gz or .zst; .csv, .tsv, .parquet); "
            "- reads JSON Lines from a pipe, with --jsonl.",
        ),
    ],
    output: Annotated[
        str,
        typer.Option(
            "-o",
            "--output",
            metavar="DIR",
            help="Folder to write to, created if necessary, or a URL such as s3://bucket/folder.",
        ),
    ],
    format: Annotated[
        Literal["wav", "flac", "mp3", "opus", "ogg", "raw"] | None,
        typer.Option(rich_help_panel=_OUTPUT, help="Format of the files; flac by default."),
    ] = None,
    glob: Annotated[
        str | None,
        typer.Option(metavar="PATTERN", help="Files of a folder to read, e.g. '*.txt' or 'part*/*.md'."),
    ] = None,
    jsonl: Annotated[
        bool,
        typer.Option(
            "--jsonl",
            help="Read PATHS as JSON Lines with text and, optionally, voice, output, seed, language, cast.",
        ),
    ] = False,
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--column",
            metavar="FIELD=NAME",
            help="Column of a list that holds a field, e.g. text=caption; may be repeated.",
        ),
    ] = None,
    join: Annotated[
        bool,
        typer.Option("--join", rich_help_panel=_OUTPUT, help="Also join everything into one file, DIR/all."),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", rich_help_panel=_OUTPUT, help="Make everything again, overwriting existing files."
        ),
    ] = False,
    no_metadata: Annotated[
        bool,
        typer.Option(
            "--no-metadata", rich_help_panel=_OUTPUT, help="Do not record in the files how they were made."
        ),
    ] = False,
    subtitles: Annotated[
        Literal["srt", "vtt", "none"] | None,
        typer.Option(rich_help_panel=_OUTPUT, help="Write subtitles beside each file."),
    ] = None,
    normalize: Annotated[
        Literal["off", "loudness", "peak"] | None,
        typer.Option(
            rich_help_panel=_OUTPUT, help="Bring the loudness of each file to -16 LUFS, or its peak to -1 dB."
        ),
    ] = None,
    shards: Annotated[
        Literal["parquet", "webdataset"] | None,
        typer.Option(
            rich_help_panel=_OUTPUT,
            help="Pack sounds with their texts into a few large files that datasets or webdataset load.",
        ),
    ] = None,
    shard_size: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_OUTPUT, metavar="SIZE", help="Size of a shard, e.g. 1GB; 256MB by default."
        ),
    ] = None,
    ledger: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_OUTPUT,
            metavar="DIR",
            help="Folder for the ledger where -o is a URL; by default LIST.bark, beside the list.",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show what would be made and how long it would be, without speaking."),
    ] = False,
    tag: options.Tag = None,
    cover: options.Cover = None,
    voice: options.Voice = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=2**32 - 1,
            metavar="N",
            help="Random seed for every file; by default each has its own, the same in every run.",
        ),
    ] = None,
    preset: options.Preset = None,
    model: options.Model = None,
    size: Annotated[
        Literal["small", "large"] | None, typer.Option(help="Model to use where a folder holds both.")
    ] = None,
    device: options.Device = None,
    precision: options.Precision = None,
    batch_size: options.BatchSize = None,
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
    on: Annotated[
        str | None,
        typer.Option(
            "--on",
            rich_help_panel=_MACHINES,
            metavar="ray[:ADDRESS]",
            help="Make the files on the Ray cluster at ADDRESS or $RAY_ADDRESS, else on one started here.",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, rich_help_panel=_MACHINES, metavar="N", help="Workers at most; by default as many as fit."
        ),
    ] = None,
    worker_cpus: Annotated[
        int | None,
        typer.Option(min=1, rich_help_panel=_MACHINES, metavar="N", help="CPU cores of each worker."),
    ] = None,
    worker_gpus: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            rich_help_panel=_MACHINES,
            metavar="N",
            help="GPUs of each worker, or a fraction of one; 1 by default where there are any.",
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            rich_help_panel=_PRINTING,
            help="Print one JSON object at the end; a list with --dry-run.",
        ),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", rich_help_panel=_PRINTING, help="Print errors only.")
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            rich_help_panel=_PRINTING,
            help="Show what each worker of a cluster is at and has made.",
        ),
    ] = False,
) -> None:
    """Say many texts, each into a file of its own.

    \b
    bark batch book/ -o spoken/
    bark batch 'lessons/*.md' -o spoken/ --format mp3 -v nano/ben
    bark batch list.jsonl -o clips/
    bark batch list.jsonl -o s3://bucket/clips
    make-lines | bark batch - --jsonl -o clips/ --json

    DIR gets the same subfolders as the texts. A ledger in DIR, .bark-batch.jsonl, says what is done:
    the same command makes only what is missing or whose text, voice or settings have changed. However it
    was stopped, run it again and it continues from there. A text that fails does not stop the others: it
    is listed at the end, and the exit code is 1.

    A line of JSON Lines: {"text": "Hello.", "voice": "nano/ben", "output": "a/hello.wav", "seed": 7}
    """
    from bark_cli.cli.batch.request import batch_request
    from bark_cli.cli.batch.work import outline, work

    request = batch_request(context.params)
    if request.settings.offline:
        forbid_network()
    if not (outline if dry_run else work)(request):
        raise typer.Exit(1)
