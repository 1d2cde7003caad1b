"""Switches in the environment: the name of a variable -> whether it is on."""

from __future__ import annotations

import os

OFF = ("0", "false", "no", "off")


def is_on(variable: str) -> bool:
    """Whether a variable is set, and to none of the words in OFF, however they are written."""
    return os.environ.get(variable, "").strip().lower() not in ("", *OFF)
