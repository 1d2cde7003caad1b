"""`bark serve`: a speech server that speaks OpenAI's speech API, and a page to try it."""

from __future__ import annotations

import signal
import sys
import webbrowser
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bark_cli.cli import options
from bark_cli.cli.output import note
from bark_cli.errors import OptionError

if TYPE_CHECKING:
    from bark_cli.pipeline import Bark
    from bark_cli.server.access import Rules
    from bark_cli.server.accounts import Entry
    from bark_cli.server.app import Serving
    from bark_cli.settings import Settings

_MOST_KEY = 4096  # bytes of a key's file
_LEAST_KEY = 8  # characters
WYOMING_PORT = 10200  # where Home Assistant looks for one that speaks
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, kw_only=True)
class Door:
    """Where it listens, and who may ask."""

    host: str
    port: int
    key_file: str | None
    insecure: bool
    allow_host: list[str]
    allow_origin: list[str]
    wyoming_port: int | None  # None: no Wyoming

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        import ipaddress

        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def address(self, port: int) -> str:
        """What a browser opens."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{'localhost' if host in ('0.0.0.0', '[::]') else host}:{port}"

    def rules(self) -> Rules:
        """Who is let in.

        Raises:
            OptionError: everybody could ask, and nobody said that they may.
        """
        import socket

        from bark_cli.server.access import LOOPBACK_NAMES, Rules
        from bark_cli.server.app import OPEN, OPEN_LISTS

        key = None if self.key_file is None else read_key(self.key_file)
        if not self.is_loopback and key is None and not self.insecure:
            raise OptionError(
                f"--host {self.host} lets other machines in; add --api-key-file FILE, or --insecure"
            )
        if not self.is_loopback and self.wyoming_port is not None and not self.insecure:
            raise OptionError(
                f"Wyoming has no keys, so --host {self.host} would let anybody in; add --insecure to do so"
            )
        names = {*LOOPBACK_NAMES, self.host, *self.allow_host}
        if not self.is_loopback:
            names.add(socket.gethostname())
        return Rules(
            key=key,
            hosts=frozenset(name.lower() for name in names),
            any_address=not self.is_loopback,
            origins=tuple(origin.rstrip("/") for origin in self.allow_origin),
            open_paths=(*OPEN, *OPEN_LISTS),
        )


@dataclass(frozen=True, kw_only=True)
class Telling:
    """What is told of it."""

    log: str  # text, json or none: a line for each request
    quiet: bool
    open_page: bool

    def tell(self, entry: Entry) -> None:
        """A request's line."""
        if self.log == "json":
            print(entry.as_json(), file=sys.stderr, flush=True)
        elif self.log == "text":
            note(entry.as_line())


@dataclass(frozen=True, kw_only=True)
class Served:
    """What is served, and how much of it."""

    flags: Mapping[str, object]  # settings
    size: str | None
    aliases: Mapping[str, str]  # of voices
    max_text: int
    max_waiting: int
    keep_alive_s: float | None

    def serving(self, rules: Rules, telling: Telling) -> Serving:
        """All that the server has to know; the model is found, and not yet read.

        Raises:
            BarkError: there is no such model or voice.
        """
        from bark_cli.cli.download.offer import resolve_or_offer
        from bark_cli.server.app import Serving
        from bark_cli.server.listing import Listing
        from bark_cli.server.problem import Problem
        from bark_cli.server.speaker import Speaker
        from bark_cli.settings import resolve

        settings = resolve(self.flags).settings
        [ref] = resolve_or_offer([settings.model], may_ask=not telling.quiet)
        listing = Listing(model=ref.name, folder=ref.folder, aliases=self.aliases)
        for alias, voice in self.aliases.items():
            try:
                listing.find_voice(alias)
            except Problem as problem:
                raise OptionError(f"--voice-alias {alias}={voice}: {problem.message}") from problem
        who: dict[str, str] = {}
        speaker = Speaker(
            partial(load, settings, self.size, telling, who),
            batch_size=settings.batch_size,
            max_waiting=self.max_waiting,
            keep_alive_s=self.keep_alive_s,
        )
        return Serving(
            speaker=speaker,
            listing=listing,
            rules=rules,
            max_text=self.max_text,
            tell=telling.tell,
            who=who.copy,
        )


