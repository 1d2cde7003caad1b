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
    for position, character in enumerate(line, 1):
        kind = unicodedata.category(character)
        if kind == "Cs":
            raise TextError(f"the text is not valid UTF-8 at character {position}; save it as UTF-8")
        if kind == "Cc":
            code = f"U+{ord(character):04X}"
            raise TextError(f"the text holds a control character ({code}) at character {position}; remove it")
    return line
