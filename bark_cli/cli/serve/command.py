"""`bark serve`: a speech server that speaks OpenAI's speech API, and a page to try it."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from bark_cli.cli import options
from bark_cli.cli.serve.door import Door
from bark_cli.cli.serve.run import Served, Telling, check_extra, run
from bark_cli.errors import OptionError
from bark_cli.system.home import expanded
from bark_cli.text.lexicon import read_lexicon

WYOMING_PORT = 10200  # where Home Assistant looks for one that speaks
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def serve(
    context: typer.Context,
    model: options.Model = None,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, metavar="N", help="The port; 0 takes any that is free.")
    ] = 8779,
    api_key_file: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Ask every client for the key in FILE (Authorization: Bearer)."),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Let other machines ask without a key.")
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Another name that clients call this server by; repeatable."),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN", help="Let pages of ORIGIN ask, such as http://localhost:3000; repeatable."
        ),
    ] = None,
    voice_alias: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VOICE", help="What clients may call a voice; repeatable."),
    ] = None,
    say_as: Annotated[
        str | None, typer.Option(metavar="FILE", help="Lexicon (TOML) of how words are to be spoken.")
    ] = None,
    wyoming: Annotated[
        bool, typer.Option("--wyoming", help="Also speak Wyoming, Home Assistant's protocol.")
    ] = False,
    wyoming_port: Annotated[
        int,
        typer.Option(min=0, max=65535, metavar="N", help="The port of --wyoming; 0 takes any that is free."),
    ] = WYOMING_PORT,
    max_text: Annotated[
        int, typer.Option(min=1, max=1_000_000, metavar="N", help="Characters of a text at most.")
    ] = 4096,
    max_waiting: Annotated[
        int, typer.Option(min=0, max=10_000, metavar="N", help="Requests that may wait; others are refused.")
    ] = 64,
    batch_size: options.BatchSize = None,
    keep_alive: Annotated[
        str,
        typer.Option(
            metavar="TIME", help="Let the model go after so long without a request, e.g. 5m; forever."
        ),
    ] = "forever",
    size: Annotated[
        Literal["small", "large"] | None, typer.Option(help="Which model of a folder that holds both.")
    ] = None,
    device: options.Device = None,
    precision: options.Precision = None,
    open_page: Annotated[bool, typer.Option("--open", help="Show the page in a browser.")] = False,
    background: Annotated[
        bool, typer.Option("--background", help="Leave it running, and return once it can speak.")
    ] = False,
    status: Annotated[bool, typer.Option("--status", help="Show the server that runs, and end.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="End the server that runs.")] = False,
    log: Annotated[
        Literal["text", "json", "none"], typer.Option(help="A line for each request, on stderr.")
    ] = "text",
    quiet: options.Quiet = False,
) -> None:
    """Serve speech to other programs, over OpenAI's speech API.

    \b
    bark serve
    bark serve -m small --keep-alive 10m --open
    bark serve --host 0.0.0.0 --api-key-file key.txt
    bark serve --wyoming
    bark serve --background
    curl http://127.0.0.1:8779/v1/audio/speech -H 'Content-Type: application/json' \\
      -d '{"model": "tts-1", "input": "Hello."}' -o hello.mp3

    Open http://127.0.0.1:8779 for a page to try it. Sound is sent while it is made. Only this machine can ask
    unless --host says otherwise. Ctrl-C stops it, after giving what is being said a few seconds to finish.
    While it runs, `bark say` speaks through it, and begins at once.
    """
    if background or status or stop:
        manage(context, background=background, status=status, stop=stop)
        return
    door = Door(
        host=host,
        port=port,
        key_file=api_key_file,
        insecure=insecure,
        allow_host=allow_host or [],
        allow_origin=allow_origin or [],
        wyoming_port=wyoming_port if wyoming else None,
    )
    served = Served(
        flags={"model": model, "device": device, "precision": precision, "batch_size": batch_size},
        size=size,
        aliases=parse_aliases(voice_alias or []),
        lexicon=None if say_as is None else read_lexicon(expanded(say_as)),
        max_text=max_text,
        max_waiting=max_waiting,
        keep_alive_s=parse_time(keep_alive),
    )
    run(door, served, Telling(log=log, quiet=quiet, open_page=open_page))


def manage(context: typer.Context, *, background: bool, status: bool, stop: bool) -> None:
    """Start, show or end a server that runs by itself.

    Raises:
        OptionError: more than one of them is asked for.
        BarkError: it cannot be done.
    """
    from bark_cli.cli.serve import background as own

    if background + status + stop > 1:
        raise OptionError("--background, --status and --stop are three commands; give one of them")
    if background:
        check_extra()
        own.start(context)
    elif status:
        own.show()
    else:
        own.stop()


def parse_time(text: str) -> float | None:
    """Seconds of 90, 90s, 5m or 2h; None for forever.

    Raises:
        OptionError: it is none of these.
    """
    if text == "forever":
        return None
    number, unit = (text[:-1], _UNITS[text[-1]]) if text[-1:] in _UNITS else (text, 1.0)
    if not number.isdecimal() or not 0 < int(number) * unit <= 1e7:
        raise OptionError(f"--keep-alive {text} is not a time; give forever, or e.g. 90s, 5m or 2h")
    return int(number) * unit


def parse_aliases(given: list[str]) -> dict[str, str]:
    """What was given as NAME=VOICE, by name.

    Raises:
        OptionError: one is not NAME=VOICE.
    """
    aliases = {}
    for option in given:
        name, equals, voice = (part.strip() for part in option.partition("="))
        if not (name and equals and voice):
            raise OptionError(f"--voice-alias {option} is not NAME=VOICE; write, e.g., alloy=nano/ben")
        aliases[name] = voice
    return aliases
