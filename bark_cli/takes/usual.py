"""How a model's voices spoke on this machine: pieces as they are said -> what is usual of each voice.

Kept in paces.json in bark's home, the latest pieces of every voice: what went wrong among them is outvoted,
and a voice that changed is soon known anew. It is only a memory: where it cannot be read or written, or holds
impossible values, nothing is known, and no error is raised.
"""

from __future__ import annotations

import atexit
import json
import threading
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

from bark_cli.errors import BarkError
from bark_cli.store import bark_home
from bark_cli.system.files import write_whole
from bark_cli.system.ours import read_ours
from bark_cli.system.records import Bounds, parse_object
from bark_cli.takes.expected import Heard, Usual, usual_of

_FILE = "paces.json"
_BOUNDS = Bounds(bytes=2**20)
_MOST_VOICES = 200
_MOST_PIECES = 64  # of a voice
_PACES = (0.05, 20.0)  # that somebody can have
_MOST_RUNS = 10_000.0


class Memory:
    """What is known of a model's voices.

    It is read once: what a voice says later in the same process is for the next one, so that what is said
    does not depend on what was said beside it.
    """

    def __init__(self, model: str, pace: float | None) -> None:
        self._model, self._pace = model, pace
        self._file = bark_home() / _FILE
        self._known = _read(self._file)
        self._new: dict[str, list[Heard]] = defaultdict(list)
        self._lock = threading.Lock()

    def usual(self, voice: str) -> Usual | None:
        """How the voice speaks; None where too little is known of it."""
        return usual_of(self._before(voice), self._pace)

    def wants(self, voice: str, seed: int) -> bool:
        """Whether a piece is worth measuring: all at first, and later one in four."""
        return len(self._before(voice)) + len(self._new[self._key(voice)]) < _MOST_PIECES or seed % 4 == 0

    def add(self, voice: str, heard: Heard) -> None:
        """Keep what a piece showed; it is written when the process ends."""
        with self._lock:
            if not self._new:
                atexit.register(self.save)
            self._new[self._key(voice)].append(heard)

    def save(self) -> None:
        """Write down what is new."""
        with self._lock:
            known = _read(self._file)
            for key, pieces in self._new.items():
                known[key] = (known.pop(key, []) + pieces)[-_MOST_PIECES:]
            self._new.clear()
        latest = list(known.items())[-_MOST_VOICES:]
        rows = {key: [[round(p.pace, 3), round(p.runs, 1)] for p in pieces] for key, pieces in latest}
        with suppress(BarkError, OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._file, json.dumps(rows).encode(), force=True, follow=False, synced=False)

    def _before(self, voice: str) -> list[Heard]:
        return self._known.get(self._key(voice), [])

    def _key(self, voice: str) -> str:
        return f"{self._model} {voice}"


def _read(file: Path) -> dict[str, list[Heard]]:
    """What the file says, without the pieces that cannot be."""
    with suppress(BarkError, OSError, ValueError):
        data = read_ours(file, _BOUNDS.bytes)  # no pipe that is never written to, and no link
        found = {} if data is None else parse_object(data, _BOUNDS)
        return {key: _pieces(rows) for key, rows in found.items()}
    return {}


def _pieces(rows: object) -> list[Heard]:
    pieces = []
    for row in rows if isinstance(rows, list) else []:
        with suppress(ValueError, TypeError):
            pace, runs = map(float, row)
            if _PACES[0] < pace < _PACES[1] and 0 <= runs < _MOST_RUNS:
                pieces.append(Heard(pace=pace, runs=runs))
    return pieces[-_MOST_PIECES:]
