"""Many clients of `bark serve`, a third of which hang up: does each hear its own, and is all given back?

python -m benchmarks.soak [-m MODEL] [--requests 1000] [--clients 16] [--texts 50] [--seconds 3]

Every text is asked for once alone; whoever hears it to its end later must get the same bytes. Memory, open
files and threads are those of the server, on Linux.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse
from json import dumps, loads
from pathlib import Path
from urllib.parse import urlsplit

_WORDS = ("apple", "river", "window", "garden", "letter", "music", "silver", "doctor", "winter", "market")
_HANG_UP = 1 / 3
_LONGEST_S = 0.5  # after which who hangs up is gone


@dataclass(eq=False)
class Soak:
    """Clients at work on one server, and what became of their requests."""

    address: str
    seconds: float  # of a speech at most
    wanted: list[bytes] = field(default_factory=list)  # of each text
    found: Counter[str] = field(default_factory=Counter)
    left: Iterator[int] = field(default_factory=lambda: iter(()))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, number: int) -> tuple[HTTPConnection, HTTPResponse]:
        """Ask for a text."""
        first, second = _WORDS[number % len(_WORDS)], _WORDS[number // len(_WORDS) % len(_WORDS)]
        order = {"model": "tts-1", "input": f"Number {number}, the {first} {second}.", "seed": number}
        order |= {"response_format": "pcm", "max_duration": self.seconds, "retries": 0}
        connection = HTTPConnection(self.address, timeout=600)
        connection.request("POST", "/v1/audio/speech", dumps(order), {"Content-Type": "application/json"})
        return connection, connection.getresponse()

    def learn(self, n_texts: int) -> None:
        """Ask for each text alone."""
        for number in range(n_texts):
            connection, response = self.ask(number)
            self.wanted.append(response.read())
            connection.close()
        assert len(set(self.wanted)) == n_texts, "some texts sound alike"

    def run(self, numbers: range, n_clients: int) -> None:
        """Let so many clients ask until all numbers are asked."""
        self.left = iter(numbers)
        clients = [threading.Thread(target=self._client, args=(seed,)) for seed in range(n_clients)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()

    def _client(self, seed: int) -> None:
        while True:
            with self.lock:
                number = next(self.left, None)
            if number is None:
                return
            draw = random.Random(f"{seed} {number}")
            text = draw.randrange(len(self.wanted))
            outcome = self._hang_up(text, draw) if draw.random() < _HANG_UP else self._hear(text)
            with self.lock:
                self.found[outcome] += 1

    def _hear(self, text: int) -> str:
        try:
            connection, response = self.ask(text)
            heard = response.read()
            connection.close()
        except (OSError, HTTPException) as error:
            return f"failed: {type(error).__name__}"
        if response.status != 200:
            return f"status {response.status}"
        return "heard its own words" if heard == self.wanted[text] else "HEARD SOMETHING ELSE"

    def _hang_up(self, text: int, draw: random.Random) -> str:
        connection = HTTPConnection(self.address, timeout=draw.uniform(0.001, _LONGEST_S))
        body = dumps({"model": "tts-1", "input": f"Number {text} " * 20, "response_format": "pcm"})
        with suppress(OSError, HTTPException):  # it waits no longer
            connection.request("POST", "/v1/audio/speech", body, {"Content-Type": "application/json"})
            connection.getresponse().read(draw.randrange(1, 20_000))
        connection.close()
        return "hung up"


@contextmanager
def server(model: str) -> Iterator[tuple[int, str]]:
    """A server on a free port: its process and address."""
    command = [sys.executable, "-m", "bark_cli", "serve", "-m", model, "--port", "0", "--log", "none"]
    process = subprocess.Popen([*command, "--batch-size", "16"], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        while "speaks at" not in (line := process.stderr.readline()):
            assert line, "the server ended"
        yield process.pid, urlsplit(line.split(" speaks at ")[1].split(";")[0]).netloc
    finally:
        process.terminate()
        process.communicate()


def footprint(process: int) -> str:
    """Memory, open files and threads."""
    proc = Path(f"/proc/{process}")
    told = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
    n_files = len(list((proc / "fd").iterdir()))
    return f"{int(told['VmRSS'].split()[0]) / 1024:.0f} | {n_files} | {told['Threads'].strip()}"


def at_rest(address: str) -> bool:
    """Whether all slots are given back, in time."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        connection = HTTPConnection(address, timeout=60)
        connection.request("GET", "/ready")
        told = loads(connection.getresponse().read())
        connection.close()
        if not any(told[name] for name in ("orders", "waiting", "at_work")):
            return True
        time.sleep(0.1)
    return False


def main() -> None:
    """Print how the server fares, in ten parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-m", "--model", default="nano")
    for name, usual in (("requests", 1000), ("clients", 16), ("texts", 50)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--seconds", type=float, default=3.0)
    given = parser.parse_args()
    with server(given.model) as (process, address):
        soak, began = Soak(address, given.seconds), time.monotonic()
        soak.learn(given.texts)
        print("| requests | MB | open files | threads | at rest | s |\n|---|---|---|---|---|---|")
        part = given.requests // 10
        for first in range(0, given.requests, part):
            soak.run(range(first, first + part), given.clients)
            rest = "yes" if at_rest(address) else "NO"
            seconds = time.monotonic() - began
            print(f"| {first + part} | {footprint(process)} | {rest} | {seconds:.0f} |", flush=True)
        for outcome, count in soak.found.most_common():
            print(f"{count} {outcome}")


if __name__ == "__main__":
    main()
