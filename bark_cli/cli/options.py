"""Options that several commands share, declared once."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from bark_cli.cli.completion import model_names

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
Device = Annotated[Literal["auto", "cpu", "cuda", "mps"], typer.Option(help="Where to compute.")]
Precision = Annotated[
    Literal["auto", "fp32", "bf16", "int8"], typer.Option(help="What the networks compute in.")
]
Force = Annotated[bool, typer.Option("--force", help="Write over files that exist.")]
Offline = Annotated[
    bool, typer.Option("--offline", help="Never use the network; the same as HF_HUB_OFFLINE=1.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print errors only.")]
