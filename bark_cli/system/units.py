"""Quantities as people read them: bytes -> "1.68 GB"."""

from __future__ import annotations


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
