"""Text (str), and what a tokenizer knows -> the same text in letters that it knows, and what that loses.

A tokenizer is asked, sign by sign: nothing here knows which model it belongs to. What it knows stays as it
is; the rest is folded (Unicode's NFKC), written in words, or transliterated (anyascii).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bark_cli.model import signs
from bark_cli.model.sign_words import SignWords, sign_words

_MOST_ASKED = 5_000  # neighbourhoods of signs; of what comes after them the sign alone decides
_NEAR = 24  # characters of a neighbourhood on either side
_ENDLESS = re.compile(r"[^\W_]{65,}")  # BERT's tokenizer gives up at 100 letters
_STRETCH = 32
_GREEK = "\u0370-\u03ff\u1f00-\u1fff"
_UNSEEN = ("Cf", "Cc", "Mn", "Me", "Mc", "Zs", "Zl", "Zp")  # nothing that anybody would miss

Tokens = Callable[
    [Sequence[str]], Sequence[Sequence[str]]
]  # texts -> the tokens of each, as they are spelled


@dataclass(frozen=True)
class Loss:
    """What a model cannot read of a text."""

    left_out: tuple[str, ...] = ()  # signs and words
    latinised: tuple[
        str, ...
    ] = ()  # words of a script that it does not know, which are read in Latin letters
    is_total: bool = False  # nothing is left that anybody would take for this text

    def __bool__(self) -> bool:
        return bool(self.left_out or self.latinised or self.is_total)


class Speller:
    """Writes texts for one tokenizer."""

    def __init__(self, tokens: Tokens, unknown: str = "[UNK]") -> None:
        self._tokens, self._unknown = tokens, unknown
        self._known: dict[str, bool] = {}  # characters by themselves
        self._heard: dict[tuple[str, int, int], bool] = {}
        self._said: dict[str | None, SignWords] = {}  # by language

    def spell(self, text: str, language: str | None = None) -> str:
        """The text with what the tokenizer does not know written in what it knows, where there is a way.

        Signs become words of the language, such as de.
        """
        return self._spell(text, language)[0]

    def loss(self, text: str, language: str | None = None) -> Loss:
        """What of a text is not read, or not as it stands."""
        spelled, left_out = self._spell(text, language)
        [tokens] = self._tokens([spelled])
        if self._unknown in tokens:
            words = spelled.split()
            insides = self._tokens(words)
            left_out += [w for w, inside in zip(words, insides, strict=True) if self._unknown in inside]
        strange = self._of_other_scripts(text)
        words = re.findall(r"\w+", text) if strange else []
        words = [word for word in words if strange & set(word)]
        return Loss(tuple(dict.fromkeys(left_out)), tuple(words), not self.can_read(text, tokens))

    def can_read(self, text: str, tokens: Sequence[str]) -> bool:
        """Whether the tokens of a text hold letters or a sound, and most letters are of a known script."""
        if not any(t != self._unknown and (t == "♪" or any(map(str.isalnum, t))) for t in tokens):
            return False
        strange = self._of_other_scripts(text)
        return not strange or 2 * sum(c in strange for c in text) <= sum(map(str.isalnum, text))

    def _of_other_scripts(self, text: str) -> set[str]:
        """Letters of a script that the tokenizer does not know; one that stands alone, as α, is a sign."""
        unknown = {c for c in self._unknown_in(text) if _is_of_another_script(c)}
        return unknown & set(_LONE_GREEK.sub("", text)) if unknown else unknown

    def _words(self, language: str | None) -> SignWords:
        """How signs are said in a language, in letters that are known; in English where its script is not."""
        if language not in self._said:
            words = sign_words(language)
            unknown = self._unknown_in(words.alphabet)
            if any(map(_is_of_another_script, unknown)):
                words, unknown = sign_words("en"), set()
            if unknown:
                from anyascii import anyascii

                plain = {ord(letter): anyascii(letter) for letter in unknown}
                words = words.written(lambda word: word.translate(plain))
            self._said[language] = words
        return self._said[language]

    def _spell(self, text: str, language: str | None) -> tuple[str, list[str]]:
        """The text as the tokenizer reads it, and the signs for which there was no way."""
        left_out: list[str] = []
        text = _ENDLESS.sub(self._in_stretches, text)
        if not self._unknown_in(text):
            return text, left_out
        text, words = unicodedata.normalize("NFC", text), self._words(language)
        for pattern, write in _RULES:

            def written(match: re.Match[str], write: _Rule = write) -> str:
                if not self._is_lost(match):
                    return match.group()
                if (found := write(match, words)) is None:
                    left_out.append(match.group())
                return found or " "

            text = pattern.sub(written, text)
        return self._letter_by_letter(text, words, left_out), left_out

    def _in_stretches(self, match: re.Match[str]) -> str:
        """A word without an end, such as a checksum, as words that are not too long to be known."""
        word = match.group()
        if self._unknown not in self._tokens([word])[0]:
            return word
        return " ".join(word[n : n + _STRETCH] for n in range(0, len(word), _STRETCH))

    def _letter_by_letter(self, text: str, words: SignWords, left_out: list[str]) -> str:
        """What no rule has written."""
        unknown = self._unknown_in(text)
        if not unknown:
            return text

        def written(match: re.Match[str]) -> str:
            character = match.group()
            if not self._is_lost(match):
                return character
            for found in _ways(character, match.string[: match.start()][-1:], words):
                if not self._unknown_in(found):
                    return found
            left_out.append(character)
            # apart from the word beside it, which it would make unknown, too
            return f" {character} " if self._tokens([character])[0] else " "

        return re.sub(f"[{re.escape(''.join(sorted(unknown)))}]", written, text)

    def _unknown_in(self, text: str) -> set[str]:
        """The characters that the tokenizer does not know by themselves."""
        if text.isascii():
            return set()
        new = [c for c in set(text) if not c.isascii() and c not in self._known]
        for character, tokens in zip(new, self._tokens(new), strict=True) if new else ():
            self._known[character] = self._is_known(character, tokens)
        return {c for c in set(text) if not self._known.get(c, True)}

    def _is_known(self, character: str, tokens: Sequence[str]) -> bool:
        if not tokens or self._unknown in tokens:
            return False
        return _bare(character) == character or "".join(tokens) != _bare(character)

    def _is_lost(self, match: re.Match[str]) -> bool:
        """Whether the tokenizer reads there what it would read without it: it may know "5 × 3" and no ×."""
        unknown = self._unknown_in(match.group())
        if not unknown or any(_needs_no_company(c) for c in unknown):
            return bool(unknown)
        begin, end = match.span(1 if match.lastindex else 0)
        start = max(0, begin - _NEAR)
        near = match.string[start : end + _NEAR]
        asked = (near, begin - start, end - start)
        if asked not in self._heard:
            if len(self._heard) >= _MOST_ASKED:
                return True
            before, after = near[: begin - start], near[end - start :]
            there, gone, apart = self._tokens([near, before + after, f"{before} {after}"])
            self._heard[asked] = self._unknown not in there and there not in (gone, apart)
        return not self._heard[asked]


def _needs_no_company(character: str) -> bool:
    """Whether what is not known alone is known nowhere: a letter, or a number below the line."""
    return (
        unicodedata.category(character)[0] in "LMCZ"
        or _bare(character) != character
        or "₀" <= character <= "₎"
    )


def _bare(character: str) -> str:
    """A sign without the stroke through it: a tokenizer that strips accents makes = of ≠."""
    return (
        unicodedata.normalize("NFD", character)[0] if unicodedata.category(character) == "Sm" else character
    )


def _ways(character: str, before: str, words: SignWords) -> list[str]:
    """How a character may be written, the best way first."""
    kind = unicodedata.category(character)
    if character in signs.HYPHENS:
        return ["" if character == "\u00ad" else "-"]
    if character in signs.DASHES:
        return ["—", "-"]
    if character in signs.APOSTROPHES:
        return ["'"]
    if character in signs.QUOTES:
        return ['"']
    if character in signs.MUTE or kind in _UNSEEN:
        return [" " if kind[0] == "Z" else ""]
    if (word := words.of(character)) is not None:
        return [f" {word} "]
    folded = unicodedata.normalize("NFKC", character).replace("\u2044", "/")
    if kind == "Nd":
        return [str(unicodedata.digit(character))]
    if kind[0] == "N" or (len(folded) > 1 and kind == "So"):
        return [f" {folded} "] if before.isalnum() or kind == "So" else [f"{folded} "]
    ways = [folded] if folded != character else []
    if kind[0] in "LP":
        from anyascii import anyascii

        ways += [anyascii(folded) or " "]
    if kind[0] == "P":
        return [", " if before else ""] if character in "•‣◦∙·・‧" else [way for way in ways if way.strip()]
    return ways


def _is_of_another_script(character: str) -> bool:
    """Whether it is a letter of none of the scripts that come from Latin."""
    if unicodedata.category(character) not in ("Lu", "Ll", "Lo", "Lt"):
        return False
    folded = unicodedata.normalize("NFKC", character)
    return character != "µ" and not folded.isascii() and "LATIN" not in unicodedata.name(folded[0], "")


def _raised(match: re.Match[str], words: SignWords) -> str | None:
    number = signs.raised(match.group(), match.string[: match.start()])
    return None if number is None else f" {words.power(number)} "


_LONE_GREEK = re.compile(rf"(?<![{_GREEK}])[{_GREEK}](?![{_GREEK}])")
_Rule = Callable[[re.Match[str], SignWords], str | None]  # None where there is no way
_RULES: tuple[tuple[re.Pattern[str], _Rule], ...] = (
    (re.compile("[⁰¹²³⁴-⁹⁺⁻ⁿ]+"), _raised),
    (re.compile("[₀-₉₊₋]+"), lambda match, _: match.group().translate(signs.SUBSCRIPTS)),
    (re.compile(r"(?<=\d)[ \u00a0]?[ºª]"), lambda *_: "°"),
    (re.compile(r"(?<=\d)\u2044(?=\d)"), lambda *_: "/"),
    (
        re.compile("([¢-¥฿\u20a0-\u20cf￠￡￥])[ \u00a0]?(\\d+(?:[.,]\\d+)*)"),
        lambda match, words: f" {match[2]} {words.of(match[1])}",
    ),
    (re.compile(r"[µμ]([A-Za-z])(?![^\W\d_])"), lambda match, words: f" {words.micro(match[1])} "),
    (_LONE_GREEK, lambda match, words: (name := words.letter(match.group())) and f" {name} "),
)
