"""What a user typed (str) -> text fit for the tokenizer: one line, single spaces, no control characters.

Whitespace as in suno-ai/bark, bark/generation.py, _normalize_whitespace.
"""

from __future__ import annotations

import re
import unicodedata

from bark_cli.errors import TextError


def normalise(text: str) -> str:
    """Collapse all whitespace to single spaces and strip the ends.

    Raises:
        TextError: nothing is left, or the text holds control characters or bytes that were not UTF-8.
    """
    line = re.sub(r"\s+", " ", text.removeprefix("\ufeff")).strip()
    if not line:
        raise TextError('the text is empty; give some words, as in: bark say "Hello"')
    if not line.isprintable():
        for number, row in enumerate(re.split(r"\r\n?|\n", text), 1):
            for column, character in enumerate(row, 1):
                _check(character, f"line {number}, column {column}")
    return line


def _check(character: str, where: str) -> None:
    kind = "" if character.isspace() else unicodedata.category(character)
    if kind == "Cs":
        raise TextError(f"the text is not valid UTF-8 at {where}; save it as UTF-8")
    if kind == "Cc":
        code = f"U+{ord(character):04X}"
        raise TextError(f"the text holds a control character ({code}) at {where}; remove it")
