"""What a command prints: results on stdout, everything else as single lines on stderr."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from typing import Any

_SHOWN = 40  # characters of a text


def print_json(result: Any) -> None:
    """One JSON value on stdout, in ASCII: a file name may hold bytes that are not UTF-8."""
    print(json.dumps(result, indent=2))


def note(message: str) -> None:
    """One line on stderr for the human at the terminal."""
    print(f"bark: {one_line(message)}", file=sys.stderr)


def is_watched() -> bool:
    """Whether a human sees what is written on stderr."""
    return sys.stderr is not None and sys.stderr.isatty()


def one_line(message: str) -> str:
    """A message on one line, without the control characters that a file name may have carried into it."""
    line = " ".join(message.split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in line)


def in_doubt(start_s: float, text: str, reason: str | None) -> str:
    """Where in a file a piece is that may be wrong, and why: at 1:05.2 "It was" is in doubt: it is silent."""
    begins = f'"{text[:_SHOWN].rstrip()}..."' if len(text) > _SHOWN else f'"{text}"'
    return f"at {int(start_s // 60)}:{start_s % 60:04.1f} {begins} is in doubt: {reason}"


def abandon_stdout() -> None:
    """Nobody takes what we write any more: let what is still buffered go to nowhere.

    Else the interpreter would try once more at its end, complain, and leave with code 120.
    """
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
