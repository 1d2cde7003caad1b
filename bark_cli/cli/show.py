"""`bark show`: a sound file -> what it is and what made it; a model's file -> what it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bark_cli.cli.options import Json
from bark_cli.cli.output import one_line, print_json
from bark_cli.errors import OptionError

if TYPE_CHECKING:
    from bark_cli.audio import SoundSource


def show(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A sound file, or a model's .gguf file.", show_default=False)
    ],
    as_json: Json = False,
) -> None:
    """Show the format and length of FILE and, if Bark made it, how.

    \b
    bark show hello.wav
    bark show hello.mp3 --json
    bark show bark-small-q8_0.gguf
    """
    from pathlib import Path

    from bark_cli.audio import open_sound
    from bark_cli.cli.model_file import print_model_file
    from bark_cli.inspection.model_file import is_model_file

    if is_model_file(Path(file)):
        print_model_file(Path(file), tensors=False, as_json=as_json)
        return
    if file.lower().endswith(".npz"):
        raise OptionError(
            f"{file} is a voice by its name, and no sound; `bark voices show` shows what it holds"
        )
    with open_sound(file) as source:
        found = sound_record(file, source)
    if as_json:
        print_json(found)
    else:
        # what the file is stands last: nothing that it says of itself can take the place of that
        rows = sound_rows(found)
        print("\n".join(named(rows | made_by_rows(found) | rows)))


def sound_record(file: str, source: SoundSource) -> dict[str, Any]:
    """What a sound file says of itself, for JSON."""
    from dataclasses import asdict

    length, made_by = source.duration_s, source.provenance
    return {
        "path": file,
        "format": source.format,
        "encoding": source.encoding,
        "seconds": None if length is None else round(length, 3),
        "sample_rate": source.sample_rate,
        "channels": source.channels,
        "ai_generated": True if source.is_ai_generated else None,  # None: the file does not say
        "provenance": None if made_by is None else asdict(made_by),
    }


def sound_rows(found: dict[str, Any]) -> dict[str, str]:
    """What the file is, for people: names and values."""
    length = "of unknown length" if found["seconds"] is None else f"{found['seconds']:.1f} s"
    sound = (
        f"{length}, {found['sample_rate']} Hz, {found['channels']} channel{'s' * (found['channels'] != 1)}"
    )
    return {"file": found["path"], "format": f"{found['format']}, {found['encoding']}", "sound": sound}


def made_by_rows(found: dict[str, Any]) -> dict[str, str]:
    """What made it, for people."""
    from bark_cli.settings import SETTINGS

    made_by = found["provenance"]
    if made_by is None and found["ai_generated"]:
        return {"made by": "AI-generated speech; what else it says is damaged"}
    if made_by is None:
        return {"made by": "unknown; it holds no note from bark"}
    rows = {
        "made by": f"bark {made_by['version']}, AI-generated speech",
        "model": made_by["model"],
        "voice": made_by["voice"] or "none",
        "seed": "unknown" if made_by["seed"] is None else str(made_by["seed"]),
    }
    # the file may say anything: a name that is none of a setting's could pass for a row of ours
    said = sorted(made_by["settings"].items())
    known = {name: str(value) for name, value in said if name in SETTINGS and name not in rows}
    other = ", ".join(f"{name} = {value}" for name, value in said if name not in known)
    return rows | known | ({"other": other} if other else {}) | {"text": f"SHA-256 {made_by['text_hash']}"}


def named(rows: dict[str, str]) -> list[str]:
    """A name and a value on each line."""
    width = max(map(len, rows))
    return [f"{one_line(name):<{width}}  {one_line(value)}" for name, value in rows.items()]
