"""What a command prints: results on stdout, everything else as single lines on stderr."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from typing import Any


def print_json(result: Any) -> None:
    """One JSON value on stdout, in ASCII: a file name may hold bytes that are no UTF-8."""
    print(json.dumps(result, indent=2))


def note(message: str) -> None:
    """One line on stderr for the human at the terminal."""
    print(f"bark: {one_line(message)}", file=sys.stderr)


def one_line(message: str) -> str:
    """A message on one line, without the control characters that a file name may have carried into it."""
    line = " ".join(message.split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in line)


def abandon_stdout() -> None:
    """Nobody takes what we write any more: let what is still buffered go to nowhere.

    Else the interpreter would try once more at its end, complain, and leave with code 120.
    """
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
