"""A real server on a free port of loopback, in a thread of the test's own process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2 as httpx

from bark_cli.pipeline import Bark
from bark_cli.remote.identity import identity
from bark_cli.server.access import Rules
from bark_cli.server.accounts import LogEntry
from bark_cli.server.app import OPEN, OPEN_LISTS, Serving
from bark_cli.server.listing import Listing
from bark_cli.server.local import local_door
from bark_cli.server.run import Server, listen
from bark_cli.server.speaker import Speaker
from bark_cli.store import resolve_model
from bark_cli.text.lexicon import Lexicon

PATIENCE_S = 60.0


@dataclass
class Served:
    """A server at work."""

    url: str
    port: int
    speaker: Speaker
    entries: list[LogEntry]  # of the requests that are over
    server: Server
    wyoming_port: int | None = None

    def client(self, **given: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=PATIENCE_S, **given)


@contextmanager
def served(
    model: Path,
    *,
    key: str | None = None,
    aliases: dict[str, str] | None = None,
    lexicon: Lexicon | None = None,
    wait: bool = True,
    wyoming: bool = False,
    local: bool = False,
    **given: Any,
) -> Iterator[Served]:
    """Serve the model in a folder, with `local` to `bark say` too.

    `given` is for the Speaker, and for Serving what it takes.
    """
    entries: list[LogEntry] = []
    of_serving = {name: given.pop(name) for name in ("max_text",) if name in given}
    rules = Rules(key=key, open_paths=(*OPEN, *OPEN_LISTS), origins=given.pop("origins", ()))
    load = given.pop("load", lambda: Bark.load(model, device="cpu", precision="fp32"))
    serving = Serving(
        speaker=Speaker(load, **given),
        listing=Listing(model=model.name, folder=model, aliases=aliases or {}, lexicon=lexicon),
        rules=rules,
        tell=entries.append,
        **of_serving,
    )
    who = identity(resolve_model(model), size=None, device="auto", precision="fp32")
    serving = replace(serving, who=lambda: who)
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    ready = threading.Event()
    other = listen("127.0.0.1", 0) if wyoming else None
    told = {"model": model.name, "address": f"http://127.0.0.1:{port}"}
    with local_door(serving.speaker, serving.who, told) if local else nullcontext() as door:
        server = Server(serving, listener, ready.set, other, door)
        thread = threading.Thread(target=server.run_to_end, name="test-server")
        thread.start()
        try:
            assert not wait or ready.wait(PATIENCE_S)
            found = Served(f"http://127.0.0.1:{port}", port, serving.speaker, entries, server)
            found.wyoming_port = None if other is None else other.getsockname()[1]
            yield found
        finally:
            server.should_exit = True
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
