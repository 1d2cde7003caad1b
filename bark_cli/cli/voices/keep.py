"""`bark voices preview`, `save` and `rm`: hear a voice, keep it, let it go."""

from __future__ import annotations

from typing import Annotated

import typer

from bark_cli.cli.ask import confirm
from bark_cli.cli.completion import voice_names
from bark_cli.cli.options import Force
from bark_cli.cli.output import note

Voice = Annotated[
    str, typer.Argument(metavar="VOICE", autocompletion=voice_names, help="Name of a voice, or a .npz file.")
]


def preview(
    voice: Voice,
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="FILE", help="Write FILE instead of playing.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "-m", "--model", metavar="NAME|FOLDER", help="Model whose codec to use; by default any that fits."
        ),
    ] = None,
    force: Force = False,
) -> None:
    """Hear a voice: play the speech that it holds.

    \b
    bark voices preview nano/anna
    bark voices preview v2/en_speaker_6 -o speaker.wav
    """
    from bark_cli import __version__, audio
    from bark_cli.inspection.preview import preview_voice, previewing_model
    from bark_cli.store import resolve_model

    if output is None:
        audio.check_player()
    else:
        audio.check_sound_file(output, force=force)
    ref = previewing_model(voice) if model is None else resolve_model(model)
    sound = preview_voice(voice, ref)
    if output is None:
        audio.play(sound)
    else:
        made = audio.Provenance(ref.name, voice, None, audio.hash_text(""), __version__)
        audio.save(sound, output, force=force, metadata=made)
        note(f"{output}: {sound.duration_s:.1f} s of {voice}")


def save(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A .npz voice file.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name to give it, e.g. me or team/ann.")],
    force: Force = False,
) -> None:
    """Check a voice file and keep it as your own.

    \b
    bark say "This is how I sound." --save-voice me.npz -o me.wav
    bark voices save me.npz me
    """
    from pathlib import Path

    from bark_cli.voices.own import keep_voice

    models = keep_voice(Path(file), name, force=force)
    known = ", ".join(models) or "Suno's models, which are not on this machine (bark download small)"
    note(f"voice {name} is kept; use it with -v {name}; it can be spoken by {known}")


def remove(
    voice: Annotated[str, typer.Argument(metavar="NAME", help="One of your own voices.")],
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")] = False,
) -> None:
    """Remove one of your own voices.

    \b
    bark voices rm me
    """
    from bark_cli.voices.own import find_own_voice, remove_voice

    info = find_own_voice(voice)
    if not yes and not confirm(f"Remove voice {info.name} ({info.path})?"):
        note("nothing was removed")
        return
    remove_voice(info)
    note(f"voice {info.name} is removed")
