"""Plain text (str) -> blocks (line number, text) without what is not read aloud: marks of footnotes, bullets.

Items of lists and headings become blocks of their own; all else stays together, with its line breaks in it.
"""

from __future__ import annotations

import html
import html.entities
import re
from collections.abc import Iterable, Iterator

from bark_cli.errors import TextError
from bark_cli.text.documents.passed import PassedOver

Block = tuple[int, str]  # the number of its first line, from 1, and what is said

ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_ESCAPE = re.compile(r"\x1b(?:\[[0-9;?]{0,16}[ -/]?[@-~]|\][^\x07\x1b\n]{0,999}(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")
_NUMBERS = r"\d{1,3}(?:\s?[,;–-]\s?\d{1,3}){0,20}"
_MARK = re.compile(
    rf"[ \t]?\[(?:\^[^\]\s]{{1,64}}|{_NUMBERS}|(?:note|nb|fn) ?\d{{1,3}}|citation needed)\](?!\()"
    rf"(?:[,;–—-](?=\[{_NUMBERS}\]))?"  # between two of them, as in [4]-[6]
    r"|(?<=[\w.,;:!?)\"'”’])\[[a-z]\](?!\()",
    re.IGNORECASE,
)
_NOTE_TEXT = re.compile(r"[ \t]{0,3}\[\^[^\]\s]{1,64}\]:")
_CUT_WORD = re.compile(r"(?<![^\W\d_])([^\W\d_]+)[-\u2010\u00ac\u00ad][ \t]*\n[ \t]*([^\W\d_][^\s]*)[ \t]?")
_KEEPS_HYPHEN_NAMES = (
    "twenty thirty forty fifty sixty seventy eighty ninety well self ex non co half all cross high low "
    "long short anti semi mid great mother father brother sister son daughter old new one two three "
    "four five six seven eight nine ten hard soft first second third so "
)
_KEEPS_HYPHEN = frozenset(_KEEPS_HYPHEN_NAMES.split())
_BULLET = re.compile(r"[ \t]*(?:[-*+•‣◦▪▫●○■□–—·∙]|\(?(?:\d{1,3}|[a-zA-Z])[.)])[ \t]+(?=\S)")
_SIGN = re.compile(r"[ \t]*[-*+•‣◦▪▫●○■□–—·∙][ \t]+")
_RULE = re.compile(r"[ \t]*(?:={3,}|-{3,}|~{3,}|_{3,}|\*{3,})[ \t]*")
_CHAPTER = re.compile(
    r"(?:chapter|part|section|book|act|scene|prologue|epilogue|introduction|preface|appendix|kapitel|teil|"
    r"chapitre|partie|capítulo|parte|capitolo)\b|[IVXLC]{1,7}\. |\d{1,2}(?:\.\d{1,2})*\.? (?=[^\W\d_])",
    re.IGNORECASE,
)
_LONGEST_HEADING = 70  # characters
STOPS = ".!?:;,…。！？：；、।♪—"
CLOSING = "\"'”’»)]}」』"


def without_controls(text: str, passed: PassedOver) -> str:
    """The text without control characters and the escapes of terminals, told with their places.

    Raises:
        TextError: it holds half of a character.
    """
    if half := re.search("[\ud800-\udfff]", text):
        number = text.count("\n", 0, half.start()) + 1
        column = half.start() - text.rfind("\n", 0, half.start())
        raise TextError(f"the text is not valid UTF-8 at line {number}, column {column}; save it as UTF-8")
    text = re.sub(r"\r\n?", "\n", text)
    return _dropped(_CONTROL, _dropped(_ESCAPE, text, passed), passed) if _CONTROL.search(text) else text


def check_controls(text: str) -> None:
    """Find out whether a text has no control characters.

    Raises:
        TextError: it has one; the message says where.
    """
    if found := _CONTROL.search(text):
        number, column = (
            text.count("\n", 0, found.start()) + 1,
            found.start() - text.rfind("\n", 0, found.start()),
        )
        code = f"U+{ord(found.group()):04X}"
        raise TextError(f"the text holds a control character ({code}) at line {number}, column {column}")


def _dropped(pattern: re.Pattern[str], text: str, passed: PassedOver) -> str:
    number, at = 1, 0

    def drop(match: re.Match[str]) -> str:
        nonlocal number, at
        number, at = number + text.count("\n", at, match.start()), match.start()
        column = at - text.rfind("\n", 0, at)
        passed.add("control characters", number, f"U+{ord(match.group()[0]):04X} in column {column}")
        return ""

    return pattern.sub(drop, text)


def unescaped(text: str) -> str:
    """The text with the entities of HTML, such as &nbsp;, as the characters that they are."""
    return ENTITY.sub(_character, text) if "&" in text else text


