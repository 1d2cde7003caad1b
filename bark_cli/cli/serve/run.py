"""A server from the command line: where it listens and what it serves -> speech, until it is stopped."""

from __future__ import annotations

import signal
import sys
import webbrowser
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import typer

from bark_cli.cli.output import note
from bark_cli.cli.serve.door import Door
from bark_cli.errors import OptionError

if TYPE_CHECKING:
    from bark_cli.pipeline import Bark
    from bark_cli.server.access import Rules
    from bark_cli.server.accounts import LogEntry
    from bark_cli.server.app import Serving
    from bark_cli.settings import Settings
    from bark_cli.text.lexicon import Lexicon


@dataclass(frozen=True, kw_only=True)
class Telling:
    """What is printed about it; where that cannot be written, as on a full disk, the server goes on."""

    log: str  # text, json or none: a line for each request
    quiet: bool
    open_page: bool

    def tell(self, entry: LogEntry) -> None:
        """A request's line."""
        with suppress(OSError):
            if self.log == "json":
                print(entry.as_json(), file=sys.stderr, flush=True)
            elif self.log == "text":
                note(entry.as_line())

    def note(self, message: str) -> None:
        """What its owner should know, unless he wants quiet."""
        if not self.quiet:
            with suppress(OSError):
                note(message)


@dataclass(frozen=True, kw_only=True)
class Served:
    """What is served, and how much of it."""

    flags: Mapping[str, object]  # settings
    size: str | None
    aliases: Mapping[str, str]  # of voices
    lexicon: Lexicon | None  # how words are spoken
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
        listing = Listing(model=ref.name, folder=ref.folder, aliases=self.aliases, lexicon=self.lexicon)
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
        on_note=telling.note,
    )


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
            telling.note(f"{serving.listing.model} speaks at {address}; Ctrl-C ends it")
            if wyoming is not None:
                telling.note(f"and speaks Wyoming on port {wyoming.getsockname()[1]}")
            if telling.open_page:
                webbrowser.open(address)

        if not door.is_loopback:
            who = "whoever has the key" if rules.key else "EVERYBODY who reaches this machine"
            telling.note(f"{who} may ask, over plain HTTP")
        allow_many_connections()
        told = {"address": address, "model": serving.listing.model}
        local = held.enter_context(local_door(serving.speaker, serving.who, told))
        if serve(serving, listener, wyoming=wyoming, local=local, on_ready=begin) == signal.SIGINT:
            raise typer.Exit(130)


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
