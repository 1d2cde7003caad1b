"""Where the text of a command comes from: arguments, a file, or a pipe -> the script to say, tags checked."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from bark_cli.cli.output import note
from bark_cli.errors import TextError, UsageError

if TYPE_CHECKING:
    from bark_cli.text.reading import Reading
    from bark_cli.text.script import Script

STDIN = "-"


def as_script(text: str, name: str | None, reading: Reading, *, quiet: bool = False) -> Script:
    """What to say of a text, and of the file of that name if it was one.

    Raises:
        TextError: the text is not what it should be, or holds an unknown tag and must not.
        OptionError: a cast for what is not a script.
    """
    from bark_cli.text.reading import unknown_tags

    if not text.strip():
        raise TextError('the text is empty; give some words, as in: bark say "Hello"')
    script = reading.script(text, name)
    reading.check_cast(script, name or "the text")
    if not quiet:
        for problem in unknown_tags(script):
            note(str(problem))
    return script


def read_text(
    words: Sequence[str], file: str | None, encoding: str | None = None
) -> tuple[str, str | None] | None:
    """The text of the words, else of `file`, else of the pipe into us (`-` names it), and the file's name.

    None if there is none.

    Raises:
        UsageError: words and a file are both given.
        TextError: the file cannot be read, is too large, or is no text of that encoding.
    """
    if words and file is not None:
        raise UsageError("the text is given twice, as words and with -f; give one of them")
    if file not in (None, STDIN):
        return _read_file(Path(str(file)), encoding), str(file)
    if words and list(words) != [STDIN]:
        return " ".join(map(_typed, words)), None
    asked_for = file == STDIN or bool(words)
    if sys.stdin is None and asked_for:
        raise UsageError("- reads from a pipe, and standard input is closed; pipe a text in, or give -f FILE")
    if sys.stdin is None or (sys.stdin.isatty() and not asked_for):
        return None
    from bark_cli.text.documents import MAX_BYTES, decode

    return decode(sys.stdin.buffer.read(MAX_BYTES + 1), encoding, source="standard input"), None


def _typed(word: str) -> str:
    """A word as it was typed in UTF-8, also where Python took the terminal for one of ASCII alone."""
    with suppress(UnicodeError):
        return os.fsencode(word).decode("utf-8")
    return word


def _read_file(path: Path, encoding: str | None) -> str:
    from bark_cli.text.documents import MAX_BYTES, decode

    try:
        with path.open("rb") as stream:
            return decode(stream.read(MAX_BYTES + 1), encoding, source=str(path))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise TextError(f"cannot read text file {path}: {reason}; check the name given to -f") from error
