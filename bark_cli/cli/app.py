"""The commands of `bark`, put together."""

from __future__ import annotations

from typing import Annotated

import typer

from bark_cli.cli.bench import bench
from bark_cli.cli.cache import cache
from bark_cli.cli.doctor import doctor
from bark_cli.cli.download import download
from bark_cli.cli.help import Command, Group
from bark_cli.cli.say import say
from bark_cli.cli.voices import voices

# Plain help: drawing it with rich doubles the time `bark --help` takes.
app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from bark_cli import __version__

        print(f"bark {__version__}")
        raise typer.Exit


@app.callback()
def bark(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Suno's Bark speaks, laughs and sings on your own machine.

    \b
    bark say "Hello, my name is Bark. [laughs]" -o hello.wav
    bark download small
    bark voices ls

    Exit codes: 0 done, 1 failed, 2 bad usage, 130 interrupted.
    Set BARK_DEBUG=1 for the traceback of an error.
    """


app.command(cls=Command)(say)
app.command(cls=Command)(download)
app.command(cls=Command)(bench)
app.command(cls=Command)(doctor)
app.add_typer(voices, name="voices")
app.add_typer(cache, name="cache")
