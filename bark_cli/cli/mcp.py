"""`bark mcp`: speech for assistants, over the Model Context Protocol on standard input and output."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from bark_cli.cli import options
from bark_cli.cli.output import note
from bark_cli.errors import OptionError

if TYPE_CHECKING:
    from pathlib import Path

    from bark_cli.pipeline import Bark
    from bark_cli.server.speaker import Speaker
    from bark_cli.settings import Settings


def mcp(
    model: options.Model = None,
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="DIR",
            help="The one folder that save_speech may write to; without it nothing is written.",
        ),
    ] = None,
    audio_device: Annotated[
        str | None,
        typer.Option(
            "--audio-device", metavar="NAME", help="A name or number from `bark devices`, or part of a name."
        ),
    ] = None,
    keep_alive: Annotated[
        str,
        typer.Option(
            metavar="TIME", help="Let the model go after so long without a request, e.g. 5m; forever."
        ),
    ] = "forever",
    device: options.Device = None,
    precision: options.Precision = None,
    quiet: options.Quiet = False,
) -> None:
    """Let an assistant speak, over the Model Context Protocol.

    \b
    bark mcp
    bark mcp -m small -o ~/speech

    An assistant starts this command itself and talks to it through standard input and output; enter it in the
    assistant's settings. Its tools: speak, save_speech (with -o), list_voices, list_tags. The model is loaded
    when the first text is to be said. Needs: pip install 'bark-cli[mcp]'.
    """
    check_extra()
    from bark_cli.cli.download.offer import resolve_or_offer
    from bark_cli.cli.serve.command import parse_time
    from bark_cli.server.listing import Listing
    from bark_cli.server.mcp import Assistant
    from bark_cli.settings import resolve

    keep_alive_s = parse_time(keep_alive)
    settings = resolve({"model": model, "device": device, "precision": precision}).settings
    [ref] = resolve_or_offer([settings.model], may_ask=False)
    Assistant(
        listing=Listing(model=ref.name, folder=ref.folder),
        make_speaker=partial(speaker, settings, quiet=quiet, keep_alive_s=keep_alive_s),
        folder=None if output is None else folder(output),
        audio_device=audio_device,
    ).server().run("stdio")


def speaker(settings: Settings, *, quiet: bool, keep_alive_s: float | None) -> Speaker:
    """The model, to be read when it is needed; nothing heavy is imported before."""
    from bark_cli.server.speaker import Speaker

    return Speaker(lambda: load(settings, quiet=quiet), keep_alive_s=keep_alive_s, lazy=True)


def load(settings: Settings, *, quiet: bool) -> Bark:
    """The model, read.

    Raises:
        BarkError: as `Bark.load`.
    """
    from bark_cli.pipeline import Bark

    return Bark.load(
        settings.model,
        device=settings.device,
        precision=settings.precision,
        on_note=None if quiet else note,
    )


def folder(name: str) -> Path:
    """The folder of that name, which is made if necessary.

    Raises:
        OptionError: it cannot be one.
    """
    from pathlib import Path

    path = Path(name).expanduser()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OptionError(f"-o {name} cannot be a folder: {error.strerror}; give another") from error
    return path.resolve()


def check_extra() -> None:
    """Find out whether what only this command needs is installed.

    Raises:
        OptionError: it is not.
    """
    from importlib.util import find_spec

    if find_spec("mcp") is None or find_spec("mcp.server.mcpserver") is None:
        raise OptionError("bark mcp needs the package mcp, version 2; run: pip install 'bark-cli[mcp]'")
