"""A paragraph (str) -> its atoms: what is never cut without need, each with the space behind it.

An atom is a word, a Chinese or Japanese character with its marks, a [tag], ♪ lyrics ♪ or a spaced number.
"""

from __future__ import annotations

import re
import unicodedata
from enum import IntEnum

from bark_cli.text.tags import KNOWN, MAX_TAG, PAUSE


class Break(IntEnum):
    """How natural a pause is at a place, the most natural last."""

    INSIDE = 0  # within a word
    WORD = 1
    CLAUSE = 2
    SENTENCE = 3
    PARAGRAPH = 4
    END = 5


_WIDE = (  # Chinese and Japanese letters, and those of full width
    "\u2e80-\u2fff\u3003-\u3007\u3012\u3013\u301c-\u312f\u3190-\u9fff\uf900-\ufaff"
    "\uff10-\uff3a\uff41-\uff5a\uff66-\uff9f\U00020000-\U000323af"
)
_WIDE_OPEN = "「『（《〈【〔［｛“‘"
_WIDE_CLOSE = "、。，！？：；」』）》〉】〕］｝”’…—～ーぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ々・"
_SPECIAL = _WIDE + _WIDE_OPEN[:-2] + "\\[♪"
_ATOM = re.compile(
    rf"""(?: \[[^\[\]]{{1,{MAX_TAG}}}\]                                  # a tag
           | ♪[^♪]*♪                                                     # lyrics
           | [$€£¥]?\d{{1,3}}(?:[ \u00a0\u202f]\d{{3}}){{1,4}}(?!\d)[^\s{_SPECIAL}]{{0,9}}  # 1 000 000
           | \d+(?:[，．：]\d+)+                                          # digits of a Chinese typewriter
           | [{_WIDE_OPEN}]{{0,4}}[{_WIDE}][{_WIDE_CLOSE}]*
           | [^\s{_SPECIAL}—…]+[—…]*                                      # a word, with its dash
           | \[+(?![^\[\]]{{1,{MAX_TAG}}}\])                                # brackets that open no tag
           | . )\s*""",
    re.VERBOSE | re.DOTALL,
)
_STRETCH = 16  # characters of an overlong word that are measured together
_NUMBER_MARKS = ".,:/'’．，："
_LONGEST_NUMBER = 64  # characters; more digits are noise
_LYRIC_WORD = re.compile(r"(?:♪\s*)?[^\s♪]+(?:\s*♪)?\s*")
_WORD = re.compile(r"\S+\s*")
_CLAUSE_END = re.compile(r"[,;:—–…、，；：،؛।.!?。！？♪][\"'”’»›」』）】》〉)\]}]*$")
_NO_END = re.compile(r"(?:^|[^\w])[\w]{1,3}\.$|\.\w+\.$")  # "Dr.", "z. B.", "p.m."


def atoms(paragraph: str) -> list[str]:
    """The atoms in order; joined they are the paragraph."""
    lead = len(paragraph) - len(paragraph.lstrip())
    found: list[str] = []
    for match in _ATOM.finditer(paragraph, lead):
        if found and not is_tag(found[-1]) and joins(found[-1][-1], match.group()[0]):
            found[-1] += match.group()  # an accent after a space, say
        else:
            found.append(match.group())
    if lead and found:
        found[0] = paragraph[:lead] + found[0]
    return found or [paragraph]


def is_tag(atom: str) -> bool:
    """Whether the atom is a tag and may not be cut at all; what else stands in brackets is words."""
    core = atom.strip()
    return core in KNOWN or PAUSE.fullmatch(core) is not None


def finer(atom: str) -> list[str]:
    """What an atom too long for a piece falls into: words of lyrics or of an aside, else some characters.

    Numbers and graphemes stay whole, unless the atom is one number; [atom] if it cannot be cut.
    """
    core = atom.strip()
    if is_tag(core) or not core:
        return [atom]
    parts = _words(core) if core[0] in "♪[" else []
    for step, numbers_too in ((_STRETCH, False), (1, False), (1, True)):
        parts = parts if len(parts) > 1 else _stretches(core, step, numbers_too)
    parts[0] = atom[: len(atom) - len(atom.lstrip())] + parts[0]
    parts[-1] += atom[len(atom.rstrip()) :]
    return parts


