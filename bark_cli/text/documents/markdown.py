"""Markdown (str) -> paragraphs (line number, plain text) as a person would read them aloud.

Headings, list items and rows of tables become sentences; links are their words, images their alternative
text, HTML within it is read as HTML. Front matter, code, formulas, footnotes and what a site's generator
would put in are passed over, and told. Parsed by markdown-it-py and mdit-py-plugins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from bark_cli.text.documents.dialects import common_rows
from bark_cli.text.documents.passed import PassedOver
from bark_cli.text.documents.plain import Block, ended, without_marks
from bark_cli.text.documents.web import read_html

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_core import StateCore
    from markdown_it.token import Token

_ADDRESS = re.compile(r"(?:https?://|www\.)[^\s<>]+", re.IGNORECASE)
_DEEP = 100  # blocks within blocks; the parser would drop those below the 20th
_MARKS = re.compile(r"[\[\]*_~`!<>$^=\\]")
_MOST_MARKS = 2_000  # in one paragraph, which the parser takes the square of them for; more are not Markdown
_WIKI = re.compile(r"\[\[(?:[^\[\]|]{1,300}\|)?([^\[\]|]{1,300})\]\]")
_TASK = re.compile(r"\[[ xX-]\][ \t]+")
_MARKED = re.compile(r"(==|\+\+)(?=\S)(.{1,1000}?)(?<=\S)\1")
_RAISED = re.compile(r"(?<=\w)\^(\d{1,9})\^")
_LOWERED = re.compile(r"(?<=\w)~(\d{1,9})~")
_EMOJI = re.compile(r"(?<![\w:]):(?:[a-z][a-z0-9_+-]{1,40}|[+-]1):(?![\w:])")
_UP, _DOWN = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"), str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def read_markdown(text: str, passed: PassedOver) -> list[Block]:
    """Paragraphs with the line (from 1) each begins at; none is empty."""
    rows = common_rows(text.splitlines(), passed)
    found: list[Block] = []
    for number, spoken in _blocks(_parser().parse("\n".join(rows)), passed):
        words = " ".join(spoken.split())
        if any(character.isalnum() for character in words):
            found.append((number, words))
    return found


def markdown_outline(text: str) -> tuple[dict[int, int], set[int], list[int]]:
    """The level of each heading by its line (from 1), the lines of quotations, and those of rules."""
    rows = common_rows(text.splitlines(), PassedOver())
    headings, quoted, rules = dict[int, int](), set[int](), list[int]()
    for token in _parser().parse("\n".join(rows)):
        if token.map is None:
            continue
        if token.type == "heading_open" and token.level == 0:
            headings[token.map[0] + 1] = int(token.tag[1:])
        elif token.type == "blockquote_open":
            quoted.update(range(token.map[0] + 1, token.map[1] + 1))
        elif token.type == "hr":
            rules.append(token.map[0] + 1)
    return headings, quoted, rules


def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath import dollarmath_plugin
    from mdit_py_plugins.footnote import footnote_plugin

    parser = MarkdownIt("commonmark", {"maxNesting": _DEEP}).enable(["table", "strikethrough"])
    parser.use(footnote_plugin, inline=False, move_to_end=False)
    parser.use(dollarmath_plugin, allow_space=False, allow_digits=False, double_inline=True)
    parser.core.ruler.at("inline", _inline)
    return parser


def _inline(state: StateCore) -> None:
    """The parser's own rule, but for paragraphs of nothing but marks."""
    from markdown_it.token import Token

    for token in state.tokens:
        if token.type != "inline":
            continue
        token.children = token.children or []
        if len(_MARKS.findall(token.content)) > _MOST_MARKS:
            token.children.append(Token("text", "", 0, content=_MARKS.sub("", token.content)))
        else:
            state.md.inline.parse(token.content, state.md, state.env, token.children)


