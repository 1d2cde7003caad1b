"""Quantities as people read them: bytes -> "1.68 GB", a real-time factor -> "7.1x faster than real time"."""

from __future__ import annotations

import re

_BYTES = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?(|k|M|G|T)B?", re.IGNORECASE)


def parse_bytes(text: str) -> int:
    """The bytes that "256MB" or "1.5 GB" means; units are decimal, and B may be left out.

    Raises:
        ValueError: it means none.
    """
    found = _BYTES.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text} is not a size such as 256MB")
    return round(float(found[1]) * float(1000 ** ("kmgt".find(found[2].lower()) + 1 if found[2] else 0)))


def human_bytes(count: int) -> str:
    """Three digits and a decimal unit, as disks and hubs are labelled: 1.68 GB is 1,680,000,000 bytes."""
    if count < 1000:
        return f"{count} B"
    value = float(count)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1000
        if value < 999.5 or unit == "TB":
            break
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f} {unit}"


def human_speed(real_time_factor: float) -> str:
    """Seconds of work per second of speech -> which of the two is ahead, and by how much."""
    is_slower = real_time_factor > 1
    times = real_time_factor if is_slower else 1 / max(real_time_factor, 1e-4)
    if times < 1.05:
        return "as fast as real time"
    number = f"{times:.1f}" if times < 9.95 else f"{times:.0f}"
    return f"{number}x {'slower' if is_slower else 'faster'} than real time"
