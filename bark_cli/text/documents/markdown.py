"""Markdown (str) -> paragraphs (line number, plain text) as a person would read them aloud.

Headings, list items and rows of tables become sentences; links are their words, images their alternative
text. Blocks of code, comments, footnotes and addresses are passed over. Parsed by markdown-it-py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it.token import Token

_FOOTNOTE = re.compile(r"\[\^[^\]\s]{1,64}\]")
_FOOTNOTE_TEXT = re.compile(r"\[\^[^\]\s]{1,64}\]:")
_ADDRESS = re.compile(r"(?:https?://|www\.)[^\s<>]+", re.IGNORECASE)
_STOPS = ".!?:;,…。！？：；、।♪—"
_CLOSING = "\"'”’»)]}」』"
_DEEP = 100  # blocks within blocks; the parser would drop those below the 20th


def read_markdown(text: str) -> list[tuple[int, str]]:
    """Paragraphs with the line (from 1) each begins at; none is empty."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"maxNesting": _DEEP}).enable(["table", "strikethrough"])
    found: list[tuple[int, str]] = []
    for number, spoken in _blocks(parser.parse(text)):
        words = " ".join(spoken.split())
        if any(character.isalnum() for character in words):
            found.append((number, words))
    return found


def _blocks(tokens: Sequence[Token]) -> Iterator[tuple[int, str]]:
    """What is said of each block, in order; a table's row is one."""
    numbers: list[
        int | None
    ] = []  # of the lists we are in: the next item's number, None where they have none
    cells: list[str] | None = None  # of the row we are in
    mark = ""  # what is read before an item
    heading = False
    for token in tokens:
        if token.type in ("ordered_list_open", "bullet_list_open"):
            numbers.append(int(token.attrGet("start") or 1) if token.type.startswith("ordered") else None)
        elif token.type in ("ordered_list_close", "bullet_list_close"):
            numbers.pop()
        elif token.type == "list_item_open":
            mark, numbers[-1] = _next_item(numbers[-1])
        elif token.type in ("heading_open", "paragraph_open"):
            heading = token.type == "heading_open"
        elif token.type == "tr_open":
            cells, line = [], _line(token)
        elif token.type == "tr_close" and cells is not None:
            yield line, _ended(", ".join(filter(None, cells)))
            cells = None
        elif token.type == "inline" and cells is not None:
            cells.append(" ".join(_spoken(token).split()))
        elif token.type == "inline" and not _FOOTNOTE_TEXT.match(token.content):
            words = mark + _spoken(token).strip()
            yield _line(token), _ended(words) if heading or numbers else words
            mark = ""


def _next_item(number: int | None) -> tuple[str, int | None]:
    """What is read before an item of that number, and the number of the one after it."""
    return ("", None) if number is None else (f"{number}. ", number + 1)


def _line(token: Token) -> int:
    return token.map[0] + 1 if token.map else 1


def _ended(words: str) -> str:
    """The words as a sentence."""
    words = words.rstrip()
    return words if not words or words.rstrip(_CLOSING)[-1:] in _STOPS else words + "."


def _spoken(inline: Token) -> str:
    """The words of a block: no marks, no addresses, no comments."""
    words: list[str] = []
    for token in inline.children or []:
        if token.type in ("text", "code_inline"):
            words.append(token.content)
        elif token.type == "image":
            words.append(_spoken(token))
        elif token.type in ("softbreak", "hardbreak") or token.content.lower().startswith("<br"):
            words.append(" ")
    return _ADDRESS.sub(_host, _FOOTNOTE.sub("", "".join(words)))


def _host(address: re.Match[str]) -> str:
    """Of an address a person reads no more than whose it is."""
    whole = address.group().rstrip(".,;:!?)]")
    after = address.group()[len(whole) :]
    rest = re.sub(r"^(?:https?://)?(?:www\.)?", "", whole, flags=re.IGNORECASE)
    return re.split("[/?#:]", rest, maxsplit=1)[0] + after
