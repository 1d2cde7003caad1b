"""How fast models spoke on this machine: remembered after each run, to say how long the next will take.

Kept in speeds.json in bark's home, as seconds of work per second of speech for a model, a device and a
precision. It is only a memory: where it cannot be read or written, nothing is known, and nobody is told.
"""

from __future__ import annotations

import json
from contextlib import suppress

from bark_cli.errors import BarkError
from bark_cli.store import bark_home
from bark_cli.system.files import write_whole

_FILE = "speeds.json"
_MOST = 100  # models


def remember_speed(model: str, device: str, precision: str, real_time_factor: float) -> None:
    """Keep what a run showed."""
    key = _key(model, device, precision)
    known = {name: factor for name, factor in _read().items() if name != key}
    latest = [*known.items(), (key, round(real_time_factor, 4))][-_MOST:]
    with suppress(BarkError, OSError):
        bark_home().mkdir(parents=True, exist_ok=True)
        write_whole(bark_home() / _FILE, json.dumps(dict(latest), indent=2).encode(), force=True)


def recall_speed(model: str, device: str, precision: str) -> float | None:
    """Seconds of work per second of speech when it last spoke here; None where nothing is known."""
    return _read().get(_key(model, device, precision))


def _key(model: str, device: str, precision: str) -> str:
    return f"{model} {device} {precision}"


def _read() -> dict[str, float]:
    with suppress(OSError, ValueError, AttributeError, RecursionError):
        found = json.loads((bark_home() / _FILE).read_bytes())
        return {str(key): float(value) for key, value in found.items() if 0 < float(value) < 1e6}
    return {}
