"""How fast models spoke on this machine: remembered after each run, to say how long the next will take.

Kept in speeds.json in bark's home: for a model, a device and a precision the seconds of work per second of
speech in the latest runs, and how many utterances at once paid. Of a short run most is what every run begins
with, and one run may have shared the machine with anything: so only those of SHORTEST_S and more count, by
their median.

It is only a memory: where it cannot be read or written, nothing is known, and no error is raised.
"""

from __future__ import annotations

import json
import math
from contextlib import suppress

from bark_cli.errors import BarkError
from bark_cli.store import bark_home
from bark_cli.system.files import write_whole
from bark_cli.system.ours import read_ours
from bark_cli.system.records import Bounds, parse_object

SHORTEST_S = 5.0  # of speech
_FILE, _START, _BATCH = "speeds.json", " start", "at once: "
_MOST, _RUNS = 100, 9  # models, and runs of each
_BOUNDS = Bounds(2**18, items=10_000, depth=2)


def remember_speed(model: str, device: str, precision: str, real_time_factor: float, speech_s: float) -> None:
    """Keep what a run of `speech_s` seconds showed, if it was long enough to show anything."""
    if speech_s >= SHORTEST_S:
        _remember(_key(model, device, precision), real_time_factor)


def remember_start(model: str, device: str, precision: str, seconds: float) -> None:
    """Keep how many seconds a run took before it began to speak."""
    _remember(_key(model, device, precision) + _START, seconds)


def remember_batch(kind: str, count: int) -> None:
    """Keep how many sequences at once paid, on a machine and for a model of that kind."""
    _remember(_BATCH + kind, count)


def recall_batch(kind: str) -> int | None:
    """How many sequences at once pay there; None where it was not tried."""
    count = _usual(_BATCH + kind)
    return None if count is None else max(1, round(count))


def _remember(key: str, value: float) -> None:
    if not _is_speed(value):
        return
    known = _read()
    runs = [*known.pop(key, []), round(value, 4)][-_RUNS:]
    latest = [*known.items(), (key, runs)][-_MOST:]
    with suppress(BarkError, OSError):
        bark_home().mkdir(parents=True, exist_ok=True)
        data = json.dumps(dict(latest), indent=2).encode()
        write_whole(bark_home() / _FILE, data, force=True, follow=False, synced=False)


def recall_speed(model: str, device: str, precision: str) -> float | None:
    """Seconds of work per second of speech, by the latest runs here; None where nothing is known."""
    return _usual(_key(model, device, precision))


def recall_start(model: str, device: str, precision: str) -> float | None:
    """Seconds before it begins to speak, by the latest runs here; None where nothing is known."""
    return _usual(_key(model, device, precision) + _START)


def _usual(key: str) -> float | None:
    from statistics import median

    runs = _read().get(key)
    return median(runs) if runs else None


def _key(model: str, device: str, precision: str) -> str:
    return f"{model} {device} {precision}"


def _read() -> dict[str, list[float]]:
    """The runs of each; what is damaged is left out, and gone with the next that is written."""
    with suppress(OSError, ValueError, BarkError):
        data = read_ours(bark_home() / _FILE, _BOUNDS.bytes)
        found = {} if data is None else parse_object(data, _BOUNDS)
        # one number: as it was kept before
        runs = {name: value if isinstance(value, list) else [value] for name, value in found.items()}
        speeds = {name: [float(one) for one in kept if _is_speed(one)] for name, kept in runs.items()}
        return {name: kept[-_RUNS:] for name, kept in speeds.items() if kept}
    return {}


def _is_speed(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 < value < 1e6 and math.isfinite(value)
