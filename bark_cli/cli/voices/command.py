"""`bark voices`: what there is to speak with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from bark_cli.cli.completion import voice_names
from bark_cli.cli.help import Command, CommandGroup
from bark_cli.cli.options import Json, JsonList, Model
from bark_cli.cli.output import note, one_line, print_json
from bark_cli.cli.table import aligned
from bark_cli.cli.voices.keep import preview, remove, save

if TYPE_CHECKING:
    from bark_cli.voices.catalogue import VoiceInfo
    from bark_cli.voices.own import VoiceCard

voices = typer.Typer(
    cls=CommandGroup,
    no_args_is_help=True,
    help="List, hear and keep voices.",
    add_completion=False,  # which is the whole program's
    rich_markup_mode=None,
)


@voices.callback()
def group() -> None:
    """List, hear and keep voices."""


@voices.command("ls", cls=Command)
def list_all(
    model: Model = None,
    language: Annotated[
        str | None, typer.Option("--lang", metavar="XX", help="Only voices of this language, e.g. en.")
    ] = None,
    as_json: JsonList = False,
) -> None:
    """List the voices that a model can be given.

    \b
    bark voices ls
    bark voices ls --lang de
    bark voices ls -m ./my-bark --json

    First its own, then the shipped ones, Suno's (for models of their vocabulary) and yours.
    """
    from bark_cli.store import resolve_model
    from bark_cli.voices.catalogue import lacks_suno_voices, list_voices

    folder = resolve_model(model).folder
    found = [info for info in list_voices(folder) if language is None or _is_of(info, language)]
    if as_json:
        print_json([_record(info) for info in found])
    elif found:
        print(
            "\n".join(aligned([("NAME", "SOURCE", "LANGUAGE", "LENGTH", "DESCRIPTION"), *map(_row, found)]))
        )
    else:
        note(_none(language))
    if lacks_suno_voices(folder):
        note("the 261 Suno voices are not on this machine; fetch them with `bark download --voices`")


@voices.command("show", cls=Command)
def show(
    voice: Annotated[
        str,
        typer.Argument(metavar="VOICE", autocompletion=voice_names, help="Name of a voice, or a .npz file."),
    ],
    as_json: Json = False,
) -> None:
    """Show what a voice holds and who can speak it.

    \b
    bark voices show nano/anna
    bark voices show me.npz --json
    """
    from bark_cli.voices.own import describe_voice

    card = describe_voice(voice)
    if as_json:
        print_json(_details(card))
    else:
        print("\n".join(aligned(_lines(card))))


voices.command("preview", cls=Command)(preview)
voices.command("save", cls=Command)(save)
voices.command("rm", cls=Command)(remove)


def _is_of(info: VoiceInfo, language: str) -> bool:
    """Whether a voice is of that language, however the code is written: en, EN, en-US."""
    mine, asked = (re.split("[-_]", code.lower())[0] for code in (info.language or "", language))
    return mine == asked


def _none(language: str | None) -> str:
    if language is not None:
        return f"no voice here is known to be of language {language!r}; `bark voices ls` shows all"
    return "no voices here; bark speaks without one, in a voice of its own making"


def _record(info: VoiceInfo) -> dict[str, object]:
    length = info.duration_s
    return {
        "name": info.name,
        "source": info.source,
        "language": info.language,
        "description": info.description,
        "seconds": None if length is None else round(length, 2),
        "path": str(info.path),
    }


def _row(info: VoiceInfo) -> tuple[str, ...]:
    length = info.duration_s
    seconds = "unreadable" if length is None else f"{length:.1f} s"
    return (
        one_line(info.name),
        info.source,
        one_line(info.language or "-"),
        seconds,
        one_line(info.description or "-"),
    )


def _details(card: VoiceCard) -> dict[str, object]:
    return {
        **_record(card.info),
        "seconds": None if card.seconds is None else round(card.seconds, 2),
        "shapes": {name: list(shape) for name, shape in card.shapes.items()},
        "models": [ref.name for ref in card.models],
    }


def _lines(card: VoiceCard) -> list[tuple[str, str]]:
    shapes = (f"{name.removesuffix('_prompt')} {shape}" for name, shape in card.shapes.items())
    return [
        ("name", one_line(card.info.name)),
        ("source", card.info.source),
        ("language", one_line(card.info.language or "-")),
        ("description", one_line(card.info.description or "-")),
        ("length", "-" if card.seconds is None else f"{card.seconds:.1f} s"),
        ("arrays", ", ".join(shapes)),
        ("models", ", ".join(ref.name for ref in card.models) or "none of those installed can speak it"),
        ("file", one_line(str(card.info.path))),
    ]
