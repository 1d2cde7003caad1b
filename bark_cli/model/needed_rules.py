"""A tokenizer's rules and the signs of a text -> those of the rules that can find anything in it.

nano reads numbers by a thousand rules, each a regular expression of Oniguruma's that takes 50 microseconds to
compile; a text without numbers needs a tenth of them. Whatever is not understood of a rule, it is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from functools import cache
from typing import Any

MANY = 64  # rules from which on leaving some out pays
DIGIT = r"\d"  # stands for any digit among signs
# what is escaped, a class, what begins a group, a count, letters before one that is counted; else a sign
_TOKEN = re.compile(
    r"\\.|\[\^?(?:\\.|[^\]\\])*\]|\(\?<?[=!]|\(\?[:>]|\(|\{[0-9]*,?[0-9]*\}|[A-Za-z ]{2,}(?![?*+{])|.",
    re.DOTALL,
)
_DENIALS = ("(?!", "(?<!")
_OPTIONAL = re.compile(r"[?*]|\{0*,|\{0+\}")
_PLACES_AND_KINDS = "AbBDGhHsSwWzZ"  # behind a backslash: nothing is known of what they match
_IN_CLASS = re.compile(r"\\u[0-9a-fA-F]{4}|\\.|.", re.DOTALL)
_MOST_IN_RANGE = 100


class _UnclearError(Exception):
    """A pattern holds what is not understood here."""


def needed(rules: Iterable[dict[str, Any]], signs: Set[str]) -> list[dict[str, Any]]:
    """Of rules (as in tokenizer.json) in their order those that may change a text of no other signs."""
    known, kept = _with_digits(signs), list[dict[str, Any]]()
    is_known = True  # which signs the text can have by now
    for rule in rules:
        is_replacing = rule["type"] == "Replace"
        if is_known and is_replacing and not _may_find(rule["pattern"], known):
            continue
        kept.append(rule)
        is_known = is_known and is_replacing
        if is_replacing:
            known |= _with_digits(set(rule["content"]))
    return kept


def _with_digits(signs: Set[str]) -> set[str]:
    # one that Python knows nothing of, for it is too new, may be a digit
    return {*signs, *([DIGIT] if any(c.isnumeric() or not c.isprintable() for c in signs) else [])}


def _may_find(pattern: dict[str, str], signs: Set[str]) -> bool:
    if "Regex" in pattern:
        return may_match(pattern["Regex"], signs)
    return set(pattern.get("String", "")) <= signs


def may_match(pattern: str, signs: Set[str]) -> bool:
    """Whether a regular expression can match in a text of these signs, or nobody here can tell."""
    try:
        return _Pattern(pattern, signs).can_match()
    except _UnclearError:
        return True


class _Pattern:
    """A regular expression, read once from its beginning to its end."""

    def __init__(self, pattern: str, signs: Set[str]) -> None:
        self._tokens, self._signs, self._at = _TOKEN.findall(pattern), signs, 0
        self._tokens.append("")  # the end

    def can_match(self) -> bool:
        can = self._any_branch()
        if self._tokens[self._at]:
            raise _UnclearError
        return can

    def _any_branch(self) -> bool:
        """Up to what closes the group, or the end."""
        can = self._branch()
        while self._tokens[self._at] == "|":
            self._at += 1
            can |= self._branch()
        return can

    def _branch(self) -> bool:
        """Whether all of it can be there."""
        tokens, can = self._tokens, True
        while (token := tokens[self._at]) not in ("|", ")", ""):
            self._at += 1
            there = self._group(token) if token[0] == "(" else _is_there(token, self._signs)
            while tokens[self._at][:1] in ("?", "*", "+", "{") and tokens[self._at] != "{":
                there |= _OPTIONAL.match(tokens[self._at]) is not None
                self._at += 1
            can &= there
        return can

    def _group(self, opening: str) -> bool:
        if opening == "(" and self._tokens[self._at] == "?":  # a name, or that capitals do not matter
            raise _UnclearError
        can = self._any_branch()
        if self._tokens[self._at] != ")":
            raise _UnclearError
        self._at += 1
        return can or opening in _DENIALS


def _is_there(token: str, signs: Set[str]) -> bool:
    if len(token) > 1 and token[0] not in "\\[{":  # letters in a row
        return set(token) <= signs
    one_of = _meant(token)
    return one_of is None or not one_of.isdisjoint(signs)


@cache
def _meant(token: str) -> frozenset[str] | None:
    """The signs that it matches; None where that is not known."""
    if token[0] == "[":
        return _of_class(token[1:-1])
    if token[0] != "\\":
        return None if token in (".", "^", "$") or len(token) > 1 else frozenset(token)
    if token == DIGIT:
        return frozenset([DIGIT])
    if token[1:] in _PLACES_AND_KINDS:
        return None
    if token[1:].isalnum():
        raise _UnclearError
    return frozenset(token[1:])


def _of_class(body: str) -> frozenset[str] | None:
    if "[" in body or "&&" in body or not body:
        raise _UnclearError
    written = _IN_CLASS.findall(body)
    items = [_of_item(item) for item in written]
    if body[0] == "^" or None in items:
        return None
    found, at = set[str](), 0
    signs: list[str] = [item for item in items if item is not None]
    while at < len(signs):
        is_range = written[at + 1 : at + 2] == ["-"] and at + 2 < len(signs)  # an escaped one is a sign
        low, high = signs[at], signs[at + 2] if is_range else ""
        if not high:
            found.add(low)
        elif DIGIT in (low, high) or not 0 <= ord(high) - ord(low) <= _MOST_IN_RANGE:
            return None
        else:
            found |= {chr(code) for code in range(ord(low), ord(high) + 1)}
        at += 3 if high else 1
    return frozenset(found)


def _of_item(item: str) -> str | None:
    """A sign in a class; None where it is none."""
    if len(item) == 6:
        return chr(int(item[2:], 16))
    if item[0] != "\\" or item == DIGIT:
        return item
    return None if item[1:].isalnum() or len(item) == 1 else item[1:]
