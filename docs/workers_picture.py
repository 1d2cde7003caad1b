"""docs/many-machines.svg: `bark batch --on ray --verbose` at work, as a terminal shows it.

Two machines join a cluster on this one, each with a name of its own (Linux, as root, with `unshare`):
`python docs/workers_picture.py`.
"""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from rich.console import Console

from bark_cli.cli import main
from bark_cli.cli.batch import making
from bark_cli.cli.batch.progress import BatchBar, Tally
from bark_cli.cluster.connect import joined, machines

PICTURE = Path(__file__).with_name("many-machines.svg")
ADDRESS, MACHINES, WIDTH = "127.0.0.1:6399", ("oak", "elm"), 100
TYPED = "bark batch list.jsonl -o clips --on ray --worker-cpus 1 --batch-size 4 --verbose"
SAYS = ("Please close the window.", "The train is late.", "She counted the boats.")


class Photographed(BatchBar):
    """A bar that is kept as a picture when two thirds are done."""

    def __init__(self, tally: Tally, *, verbose: bool) -> None:
        console = Console(file=io.StringIO(), width=WIDTH, height=30, force_terminal=True)
        super().__init__(tally, console, verbose=verbose)
        self._is_due = True

    def show(self, event: Any) -> None:
        """Draw how far it is."""
        super().show(event)
        if self._is_due and self._tally.done * 3 >= self._tally.items * 2:
            self._is_due = False
            film = Console(record=True, file=io.StringIO(), width=WIDTH, force_terminal=True)
            film.print(f"[bold]$[/] {TYPED}", highlight=False)
            film.print(self._bars.get_renderable())
            film.save_svg(str(PICTURE), title="bark")


@contextmanager
def machine(name: str, *words: str) -> Iterator[None]:
    """A machine of that name in the cluster."""
    line = [
        "unshare",
        "--uts",
        "sh",
        "-c",
        'hostname "$0" && exec ray start --block --node-ip-address=127.0.0.1 "$@"',
        name,
        *words,
    ]
    running = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        running.terminate()
        running.wait()


def wait_for(what: Callable[[], bool]) -> None:
    """Wait until something is so, for two minutes at most."""
    end = time.monotonic() + 120
    while not what():
        if time.monotonic() > end:
            raise TimeoutError(what.__name__)
        time.sleep(0.5)


def is_there() -> bool:
    """Whether the first machine answers."""
    host, _, port = ADDRESS.partition(":")
    with suppress(OSError), socket.create_connection((host, int(port)), 1.0):
        return True
    return False


def are_there() -> bool:
    """Whether the others are part of the cluster."""
    with joined(ADDRESS):
        return len(machines()) == 1 + len(MACHINES)


def draw(texts: int = 40) -> None:
    """Run it, and keep the picture."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ADDRESS": ADDRESS, "RAY_AUTH_MODE": "disabled"}
    making.BatchBar = Photographed  # type: ignore[misc]
    sys.stderr.isatty = lambda: True  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as place, ExitStack() as cluster:
        os.chdir(place)
        rows = ({"text": SAYS[i % 3]} for i in range(texts))
        Path("list.jsonl").write_text("\n".join(map(json.dumps, rows)))
        head = ("--head", f"--port={ADDRESS.rpartition(':')[2]}", "--num-cpus=0", "--include-dashboard=false")
        cluster.enter_context(machine("ash", *head))
        wait_for(is_there)
        for name in MACHINES:
            cluster.enter_context(machine(name, f"--address={ADDRESS}", "--num-cpus=1"))
        wait_for(are_there)
        main(TYPED.split()[1:])


if __name__ == "__main__":
    draw()
