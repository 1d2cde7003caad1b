"""Numbers too long to be read as such (str) -> their digits one by one, in groups that can be cut apart."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

_WORD = re.compile(r"\S+")
_LONG = 0.6  # of what a model reads at once: such a number would leave no room for its sentence
_MANY_DIGITS = 12  # what has fewer is short in any words
_NAMELESS = 15  # digits; for what has more nobody knows the word
_GROUP = 4
_WORTH_IT = 5  # digits in a row; those of a year stay a number


def digits_apart(
    text: str, max_tokens: int, count_tokens: Callable[[Sequence[str], str], Sequence[int]], language: str
) -> str:
    """The text with the digits of overlong numbers, such as those of a card, apart: 4 9 2 9, 7 7 6 5.

    A number is overlong by what a model makes of it.
    """
    words = [word for word in set(_WORD.findall(text)) if sum(map(str.isdigit, word)) >= _MANY_DIGITS]
    counts = count_tokens(words, language) if words else []
    long = {word for word, count in zip(words, counts, strict=True) if _is_long(word, count, max_tokens)}
    if not long:
        return text
    return _WORD.sub(lambda m: _apart(m.group()) if m.group() in long else m.group(), text)


def all_apart(text: str) -> str:
    """The text with the digits of all its numbers apart."""
    return re.sub(r"\d{2,}", _grouped, re.sub(r"(?<=\w)([-/:.,_])(?=\w)", r"\1 ", text))


def _is_long(word: str, tokens: int, max_tokens: int) -> bool:
    return tokens > _LONG * max_tokens or sum(map(str.isdigit, word)) > _NAMELESS


def _apart(word: str) -> str:
    apart = re.sub(rf"\d{{{_WORTH_IT},}}", _grouped, word)
    return all_apart(word) if apart == word else apart


def _grouped(match: re.Match[str]) -> str:
    digits = match.group()
    before = " " if match.start() and match.string[match.start() - 1].isalpha() else ""
    after = " " if match.string[match.end() : match.end() + 1].isalpha() else ""
    groups = (digits[n : n + _GROUP] for n in range(0, len(digits), _GROUP))
    return before + ", ".join(" ".join(group) for group in groups) + after