def load(settings: Settings, size: str | None, telling: Telling, who: dict[str, str]) -> Bark:
    """The model, read; `who` gets what it is known by.

    Raises:
        BarkError: as `Bark.load`.
    """
    from bark_cli.pipeline import Bark
    from bark_cli.remote.identity import identity
    from bark_cli.store import resolve_model

    device, precision = settings.device, settings.precision
    who |= identity(resolve_model(settings.model), size=size, device=device, precision=precision)
    return Bark.load(
        settings.model,
        size=size,
        device=settings.device,
        precision=settings.precision,
        on_note=None if telling.quiet else note,
    )


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
    unless --host says otherwise. Ctrl-C ends it, once what is being said has a few seconds to end. While it
    runs, `bark say` speaks through it, and begins at once.
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
    from bark_cli.cli import background as own

    if background + status + stop > 1:
        raise OptionError("--background, --status and --stop are three commands; give one of them")
    if background:
        check_extra()
        own.start(context)
    elif status:
        own.show()
    else:
        own.stop()


def run(door: Door, served: Served, telling: Telling) -> None:
    """Serve until it is stopped; what is wrong is found before the model is read.

    Raises:
        BarkError: an option is wrong, the port is taken, or the model cannot be read.
        Exit: it was stopped by Ctrl-C.
    """
    check_extra(wyoming=door.wyoming_port is not None)
    from bark_cli.server.local import local_door
    from bark_cli.server.run import allow_many_connections, listen, serve

    rules = door.rules()
    serving = served.serving(rules, telling)
    with ExitStack() as held:
        listener = held.enter_context(listen(door.host, door.port))
        wyoming = None
        if door.wyoming_port is not None:
            wyoming = held.enter_context(listen(door.host, door.wyoming_port, "--wyoming-port"))
        address = door.address(listener.getsockname()[1])

        def begin() -> None:
            if not telling.quiet:
                note(f"{serving.listing.model} speaks at {address}; Ctrl-C ends it")
            if wyoming is not None and not telling.quiet:
                note(f"and speaks Wyoming on port {wyoming.getsockname()[1]}")
            if telling.open_page:
                webbrowser.open(address)

        if not telling.quiet and not door.is_loopback:
            who = "whoever has the key" if rules.key else "EVERYBODY who reaches this machine"
            note(f"{who} may ask, over plain HTTP")
        allow_many_connections()
        told = {"address": address, "model": serving.listing.model}
        local = held.enter_context(local_door(serving.speaker, serving.who, told))
        if serve(serving, listener, wyoming=wyoming, local=local, on_ready=begin) == signal.SIGINT:
            raise typer.Exit(130)


def read_key(path: str) -> str:
    """The key in a file.

    Raises:
        OptionError: it cannot be read, or holds no key of some length.
    """
    try:
        with Path(path).open("rb") as stream:
            key = stream.read(_MOST_KEY + 1).decode("ascii").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it holds more than ASCII"
        raise OptionError(f"cannot read the key in {path}: {reason}") from error
    if not _LEAST_KEY <= len(key) <= _MOST_KEY or not key.isprintable() or " " in key:
        raise OptionError(f"{path} must hold one key of {_LEAST_KEY} characters or more, without spaces")
    return key


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


def check_extra(*, wyoming: bool = False) -> None:
    """Find out whether what only a server needs is installed.

    Raises:
        OptionError: it is not.
    """
    from importlib.util import find_spec

    needed = ["starlette", "uvicorn", "prometheus_client", *(["wyoming"] if wyoming else [])]
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise OptionError(f"bark serve needs {' and '.join(missing)}; run: pip install 'bark-cli[serve]'")
