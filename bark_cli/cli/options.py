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
        help="Model to speak with; by default the best one installed.",
    ),
]
SemanticModel = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FOLDER",
        autocompletion=model_names,
        rich_help_panel=STAGES,
        help="Model for the semantic stage: what is said, and how.",
    ),
]
CoarseModel = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FOLDER",
        autocompletion=model_names,
        rich_help_panel=STAGES,
        help="Model for the coarse stage: how it sounds.",
    ),
]
FineModel = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FOLDER",
        autocompletion=model_names,
        rich_help_panel=STAGES,
        help="Model for the fine stage: the finest detail.",
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        metavar="[auto|cpu|cuda|mps|openvino]",
        help="Device to compute on; auto by default. cuda:1 and openvino:GPU name one of several.",
    ),
]
Precision = Annotated[
    Literal["auto", "fp32", "fp16", "bf16", "int8", "int4"] | None,
    typer.Option(help="Number format to compute in; auto by default. fp16 and int4 are for OpenVINO."),
]
Voice = Annotated[
    str | None,
    typer.Option(
        "-v",
        "--voice",
        metavar="VOICE",
        autocompletion=voice_names,
        help="Voice: a name from `bark voices ls`, a .npz file, or none.",
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(min=0, max=2**32 - 1, metavar="N", help="Random seed; the same N gives the same sound."),
]
Preset = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", autocompletion=preset_names, help="Named settings; `bark config presets` lists them."
    ),
]
BatchSize = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=1024,
        metavar="N",
        help="Number of pieces to speak at once; by default as many as save time and fit into memory.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite existing files.")]
Offline = Annotated[bool, typer.Option("--offline", help="Never use the network, like HF_HUB_OFFLINE=1.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
JsonList = Annotated[bool, typer.Option("--json", help="Print one JSON list on stdout.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print errors only.")]

READING = "Reading"
InputFormat = Annotated[
    Literal["auto", "text", "markdown", "html", "srt", "script"],
    typer.Option(rich_help_panel=READING, help="Format of the text; auto goes by name and content."),
]
Encoding = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        rich_help_panel=READING,
        help="Encoding of the text, e.g. latin-1; by default UTF-8 or UTF-16.",
    ),
]
Language = Annotated[
    str | None,
    typer.Option(
        "-l", "--language", metavar="CODE", rich_help_panel=READING, help="Language of the text, e.g. de."
    ),
]
SayAs = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", rich_help_panel=READING, help="Lexicon (TOML) of how words are to be spoken."
    ),
]
DialogueVoice = Annotated[
    str | None,
    typer.Option(
        metavar="VOICE",
        autocompletion=voice_names,
        rich_help_panel=READING,
        help="Another voice for what stands in quotation marks.",
    ),
]
ReadNumbers = Annotated[
    bool,
    typer.Option(
        "--read-numbers",
        rich_help_panel=READING,
        help="Spell numbers, years, chapters' Roman numerals and abbreviations in words.",
    ),
]
Cast = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VOICE",
        rich_help_panel=READING,
        help="Voice for the lines of NAME in a script; repeatable.",
    ),
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict", rich_help_panel=READING, help="Treat unknown [tags] and control characters as errors."
    ),
]
Continuity = Annotated[
    Literal["voice", "previous", "none"] | None,
    typer.Option(
        rich_help_panel=READING,
        help="What each piece of a long text continues from: the voice, the previous piece, or nothing.",
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
Speed = Annotated[
    float | None,
    typer.Option(
        metavar="X", rich_help_panel=READING, help="Speak X times as fast (0.25 to 4), at the same pitch."
    ),
]
Takes = Annotated[
    int | None,
    typer.Option(metavar="N", rich_help_panel=READING, help="Say each piece N times and keep the best."),
]
Retries = Annotated[
    int | None,
    typer.Option(metavar="N", rich_help_panel=READING, help="Repeat a piece that went wrong, up to N times."),
]

Tag = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=VALUE",
        help="Tag for players: title, artist, album, track, genre, date and others; repeatable.",
    ),
]
Cover = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Picture for players, a JPEG or PNG."),
]

SAMPLING = "Sampling (the model has its own defaults)"
Temperature = Annotated[
    float | None,
    typer.Option(
        metavar="T",
        rich_help_panel=SAMPLING,
        help="Temperature of the semantic and coarse stages; 0 takes the likeliest token, more is livelier.",
    ),
]
SemanticTemperature = Annotated[
    float | None,
    typer.Option(
        metavar="T",
        rich_help_panel=SAMPLING,
        help="Temperature of the semantic stage: what is said, and how.",
    ),
]
CoarseTemperature = Annotated[
    float | None,
    typer.Option(
        metavar="T", rich_help_panel=SAMPLING, help="Temperature of the coarse stage: how it sounds."
    ),
]
FineTemperature = Annotated[
    float | None, typer.Option(metavar="T", rich_help_panel=SAMPLING, help="Temperature of the fine stage.")
]
Liveliness = Annotated[
    float | None,
    typer.Option(
        metavar="X", rich_help_panel=SAMPLING, help="Multiply the model's own semantic temperature by X."
    ),
]
TopK = Annotated[
    int | None,
    typer.Option(
        metavar="K",
        rich_help_panel=SAMPLING,
        help="Draw semantic and coarse tokens from the K likeliest; 0 draws from all.",
    ),
]
TopP = Annotated[
    float | None,
    typer.Option(
        metavar="P",
        rich_help_panel=SAMPLING,
        help="Draw semantic and coarse tokens from the likeliest that together have probability P.",
    ),
]
MinEosP = Annotated[
    float | None,
    typer.Option(metavar="P", rich_help_panel=SAMPLING, help="Stop once the end of speech is this probable."),
]
MaxDuration = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", rich_help_panel=SAMPLING, help="Longest speech per piece."),
]
FineCodebooks = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        rich_help_panel=SAMPLING,
        help="Make and hear N codebooks of 8 (2 to 8): quicker and duller, for drafts.",
    ),
]
