"""A language (its two letters) -> what a reader of it says for a sign: Bark's thirteen, English for others.

The words themselves are in sign_words.toml.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

_SAME = str.maketrans("⩽⩾≅⟶➔➜➡⋅∙￥￠￡", "≤≥≈→→→→××¥¢£")
_GREEK = "αβγδεζηθικλμνξοπρστυφχψω"


@dataclass(frozen=True)
class SignWords:
    """How signs are said in one language."""

    words: Mapping[str, str]
    letters: Mapping[str, str]  # Greek ones

    def of(self, sign: str) -> str | None:
        """The word for a sign; None if it has none that anyone would say."""
        sign = sign.translate(_SAME)
        if sign in self.words:
            return self.words[sign]
        kind, name = unicodedata.category(sign), unicodedata.name(sign, "").lower()
        if kind not in ("Sc", "Sm") or unicodedata.normalize("NFKC", sign).isascii():
            return None
        if kind == "Sc":
            return name.removesuffix(" sign")
        return re.sub(r"\b(?:n ary |sign|operator)\b", "", name.replace("-", " ")).strip() or None

    def power(self, number: str) -> str:
        """What a raised number says: 2 or -3 behind what it is a power of; 2- or + is an ion's charge."""
        if number[-1] in "+-":
            return f"{number[:-1]} {'+' if number[-1] == '+' else self.words['-']}".strip()
        named = self.words.get({"2": "²", "3": "³"}.get(number, ""))
        minus = f"{self.words['-']} "
        return named or self.words["^"].format(number.replace("-", minus).replace("+", ""))

    def micro(self, unit: str) -> str:
        """A millionth of a unit that is written as one letter."""
        unit = unit.replace("L", "l")
        return self.words.get(f"µ{unit}") or self.words["µ"] + unit

    def letter(self, letter: str) -> str | None:
        """The name of a Greek letter that stands by itself, as in α: alpha; None for what is not one."""
        return self.letters.get(unicodedata.normalize("NFKD", letter)[0].lower().replace("ς", "σ"))

    @property
    def alphabet(self) -> str:
        """All that its words are written in."""
        return "".join(sorted({*"".join(self.words.values()), *"".join(self.letters.values())}))

    def written(self, write: Callable[[str], str]) -> SignWords:
        """The same with every word written in another way."""
        words = {sign: write(word) for sign, word in self.words.items()}
        return SignWords(words, {letter: write(name) for letter, name in self.letters.items()})


def sign_words(language: str | None) -> SignWords:
    """How signs are said in a language, such as de; in English where it is not one of Bark's."""
    from bark_cli.system import toml  # most texts have no sign to say

    known = toml.loads((Path(__file__).parent / "sign_words.toml").read_text("utf-8"))
    said = known.get(language or "en", known["en"])
    entries = (entry.split(None, 1) for entry in re.split(r"[|\n]", said["signs"]) if entry.strip())
    words = {sign: word.strip() for sign, word in entries}
    return SignWords(words, dict(zip(_GREEK, said["greek"].split(), strict=True)))
