"""How soon and how fast `bark serve` speaks to many at once: clients -> first sound, speed, underruns.

python -m benchmarks.server [URL | OPTION...]    # without a URL a server of nano is started, and ended

Each client asks once for a sentence of its own, as raw samples, all at the same moment. A stream runs dry
where a listener who began to play at the first byte would have waited. Last, the same sixteen one by one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from statistics import median
from unittest import mock
from urllib.parse import urlsplit

CLIENTS = (1, 4, 16, 64)
_LONE = 10  # requests of a client that is alone
_RATE = 2 * 24_000  # bytes a second
_TEXTS = (
    "The weather was fine this morning, and the whole town was out of doors.",
    "My brother keeps three goats behind the house, and all of them are old.",
    "Please close the window before you leave, because it will rain tonight.",
    "Nobody at the station knew when the next train to the coast would come.",
)


@dataclass(frozen=True)
class Answer:
    """What one client heard; seconds since it asked."""

    status: int
    first_s: float = 0.0
    all_s: float = 0.0
    sound_s: float = 0.0
    dry_s: float = 0.0  # for which a player would have waited


def ask(address: str, number: int) -> Answer:
    """One request, read as it comes."""
    body = {"model": "tts-1", "input": _TEXTS[number % len(_TEXTS)], "seed": number, "response_format": "pcm"}
    connection = HTTPConnection(address, timeout=600)
    began = time.perf_counter()
    connection.request("POST", "/v1/audio/speech", json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    if response.status != 200:
        return Answer(response.status)
    n_bytes, first_s, ends_s, dry_s = 0, 0.0, 0.0, 0.0
    while data := response.read1(2**16):
        now = time.perf_counter() - began
        first_s = first_s or now
        dry_s += max(0.0, now - ends_s) if n_bytes else 0.0
        ends_s = max(ends_s, now) + len(data) / _RATE
        n_bytes += len(data)
    connection.close()
    return Answer(200, first_s, time.perf_counter() - began, n_bytes / _RATE, dry_s)


def together(address: str, n_clients: int) -> tuple[list[Answer], float]:
    """All at once, and the seconds until the last was served."""
    answers: list[Answer] = []
    threads = [
        threading.Thread(target=lambda n=n: answers.append(ask(address, n)))  # type: ignore[misc]
        for n in range(n_clients)
    ]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers, time.perf_counter() - began


def row(answers: list[Answer], seconds: float) -> str:
    """A line of the table."""
    good = [one for one in answers if one.status == 200]
    firsts, sound_s = sorted(one.first_s for one in good), sum(one.sound_s for one in good)
    worst = firsts[min(len(firsts) - 1, int(0.99 * len(firsts)))]
    whole = sum(one.dry_s < 0.05 for one in good)
    refused = len(answers) - len(good)
    found = (f"{median(firsts):.2f}", f"{worst:.2f}", f"{seconds / sound_s:.2f}", whole, refused)
    return f"| {len(answers)} | {' | '.join(map(str, found))} | {seconds:.1f} |"


def first_of_say() -> float:
    """Seconds from Enter to the first byte of `bark say -o -`, through the server that runs."""
    command = [sys.executable, "-m", "bark_cli", "say", "-m", "nano", "-o", "-", "--seed", "1", _TEXTS[0]]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert process.stdout.read(1)
        first_s = time.perf_counter() - began
        process.stdout.read()
    return first_s


@contextmanager
def server(*options: str) -> Iterator[str]:
    """A server of nano on a free port, through which `bark say` speaks meanwhile."""
    command = [sys.executable, "-m", "bark_cli", "serve", "-m", "nano", "--port", "0", "--log", "none"]
    with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, XDG_RUNTIME_DIR=folder):
        process = subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True)
        try:
            assert process.stderr is not None
            while "speaks at" not in (line := process.stderr.readline()):
                assert line, "the server ended"
            yield line.split(" speaks at ")[1].split(";")[0]
        finally:
            process.terminate()
            process.communicate()


def measure(url: str) -> None:
    """Print the table of a server, which is warmed first."""
    address = urlsplit(url).netloc
    ask(address, 0)
    lone = [ask(address, number).first_s for number in range(_LONE)]
    print("| clients | first sound, median s | p99 | real-time factor | never ran dry | refused | s |")
    print("|---|---|---|---|---|---|---|")
    seconds = {}
    for n_clients in CLIENTS:
        answers, seconds[n_clients] = together(address, n_clients)
        print(row(answers, seconds[n_clients]), flush=True)
    began = time.perf_counter()
    for number in range(16):
        ask(address, number)
    alone_s = time.perf_counter() - began
    print(f"16 one by one: {alone_s:.1f} s; together {seconds[16] / alone_s:.2f} of that")
    print(f"first sound of a lone client, median of {_LONE}: {median(lone):.2f} s")


def main() -> None:
    """Measure the server that is named, or one of our own, and `bark say` through it too."""
    if len(sys.argv) > 1 and sys.argv[1].startswith("http"):
        measure(sys.argv[1])
        return
    with server(*sys.argv[1:]) as url:
        measure(url)
        said = [first_of_say() for _ in range(_LONE)]
        print(f"`bark say` through it, from Enter to its first byte, median of {_LONE}: {median(said):.2f} s")


if __name__ == "__main__":
    main()