def _words(core: str) -> list[str]:
    """The words of lyrics or of an aside, none beginning with a mark that belongs to what is before it."""
    words: list[str] = []
    for word in (_LYRIC_WORD if core[0] == "♪" else _WORD).findall(core):
        if words and joins(words[-1][-1], word[0]):
            words[-1] += word
        else:
            words.append(word)
    return words


def _stretches(core: str, step: int, numbers_too: bool) -> list[str]:
    """Consecutive parts of `step` characters, or of a few more where no cut is allowed."""
    parts: list[str] = []
    start = 0
    while start < len(core):
        end = start + step
        while end < len(core) and not _may_cut(core, start, end, numbers_too):
            end += 1
        parts.append(core[start:end])
        start = end
    return parts


def _may_cut(core: str, start: int, at: int, numbers_too: bool) -> bool:
    """Whether a part that begins at `start` may end before core[at]."""
    before, character = core[at - 1], core[at]
    if not numbers_too and at - start < _LONGEST_NUMBER and _in_number(core, at):
        return False
    if _is_flag(before) and _is_flag(character):  # flags are pairs of letters
        flags = at - start
        while start < at and not _is_flag(core[start]):
            start, flags = start + 1, flags - 1
        return flags % 2 == 0
    return not joins(before, character)


def _in_number(core: str, at: int) -> bool:
    before, character = core[at - 1], core[at]
    if before.isdigit():
        return character.isdigit() or (character in _NUMBER_MARKS and core[at + 1 : at + 2].isdigit())
    return before in _NUMBER_MARKS and character.isdigit() and core[at - 2 : at - 1].isdigit()


def _is_flag(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def joins(before: str, character: str) -> bool:
    """Whether two characters are parts of one (after Unicode's UAX 29, of which this is the greater part)."""
    if character.isascii():
        return before == "\r" and character == "\n"
    if before in "\u200d\u094d" or "\U0001f3fb" <= character <= "\U0001f3ff" or character in "\u200d\u200c":
        return True
    if "\u1160" <= character <= "\u11ff":  # the vowel or the coda of a Korean syllable
        return "\u1100" <= before <= "\u11ff" or "\uac00" <= before <= "\ud7a3"
    return unicodedata.category(character)[0] == "M" or "\U000e0020" <= character <= "\U000e007f"


def break_after(atom: str, following: str) -> Break:
    """How natural a pause is between two atoms of one sentence."""
    core = atom.rstrip()
    spaced = len(core) < len(atom)
    wide = not spaced and bool(core) and _is_wide(core[-1])
    pause = _CLAUSE_END.search(core[-8:]) and not _NO_END.search(core[-8:])
    if pause and (spaced or wide or core[-1] in "—…"):
        return Break.CLAUSE
    if spaced:
        return Break.WORD
    if "\u3040" <= core[-1:] <= "\u309f" and not "\u3040" <= following[:1] <= "\u309f":
        return Break.WORD  # in Japanese a particle ends the phrase: the next begins with another script
    return Break.INSIDE


def _is_wide(character: str) -> bool:
    return character in _WIDE_CLOSE or "\u2e80" <= character <= "\u9fff"


def words_in(atom: str) -> float:
    """Words an atom counts for: a Chinese character is half a word, a tag or a mark none."""
    core = atom.strip()
    if core.startswith("♪"):
        return len(core.split())
    if is_tag(core) or not any(map(str.isalnum, core)):
        return 0.0
    return 0.5 if len(core) <= 3 and "\u2e80" <= core.strip(_WIDE_OPEN + _WIDE_CLOSE)[:1] <= "\u9fff" else 1.0
