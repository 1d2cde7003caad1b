"""`bark play` and `bark devices`: a sound file -> the loudspeaker, and which loudspeakers there are."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from bark_cli.cli.options import JsonList
from bark_cli.cli.output import note, one_line, print_json
from bark_cli.cli.play.keys import player_keys

if TYPE_CHECKING:
    from bark_cli.audio import AudioDevice

AHEAD_S = 10.0  # of a file in memory: however long it is, it needs no more


def play(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A sound file.", show_default=False)],
    audio_device: Annotated[
        str | None,
        typer.Option(
            "--audio-device", metavar="NAME", help="A name or number from `bark devices`, or part of a name."
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print errors only.")] = False,
) -> None:
    """Play FILE: wav, flac, mp3, opus, ogg and others.

    \b
    bark play hello.wav
    bark play chapter.mp3 --audio-device headphones

    At a terminal Space pauses and q stops.
    """
    from bark_cli.audio import Player, check_player, open_sound

    check_player(audio_device, instead=f"take {file} to a machine that has a loudspeaker")
    with (
        open_sound(file) as source,
        Player(source.sample_rate, device=audio_device) as player,
        player_keys(player, quiet=quiet),
    ):
        for block in source.blocks():
            player.put(block)
            if not player.drain(AHEAD_S):
                break
        player.drain()  # in here, where keys are heard
    if not quiet:
        note(f"{file}: {player.played_s:.1f} s played{underruns(player.underruns)}")


def devices(
    as_json: JsonList = False,
) -> None:
    """List the devices that can play sound; * marks the default.

    \b
    bark devices
    bark devices --json
    """
    from bark_cli.audio import list_devices

    found = list_devices()
    if as_json:
        print_json([asdict(device) for device in found])
    elif found:
        print("\n".join(map(_line, found)))
    else:
        note("no output device found; use -o FILE to save what bark says")


def underruns(count: int) -> str:
    """What a report says of the times that the sound had to wait; nothing where it never did."""
    return f", waited for sound {count} time{'s' * (count != 1)}" if count else ""


def _line(device: AudioDevice) -> str:
    mark = "*" if device.is_default else " "
    return (
        f"{mark} {device.index:>2}  {one_line(device.name)} ({device.host_api}, {device.sample_rate:.0f} Hz)"
    )
