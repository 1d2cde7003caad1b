"""`bark detect`: sound files -> which of them say that Bark made them, bear a mark, or show no sign."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bark_cli.cli.options import JsonList
from bark_cli.cli.output import note, one_line, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bark_cli.errors import BarkError
    from bark_cli.inspection.detect import Signs

NO_SIGN = 3  # the exit code


def detect(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATHS...", help="Sound files, or folders of them.", show_default=False),
    ],
    as_json: JsonList = False,
) -> None:
    """Look for signs that Bark made a sound.

    \b
    bark detect hello.wav
    bark detect sounds/ --json

    There are three answers, each with its reasons: the file says so, in a tag; the sound bears the mark of a
    codec; or there is no sign. None is a proof: tags can be forged and stripped, marks are statistics, and a
    sound without any sign may come from anywhere. docs/detect.md has how often each is right.

    Exit codes: 0 a sign was found in one of them, 3 in none, 1 a file could not be read.
    """
    from bark_cli.errors import BarkError
    from bark_cli.inspection.detect import find_signs

    found: list[Signs] = []
    failed = False
    for file in files(paths):
        try:
            if isinstance(file, BarkError):
                raise file
            found.append(find_signs(file))
        except BarkError as error:
            failed = True
            note(str(error))
        else:
            if not as_json:
                print("\n".join(lines(found[-1])), flush=True)
    if as_json:
        print_json([record(signs) for signs in found])
    if failed:
        raise typer.Exit(1)
    if all(signs.answer == "no sign" for signs in found):
        raise typer.Exit(NO_SIGN)


def files(paths: list[str]) -> Iterator[Path | BarkError]:
    """Every file that is meant, and in place of a folder without any the error of it."""
    from pathlib import Path

    from bark_cli.errors import BarkError
    from bark_cli.inspection.detect import sound_files

    for path in paths:
        try:
            yield from sound_files(Path(path))
        except BarkError as error:
            yield error


def lines(signs: Signs) -> list[str]:
    """The answer for people, and its reasons."""
    answer = signs.answer + ("; that proves nothing" if signs.answer == "no sign" else "")
    return [f"{one_line(str(signs.path))}: {answer}", *(f"  {one_line(reason)}" for reason in signs.reasons)]


def record(signs: Signs) -> dict[str, Any]:
    """All of it for programs."""
    from dataclasses import asdict

    from bark_cli.inspection.mark import THRESHOLD

    return {
        "path": str(signs.path),
        "answer": signs.answer,
        "reasons": signs.reasons,
        "seconds": round(signs.seconds, 3),
        "ai_generated": True if signs.says_ai else None,
        "provenance": None if signs.provenance is None else asdict(signs.provenance),
        "threshold": THRESHOLD,
        "marks": None
        if signs.marks is None
        else [
            {
                "codec": mark.codec.name,
                "rate_hz": mark.codec.rate_hz,
                "experimental": mark.codec.is_experimental,
                "z": round(mark.z, 2),
                "own_z": round(mark.own_z, 2),
                "rival_z": round(mark.rival_z, 2),
                "found": mark.is_found,
            }
            for mark in signs.marks
        ],
    }
