"""The commands of `bark`, put together; each is imported when it is asked for."""

from __future__ import annotations

import difflib
from importlib import import_module
from typing import Annotated, Any

import typer

from bark_cli.cli.help import Command, CommandGroup

# name -> where it is, and what it does in a line; in the order of `bark --help`
COMMANDS = {
    "say": ("bark_cli.cli.say.command:say", "Say TEXT: play it, or write it to a file."),
    "batch": ("bark_cli.cli.batch.command:batch", "Say many texts, each into a file of its own."),
    "book": ("bark_cli.cli.book.command:book", "Say a book: one file with chapters, or a folder."),
    "serve": (
        "bark_cli.cli.serve.command:serve",
        "Serve speech to other programs, over OpenAI's speech API.",
    ),
    "mcp": ("bark_cli.cli.mcp:mcp", "Let an assistant speak, over the Model Context Protocol."),
    "download": (
        "bark_cli.cli.download.command:download",
        "Download a model, check it, and make it ready to speak.",
    ),
    "convert": (
        "bark_cli.cli.convert:convert",
        "Write a model into a folder or file, in another program's layout.",
    ),
    "voices": ("bark_cli.cli.voices.command:voices", "List, hear and keep voices."),
    "tags": ("bark_cli.cli.tags:tags", "List the tags to write into a text, such as [laughs]."),
    "play": ("bark_cli.cli.play.command:play", "Play FILE: wav, flac, mp3, opus, ogg and others."),
    "devices": (
        "bark_cli.cli.play.command:devices",
        "List the devices that can play sound; * marks the default.",
    ),
    "show": (
        "bark_cli.cli.show:show",
        "Show the format and length of FILE and, if Bark made it, how.",
    ),
    "inspect": (
        "bark_cli.cli.inspect:inspect",
        "Measure FILE, a sound or a voice's tokens, and draw it.",
    ),
    "detect": ("bark_cli.cli.detect:detect", "Look for signs that Bark made a sound."),
    "cache": ("bark_cli.cli.cache.command:cache", "See, check and clear the model cache."),
    "config": ("bark_cli.cli.config.command:config", "See and change the settings."),
    "bench": ("bark_cli.cli.bench:bench", "Measure how fast this machine speaks."),
    "doctor": ("bark_cli.cli.doctor:doctor", "Check this installation and machine."),
}


class Commands(CommandGroup):
    """All of them, as far as they were asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name, imported now; None if there is none."""
        if cmd_name in COMMANDS and cmd_name not in self.commands:
            module, _, attribute = COMMANDS[cmd_name][0].partition(":")
            self.commands[cmd_name] = _built(cmd_name, getattr(import_module(module), attribute))
        return self.commands.get(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the first word names.

        Raises:
            UsageError: there is none; the message offers the nearest.
        """
        is_known = not args or args[0] in COMMANDS or args[0].startswith("-")
        if not is_known and not ctx.resilient_parsing:  # as Tab parses, which must print nothing
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the table from what is known without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


def _built(name: str, found: Any) -> Any:
    """The command of a function, or of a group's Typer."""
    if isinstance(found, typer.Typer):
        group = typer.main.get_command(found)
        group.name = name
        return group
    alone = typer.Typer(add_completion=False, rich_markup_mode=None)
    alone.command(name, cls=Command)(found)
    return typer.main.get_command(alone)


# Plain help: drawing it with rich doubles the time `bark --help` takes.
app = typer.Typer(
    cls=Commands,
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
    bark say -f chapter.txt -o chapter.mp3
    bark batch texts -o sounds
    bark book novel.epub -o novel.m4b
    bark download small

    Exit codes: 0 done, 1 failed, 2 bad usage, 130 interrupted, 143 terminated.
    Set BARK_DEBUG=1 for the traceback of an error.
    """