def _character(match: re.Match[str]) -> str:
    """The character of an entity; &notit; is none, though HTML takes its beginning for ¬."""
    entity = match.group()
    known = entity[1] == "#" or entity[1:] in html.entities.html5
    return html.unescape(entity) if known else entity


def without_marks(text: str, passed: PassedOver, number: int = 1) -> str:
    """The text without references such as [1] and [^note]."""
    if "[" not in text:
        return text
    at = 0

    def drop(match: re.Match[str]) -> str:
        nonlocal at, number
        number += text.count("\n", at, match.start())
        at = match.start()
        passed.add("marks of footnotes and sources", number, match.group().strip())
        return ""

    return _MARK.sub(drop, text)


def read_plain(text: str, passed: PassedOver) -> list[Block]:
    """What is said of a plain text, in order."""
    text = "\n".join(without_notes(unescaped(text).split("\n"), passed))
    text = _joined_words(without_marks(text, passed))
    return [(number, said) for number, said in _blocks(text.split("\n")) if said.strip()] or [(1, text)]


def _joined_words(text: str) -> str:
    """The text with words whole that were cut at the end of a line; the lines stay where they are."""

    def whole(match: re.Match[str]) -> str:
        head, tail = match[1], match[2]
        stem = re.match(r"\w*", tail)
        keeps = head.lower() in _KEEPS_HYPHEN or tail[0].isupper() or len(head) < 2
        hyphenated = f"{head}-{stem[0] if stem else tail}"
        return f"{head}{'-' if keeps or hyphenated in text else ''}{tail}\n"

    return _CUT_WORD.sub(whole, text) if "\n" in text else text


def _blocks(rows: list[str]) -> Iterator[Block]:
    """Items of lists, headings, and what stands between them."""
    begun, kept = 1, list[str]()
    n = 0
    while n < len(rows):
        taken = _item(rows, n) or _heading(rows, n)
        if taken is None:
            kept.append("" if _RULE.fullmatch(rows[n]) else rows[n])
            n += 1
            continue
        if kept:
            yield _trimmed(begun, kept)
        yield n + 1, ended(_SIGN.sub("", " ".join(row.strip() for row in rows[n : n + taken]), count=1))
        n += taken
        begun, kept = n + 1, []
    if kept:
        yield _trimmed(begun, kept)


def _trimmed(number: int, rows: list[str]) -> Block:
    blank = next((n for n, row in enumerate(rows) if row.strip()), 0)
    return number + blank, "\n".join(rows[blank:]).rstrip()


def _item(rows: list[str], n: int) -> int | None:
    """How many rows an item of a list has that begins here; None if none does."""
    if not _BULLET.match(rows[n]) or _RULE.fullmatch(rows[n]):
        return None
    # a number at the head of a line of prose is none: "of\n1987. He", and neither is a lone initial
    if not _SIGN.match(rows[n]) and not _has_neighbour(rows, n):
        return None
    end = n + 1
    while end < len(rows) and rows[end].strip() and not _BULLET.match(rows[end]):
        if not (rows[end][0].isspace() or rows[end][0].islower()):
            break
        end += 1
    return end - n


def _has_neighbour(rows: list[str], n: int) -> bool:
    """Whether what stands before or after an item is one, or nothing."""
    before = rows[n - 1] if n else ""
    following = next((row for row in rows[n + 1 : n + 4] if row.strip()), "")
    return (not before.strip() or bool(_BULLET.match(before))) or bool(_BULLET.match(following))


def _heading(rows: list[str], n: int) -> int | None:
    """1 if this row is a heading with its text right after it; None if it is not a heading."""
    row, following = rows[n].strip(), rows[n + 1].strip() if n + 1 < len(rows) else ""
    if not row or not following or (n and rows[n - 1].strip()) or len(row) > _LONGEST_HEADING:
        return None
    if row.rstrip(CLOSING)[-1:] in STOPS or not any(map(str.isalpha, row)):
        return None
    if _RULE.fullmatch(rows[n + 1]):
        return 1
    if following[0].islower():
        return None
    long = [word for word in re.findall(r"[^\W\d_]+", row) if len(word) > 3]
    is_titled = bool(long) and all(word[0].isupper() for word in long) and len(row) < len(following)
    return 1 if row.isupper() or _CHAPTER.match(row) or is_titled else None


def ended(words: str) -> str:
    """The words as a sentence."""
    words = words.rstrip()
    return words if not words or words.rstrip(CLOSING)[-1:] in STOPS else words + "."


def without_notes(rows: Iterable[str], passed: PassedOver) -> list[str]:
    """The rows, with those of footnotes' texts blank."""
    found: list[str] = []
    inside = False
    for number, row in enumerate(rows, 1):
        if _NOTE_TEXT.match(row):
            passed.add("footnotes", number)
            inside = True
        elif not row.strip() or not row[0].isspace():
            inside = False
        found.append("" if inside else row)
    return found
