"""Options that several commands share, declared once."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from bark_cli.cli.completion import model_names, preset_names, voice_names

STAGES = "Stages of other models"

Model = Annotated[
    str | None,
    typer.Option(
        "-m",
        "--model",
        metavar="NAME|FOLDER",
        autocompletion=model_names,
        help="The model; the best one installed if not given.",
    ),
]
SemanticModel = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FOLDER",
        autocompletion=model_names,
        rich_help_panel=STAGES,
        help="What is said and how comes from this model.",
    ),
]
CoarseModel = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FOLDER",
        autocompletion=model_names,
        rich_help_panel=STAGES,
        help="How it sounds comes from this model.",
    ),
]
FineModel = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FOLDER",
        autocompletion=model_names,
        rich_help_panel=STAGES,
        help="The last detail comes from this model.",
    ),
]
Device = Annotated[
    Literal["auto", "cpu", "cuda", "mps"] | None, typer.Option(help="Where to compute; auto if not given.")
]
Precision = Annotated[
    Literal["auto", "fp32", "bf16", "int8"] | None,
    typer.Option(help="What the networks compute in; auto if not given."),
]
Voice = Annotated[
    str | None,
    typer.Option(
        "-v",
        "--voice",
        metavar="VOICE",
        autocompletion=voice_names,
        help="A name from `bark voices ls`, a .npz file, or none.",
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(min=0, max=2**32 - 1, metavar="N", help="The same N gives the same sound."),
]
Preset = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", autocompletion=preset_names, help="Settings that go together: `bark config presets`."
    ),
]
BatchSize = Annotated[
    int | None,
    typer.Option(min=1, max=1024, metavar="N", help="Pieces spoken at once; as many as memory holds."),
]
Force = Annotated[bool, typer.Option("--force", help="Write over files that exist.")]
Offline = Annotated[
    bool, typer.Option("--offline", help="Never use the network; the same as HF_HUB_OFFLINE=1.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print errors only.")]

READING = "Reading"
InputFormat = Annotated[
    Literal["auto", "text", "markdown", "srt", "script"],
    typer.Option(rich_help_panel=READING, help="What the text is; auto tells by name and content."),
]
Encoding = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        rich_help_panel=READING,
        help="Such as latin-1; if not given, UTF-8 or UTF-16.",
    ),
]
Language = Annotated[
    str | None,
    typer.Option(
        "-l", "--language", metavar="CODE", rich_help_panel=READING, help="Of the text, such as de."
    ),
]
Cast = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VOICE",
        rich_help_panel=READING,
        help="Who speaks a script's lines NAME:; repeatable.",
    ),
]
Strict = Annotated[
    bool, typer.Option("--strict", rich_help_panel=READING, help="Unknown [tags] are an error.")
]
Continuity = Annotated[
    Literal["voice", "previous", "none"] | None,
    typer.Option(
        rich_help_panel=READING,
        help="What each piece of a long text goes on from: the voice, the previous piece, nothing.",
    ),
]
Pause = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", rich_help_panel=READING, help="Silence between sentences."),
]
ParagraphPause = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", rich_help_panel=READING, help="Silence between paragraphs."),
]
Takes = Annotated[
    int | None,
    typer.Option(metavar="N", rich_help_panel=READING, help="Say each piece N times and keep the best."),
]
Retries = Annotated[
    int | None,
    typer.Option(metavar="N", rich_help_panel=READING, help="Say a piece that failed again, up to N times."),
]

SAMPLING = "Sampling (the model has its own defaults)"
Temperature = Annotated[
    float | None,
    typer.Option(
        metavar="T",
        rich_help_panel=SAMPLING,
        help="Semantic and coarse: 0 always takes the likeliest, more is livelier.",
    ),
]
SemanticTemperature = Annotated[
    float | None, typer.Option(metavar="T", rich_help_panel=SAMPLING, help="What is said, and how.")
]
CoarseTemperature = Annotated[
    float | None, typer.Option(metavar="T", rich_help_panel=SAMPLING, help="How it sounds.")
]
FineTemperature = Annotated[
    float | None, typer.Option(metavar="T", rich_help_panel=SAMPLING, help="The last detail of it.")
]
Liveliness = Annotated[
    float | None,
    typer.Option(metavar="X", rich_help_panel=SAMPLING, help="Times the model's own semantic temperature."),
]
TopK = Annotated[
    int | None,
    typer.Option(
        metavar="K",
        rich_help_panel=SAMPLING,
        help="Semantic and coarse: draw from the K likeliest; 0 from all.",
    ),
]
TopP = Annotated[
    float | None,
    typer.Option(
        metavar="P",
        rich_help_panel=SAMPLING,
        help="Semantic and coarse: draw from the likeliest that make up P.",
    ),
]
MinEosP = Annotated[
    float | None,
    typer.Option(
        metavar="P", rich_help_panel=SAMPLING, help="Stop once the end of speech has this probability."
    ),
]
MaxDuration = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", rich_help_panel=SAMPLING, help="Stop each piece after so much speech."),
]
