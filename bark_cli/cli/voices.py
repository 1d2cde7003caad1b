"""`bark voices`: what there is to speak with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bark_cli.cli.help import Command, Group
from bark_cli.cli.output import note, one_line, print_json

if TYPE_CHECKING:
    from bark_cli.voices import VoiceInfo

voices = typer.Typer(cls=Group, no_args_is_help=True, help="See the voices.", rich_markup_mode=None)


@voices.callback()
def group() -> None:
    """See the voices."""


@voices.command("ls", cls=Command)
def list_all(
    model: Annotated[
        str | None,
        typer.Option(
            "-m", "--model", metavar="NAME|FOLDER", help="The model; the best one installed if not given."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON list on stdout.")] = False,
) -> None:
    """List the voices of the model, the shipped presets and your own.

    \b
    bark voices ls
    bark voices ls -m ./my-bark --json
    """
    from bark_cli.hub import resolve_model
    from bark_cli.voices import list_voices

    found = list_voices(resolve_model(model).folder)
    if as_json:
        print_json([_record(info) for info in found])
    elif found:
        print("\n".join(_table([_row(info) for info in found])))
    else:
        note("no voices here; bark speaks without one, in a voice of its own making")


def _record(info: VoiceInfo) -> dict[str, object]:
    length = info.duration_s
    return {
        "name": info.name,
        "source": info.source,
        "language": info.language,
        "seconds": None if length is None else round(length, 2),
        "path": str(info.path),
    }


def _row(info: VoiceInfo) -> tuple[str, ...]:
    length = info.duration_s
    seconds = "unreadable" if length is None else f"{length:.1f} s"
    return one_line(info.name), info.source, info.language or "-", seconds


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows in aligned columns under a heading."""
    rows = [("NAME", "SOURCE", "LANGUAGE", "LENGTH"), *rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
