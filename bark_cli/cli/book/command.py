"""`bark book`: an EPUB, or another text with chapters -> an audiobook."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from bark_cli.cli import options
from bark_cli.cli.download.offer import forbid_network

_OUTPUT = "Output"
_PRINTING = "Printing"


def book(
    context: typer.Context,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="An EPUB, .fb2, Markdown, HTML or plain text; or a folder of chapters."
        ),
    ],
    output: Annotated[
        str,
        typer.Option(
            "-o",
            "--output",
            metavar="OUT",
            help="One file with chapters (.m4b .opus .ogg .mp3 .flac), an EPUB to read along (.epub), or a "
            "folder with a file for each.",
        ),
    ],
    chapters: Annotated[
        str | None, typer.Option(metavar="LIST", help="Chapters to say, e.g. 1-3,7; all by default.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the chapters, their words and times, without speaking.")
    ] = False,
    redo: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="Say these chapters again, differently; keep the others."),
    ] = None,
    keep_pieces: Annotated[
        bool,
        typer.Option("--keep-pieces", help="Keep the pieces once the book is done, to make --redo quick."),
    ] = False,
    force: options.Force = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin anew what was stopped on its way into OUT.")
    ] = False,
    title: Annotated[
        str | None, typer.Option(metavar="TEXT", rich_help_panel=_OUTPUT, help="Title of the book.")
    ] = None,
    author: Annotated[
        str | None, typer.Option(metavar="TEXT", rich_help_panel=_OUTPUT, help="Its author.")
    ] = None,
    tag: options.Tag = None,
    cover: options.Cover = None,
    format: Annotated[
        Literal["flac", "mp3", "opus", "ogg"] | None,
        typer.Option(
            rich_help_panel=_OUTPUT, help="Format of the files in a folder or an EPUB; mp3 by default."
        ),
    ] = None,
    subtitles: Annotated[
        Literal["srt", "vtt", "none"] | None,
        typer.Option(rich_help_panel=_OUTPUT, help="Write subtitles beside each file."),
    ] = None,
    normalize: Annotated[
        Literal["off", "loudness", "peak"] | None,
        typer.Option(
            rich_help_panel=_OUTPUT,
            help="Bring each chapter's loudness to -16 LUFS (the default), or its peak to -1 dB.",
        ),
    ] = None,
    no_metadata: Annotated[
        bool,
        typer.Option("--no-metadata", rich_help_panel=_OUTPUT, help="Do not record in OUT how it was made."),
    ] = False,
    voice: options.Voice = None,
    seed: options.Seed = None,
    preset: options.Preset = None,
    model: options.Model = None,
    size: Annotated[
        Literal["small", "large"] | None, typer.Option(help="Model to use where a folder holds both.")
    ] = None,
    device: options.Device = None,
    precision: options.Precision = None,
    batch_size: options.BatchSize = None,
    offline: options.Offline = False,
    include: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WHAT",
            rich_help_panel=options.READING,
            help="Also read footnotes, tables, code or images (their alt text), or say emphasis in CAPITALS; "
            "repeatable.",
        ),
    ] = None,
    input_format: options.InputFormat = "auto",
    encoding: options.Encoding = None,
    language: options.Language = None,
    say_as: options.SayAs = None,
    read_numbers: options.ReadNumbers = False,
    dialogue_voice: options.DialogueVoice = None,
    cast: options.Cast = None,
    strict: options.Strict = False,
    continuity: Annotated[
        Literal["voice", "none"] | None,
        typer.Option(
            rich_help_panel=options.READING, help="What each piece continues from: the voice, or nothing."
        ),
    ] = None,
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
    as_json: Annotated[
        bool, typer.Option("--json", rich_help_panel=_PRINTING, help="Print one JSON object at the end.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", rich_help_panel=_PRINTING, help="Print errors only.")
    ] = False,
) -> None:
    """Say a book: one file with chapters, or a folder.

    \b
    bark book novel.epub -o novel.m4b
    bark book novel.epub -o novel --format mp3 -v nano/ben
    bark book novel.epub -o novel.opus --chapters 1-3 --dry-run
    bark book thesis.md -o thesis.mp3 --include footnotes

    Title, author, cover and chapters come from the book. Footnotes, page numbers, tables and code are left
    out, and a line says how many. The preset is audiobook, unless you choose another.

    However it was stopped, the same command goes on where it was. If the text has changed, only the pieces
    that changed are made again. The pieces lie beside OUT, in a hidden folder, until it is done.
    """
    from bark_cli.cli.book.outline import outline
    from bark_cli.cli.book.request import book_request
    from bark_cli.cli.book.work import work

    request = book_request(context.params)
    if request.settings.offline:
        forbid_network()
    (outline if dry_run else work)(request)