def _blocks(tokens: Sequence[Token], passed: PassedOver) -> Iterator[Block]:
    """What is said of each block, in order; a table's row is one."""
    numbers: list[
        int | None
    ] = []  # of the lists we are in: the next item's number, None where they have none
    cells: list[str] | None = None  # of the row we are in
    mark = ""  # what is read before an item
    heading = begins_item = False
    notes = 0  # footnotes we are in
    for token in tokens:
        notes += token.nesting if token.type.startswith("footnote_reference") else 0
        if token.type == "footnote_reference_open":
            passed.add("footnotes", _line(token))
        elif notes:
            continue
        elif token.type in ("fence", "code_block"):
            passed.add("code", _line(token))
        elif token.type.startswith("math_block"):
            passed.add("formulas", _line(token))
        elif token.type == "html_block":
            yield from read_html(token.content, passed, _line(token))
        elif token.type in ("ordered_list_open", "bullet_list_open"):
            numbers.append(int(token.attrGet("start") or 1) if token.type.startswith("ordered") else None)
        elif token.type in ("ordered_list_close", "bullet_list_close"):
            numbers.pop()
        elif token.type == "list_item_open":
            mark, numbers[-1] = _next_item(numbers[-1])
            begins_item = True
        elif token.type in ("heading_open", "paragraph_open"):
            heading = token.type == "heading_open"
        elif token.type == "tr_open":
            cells, line = [], _line(token)
        elif token.type == "tr_close" and cells is not None:
            yield line, ended(", ".join(filter(None, cells)))
            cells = None
        elif token.type == "inline" and cells is not None:
            cells.append(" ".join(_spoken(token, passed, line).split()))
        elif token.type == "inline":
            words = _spoken(token, passed, _line(token)).strip()
            if begins_item and _TASK.match(words + " "):
                passed.add("boxes of tasks", _line(token))
                words = _TASK.sub("", words, count=1)
            yield _line(token), ended(mark + words) if heading or numbers else words
            mark, begins_item = "", False


def _next_item(number: int | None) -> tuple[str, int | None]:
    """What is read before an item of that number, and the number of the one after it."""
    return ("", None) if number is None else (f"{number}. ", number + 1)


def _line(token: Token) -> int:
    return token.map[0] + 1 if token.map else 1


def _spoken(inline: Token, passed: PassedOver, number: int) -> str:
    """The words of a block: no marks, no addresses, no comments."""
    words: list[str] = []
    hidden = ""
    for token in inline.children or []:
        tag = token.content.lower() if token.type == "html_inline" else ""
        if hidden:
            hidden = "" if tag.startswith(f"</{hidden}") else hidden
        elif tag.startswith(("<script", "<style")):
            hidden = "style" if tag.startswith("<style") else "script"
        elif token.type in ("text", "code_inline"):
            words.append(token.content)
        elif token.type == "image":
            words.append(_spoken(token, passed, number))
        elif token.type.startswith("math_inline"):
            words.append(_formula(token, passed, number))
        elif token.type == "footnote_ref":
            passed.add("marks of footnotes and sources", number, f"[^{token.meta.get('label', '')}]")
        elif token.type in ("softbreak", "hardbreak") or tag.startswith("<br"):
            words.append(" ")
        elif tag.startswith("<img"):
            words += [f" {said} " for _, said in read_html(token.content, passed, number)]
    said = "".join(words)
    if _EMOJI.search(said):
        passed.add("emoji", number, _EMOJI.search(said)[0])  # type: ignore[index]
        said = _EMOJI.sub(" ", said)
    said = _WIKI.sub(lambda match: match[1].split("#")[0] or match[1], without_marks(said, passed, number))
    said = _MARKED.sub(r"\2", said)
    said = _RAISED.sub(lambda m: m[1].translate(_UP), said)
    return _ADDRESS.sub(_host, _LOWERED.sub(lambda m: m[1].translate(_DOWN), said))


def _formula(token: Token, passed: PassedOver, number: int) -> str:
    """A formula without commands is read as it is written; others nobody could follow."""
    if "\\" in token.content or len(token.content) > 100:
        passed.add("formulas", number, f"${token.content[:20]}$")
        return " "
    said = re.sub(r"\^\{?(-?\d{1,3}|n)\}?", lambda m: m[1].translate(_FORMULA_UP), token.content)
    return re.sub(r"_\{?(\w{1,9})\}?", r" \1", said)


_FORMULA_UP = _UP | str.maketrans("-n", "⁻ⁿ")


def _host(address: re.Match[str]) -> str:
    """Of an address a person reads no more than whose it is."""
    whole = address.group().rstrip(".,;:!?)]")
    after = address.group()[len(whole) :]
    rest = re.sub(r"^(?:https?://)?(?:www\.)?", "", whole, flags=re.IGNORECASE)
    return re.split("[/?#:]", rest, maxsplit=1)[0] + after
