"""`bark cache`: what lies on this machine, whether it is whole, and how to be rid of it."""

from __future__ import annotations

from typing import Annotated

import typer

from bark_cli.cli.completion import cached_names, model_names
from bark_cli.cli.help import Command, CommandGroup
from bark_cli.cli.options import Json, JsonList

cache = typer.Typer(
    cls=CommandGroup,
    no_args_is_help=True,
    help="See, check and clear the model cache.",
    add_completion=False,  # which is the whole program's
    rich_markup_mode=None,
)

Yes = Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be removed.")]


@cache.callback()
def group() -> None:
    """See, check and clear the model cache."""


@cache.command("ls", cls=Command)
def list_all(as_json: Json = False) -> None:
    """List the models on this machine and the disk space they take.

    \b
    bark cache ls
    bark cache ls --json

    Models that other programs keep are listed where Bark can use them, and never changed.
    """
    from bark_cli.cache import list_models
    from bark_cli.cli.cache.tables import print_models

    print_models(list_models(), as_json=as_json)


@cache.command("path", cls=Command)
def path(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", autocompletion=model_names, help="Model; without it, the cache itself."
        ),
    ] = None,
) -> None:
    """Print the folder of the cache, or of a model.

    \b
    bark cache path
    du -sh "$(bark cache path small)"
    """
    from bark_cli.store import bark_home, resolve_model

    print(bark_home() if name is None else resolve_model(name).folder)


@cache.command("verify", cls=Command)
def verify(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", autocompletion=cached_names, help="Model to verify; all by default."),
    ] = None,
    as_json: JsonList = False,
) -> None:
    """Read every byte of a model and compare it with what was downloaded; no network is needed.

    \b
    bark cache verify
    bark cache verify small --json

    If a file is damaged, it is named and the exit code is 1. Only what Bark has downloaded can be checked.
    """
    from bark_cli.cache import find_cached, list_models
    from bark_cli.cli.cache.tables import check_and_print

    models = list_models() if name is None else find_cached(name)
    check_and_print(models, voices=name is None, as_json=as_json)


@cache.command("rm", cls=Command)
def remove(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME...", autocompletion=cached_names, help="Models to remove.")
    ],
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: JsonList = False,
) -> None:
    """Remove models, what was made of them, and what their downloads have left.

    \b
    bark cache rm small
    bark cache rm large -y
    bark cache rm suno/bark-small --dry-run
    """
    from bark_cli.cli.cache.tables import remove_models

    remove_models(list(dict.fromkeys(names)), ask=not yes, dry_run=dry_run, as_json=as_json)


@cache.command("prune", cls=Command)
def prune(
    compiled: Annotated[
        bool,
        typer.Option(
            "--compiled",
            help="Also remove what OpenVINO compiled for a GPU or NPU; making it again takes minutes.",
        ),
    ] = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: JsonList = False,
) -> None:
    """Remove what nobody needs: interrupted downloads, unused originals, old conversions.

    \b
    bark cache prune --dry-run
    bark cache prune -y

    No model is lost. Downloads count as interrupted after an hour; until then they can go on.
    """
    from bark_cli.cli.cache.tables import remove_leftovers

    remove_leftovers(compiled=compiled, ask=not yes, dry_run=dry_run, as_json=as_json)
