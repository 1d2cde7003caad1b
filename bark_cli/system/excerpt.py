"""A text -> as much of it as there is room for, on one line."""

from __future__ import annotations


def excerpt(text: str, width: int) -> str:
    """Its first characters, at most `width` with the … that stands for the rest; white space is one space."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"
