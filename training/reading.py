"""How nano reads what is not written in words: rules that spell it out, as a part of its tokenizer.

A network of 5 million weights that sees digits has to learn arithmetic beside speech; one that sees words
does not. Each rule is a pattern (Oniguruma's) and what stands in its place, as tokenizers.normalizers.Replace
has them, so they travel in tokenizer.json and need no code of ours.
"""

from __future__ import annotations

from functools import cache

from tokenizers import Regex
from tokenizers.normalizers import Replace, Sequence

from training import letters, numerals, quantities, short_forms
from training.numerals import Rule

QUOTES = [("[‘’´`]", "'"), ("[“”„«»]", '"')]


def rules() -> list[Rule]:
    """All of them, in order."""
    parts = (short_forms, quantities, letters, numerals)
    return QUOTES + [rule for part in parts for rule in part.rules()]


def spelling() -> list[Replace]:
    """The rules as a tokenizer takes them."""
    return [Replace(Regex(pattern), words) for pattern, words in rules()]


@cache
def _reader() -> Sequence:
    return Sequence(spelling())


def spelled_out(text: str) -> str:
    """A text in words: what the teacher is to say."""
    words: str = _reader().normalize_str(text)
    return words
