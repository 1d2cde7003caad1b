"""A yes-or-no question to the user at the terminal, before something is lost or begun."""

from __future__ import annotations

import sys

from bark_cli.cli.output import one_line
from bark_cli.errors import UsageError


def is_terminal() -> bool:
    """Whether a human can be asked, and can answer."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def confirm(question: str) -> bool:
    """Ask on stderr; anything but y or yes is no.

    Raises:
        UsageError: nobody is there to be asked.
    """
    if not is_terminal():
        raise UsageError(f"{question} There is no terminal to ask at; add -y to agree")
    sys.stderr.write(f"{one_line(question)} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
