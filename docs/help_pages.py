"""The help of every command, as `bark COMMAND --help` prints it -> docs/commands.md.

python docs/help_pages.py    # writes the page anew; tests/test_docs.py says when that is due
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from bark_cli.cli.app import app

PAGE = Path(__file__).parent / "commands.md"
_COLUMNS = 100
_HEAD = (
    "# All commands\n\nWhat `--help` prints. Made by `python docs/help_pages.py`; do not edit it by hand.\n"
)


def page() -> str:
    """The whole page."""
    sections = [f"## {path}\n\n```text\n{text}\n```\n" for path, text in help_pages()]
    return "\n".join([_HEAD, *sections])


def help_pages() -> Iterator[tuple[str, str]]:
    """(`bark cache rm`, its help) of each command and group, in the order of `bark --help`."""
    yield from _pages(typer.main.get_command(app), "bark", None)


def _pages(command: Any, path: str, parent: Any) -> Iterator[tuple[str, str]]:
    context = command.make_context(
        path if parent is None else path.rpartition(" ")[2],
        [],
        parent=parent,
        resilient_parsing=True,
        terminal_width=_COLUMNS,
        max_content_width=_COLUMNS,
    )
    yield path, command.get_help(context).rstrip()
    if hasattr(command, "list_commands"):
        for name in command.list_commands(context):
            yield from _pages(command.get_command(context, name), f"{path} {name}", context)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
