"""HTML (str), whole or in part -> paragraphs (line number, plain text) as a person would read them aloud.

Parsed by the standard library. Scripts, styles, code and what is drawn or played are passed over.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

from bark_cli.text.documents.passed import PassedOver
from bark_cli.text.documents.plain import Block, ended

_BLOCKS_NAMES = (
    "address article aside blockquote body caption center dd details dialog div dl dt fieldset "
    "figcaption figure footer form h1 h2 h3 h4 h5 h6 header hr html legend li main nav ol p section "
    "summary table tbody td tfoot th thead title tr ul "
)
_BLOCKS = frozenset(_BLOCKS_NAMES.split())
_SENTENCES_NAMES = "h1 h2 h3 h4 h5 h6 li tr title dt dd caption figcaption legend summary "
_SENTENCES = frozenset(_SENTENCES_NAMES.split())
_SILENT = frozenset(["script", "style", "template", "noscript"])  # nobody sees them
_BESIDE = frozenset(["rt", "rp"])  # how the word above is spelled: it would be said twice
_UNCLOSED_NAMES = "p li dt dd tr td th option rt rp "
_UNCLOSED = frozenset(_UNCLOSED_NAMES.split())  # whose end tags may be left out
_AROUND_NAMES = "ul ol menu dl table ruby select div section article main blockquote body "
_AROUND = frozenset(_AROUND_NAMES.split())  # what they are in
_TOGETHER = ({"rt", "rp"}, {"dt", "dd"}, {"td", "th"})  # one of them ends the other
_ROWS = frozenset(["tr", "table", "tbody", "thead", "tfoot"])
_UNDRAWN = re.compile(r"display\s{0,9}:\s{0,9}none", re.IGNORECASE)
_UNSPOKEN = {
    "pre": "code",
    "svg": "drawings",
    "math": "formulas",
    "select": "lists to choose from",
    "textarea": "fields to fill in",
    **dict.fromkeys(("iframe", "object", "embed", "audio", "video", "canvas"), "embedded things"),
}
_VOID_NAMES = "area base br col embed hr img input link meta param source track wbr "
VOID = frozenset(_VOID_NAMES.split())  # what has no end tag
_NUMBER = re.compile("[0-9]{1,9}")
_RAISED = str.maketrans("0123456789+-n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ")
_LOWERED = str.maketrans("0123456789+-", "₀₁₂₃₄₅₆₇₈₉₊₋")
_LONGEST_TAG = 20_000  # characters, and how many < there may be in it
_WITHIN = 50
_DEEP = 1_000  # of what is passed over; more is not a page


def read_html(text: str, passed: PassedOver, first: int = 1) -> list[Block]:
    """Paragraphs with the line each begins at, counted from `first`; none is empty."""
    reader = WebPageReader(passed, first)
    reader.read(text)
    return reader.found


def bounded(text: str) -> str:
    """The text with every < as itself that no > ends soon: the parser would look for it again and again."""
    marks = [(match.start(), match.group()) for match in re.finditer("[<>]", text)]
    literal: list[int] = []
    end, between = len(text) + _LONGEST_TAG, 0
    for at, mark in reversed(marks):
        if mark == ">":
            end, between = at, 0
        elif end - at > _LONGEST_TAG or between >= _WITHIN:
            literal.append(at)
        else:
            between += 1
    parts, begin = list[str](), 0
    for at in reversed(literal):
        parts += [text[begin:at], "&lt;"]
        begin = at + 1
    return "".join([*parts, text[begin:]])


class WebPageReader(HTMLParser):
    """Gathers the words between the tags; `found` are the paragraphs."""

    def __init__(self, passed: PassedOver, first: int) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[Block] = []
        self._passed, self._first = passed, first
        self._words: list[str] = []
        self._begun: int | None = None
        self._skipped: list[str] = []  # the elements that are passed over, the outermost first
        self._numbers: list[int | None] = []  # of the lists we are in: the next item's
        self._cells: list[str] | None = None
        self._shift: dict[int, int] | None = None  # digits that are raised or lowered

    @property
    def reads_numbers(self) -> bool:
        """Whether a paragraph that is but a number, as of a page, is read."""
        return False

    def read(self, text: str) -> None:
        """Read all of a page."""
        self.feed(bounded(text))
        self.close()
        self._end_row()
        self.end_block()

    def unspoken(self, tag: str, given: dict[str, str | None]) -> str | None:
        """What an element is, in the plural, that is passed over ("" is not told); None if it is read."""
        if tag in _UNSPOKEN:
            return _UNSPOKEN[tag]
        is_hidden = "hidden" in given or _UNDRAWN.search(given.get("style") or "") is not None
        is_passed = tag in _SILENT or tag in _BESIDE or (is_hidden and tag not in ("body", "html"))
        return "" if is_passed else None

    def add(self, number: int, said: str) -> None:
        """Take a paragraph."""
        self.found.append((number, said))

    def add_signs(self, words: str) -> None:
        """Take what stands for itself and holds no word, such as * * *."""

    def parse_marked_section(self, i: int, report: int = 1) -> int:
        """Take <![anything[ as a comment, where the library gives up on what it does not know."""
        return self.parse_bogus_comment(i, bool(report))

    @property
    def _number(self) -> int:
        return self.getpos()[0] - 1 + self._first

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open an element."""
        given = dict(attrs)
        self.end_unclosed(tag)
        if self._skipped:
            around = self._skipped[0] in _UNCLOSED and tag in _AROUND
            if (tag == self._skipped[0] or around) and tag not in VOID and len(self._skipped) < _DEEP:
                self._skipped.append(tag)
            return
        if (what := self.unspoken(tag, given)) is not None:
            if what:
                self._passed.add(what, self._number)
            if tag not in VOID:
                self._skipped.append(tag)
            return
        self._begin(tag, given)

    def end_unclosed(self, tag: str, *, closes: bool = False) -> None:
        """End what is passed over where a tag that opens, or closes, ends it without one of its own."""
        if not self._skipped or self._skipped[0] not in _UNCLOSED:
            return
        first = self._skipped[0]
        if closes:
            is_over = tag in _AROUND and tag not in self._skipped
        else:
            is_next = tag == first or {tag, first} in _TOGETHER or (tag == "tr" and first in ("td", "th"))
            is_beyond = tag in _BLOCKS and (first == "p" or first in _BESIDE)
            is_over = len(self._skipped) == 1 and (is_next or is_beyond)
        if is_over:
            self._skipped.clear()

    def _end_row(self) -> None:
        """What its cells hold is a sentence."""
        if self._cells is None:
            return
        self._end_cell()
        self._words, self._cells = [", ".join(filter(None, self._cells))], None
        self.end_block(is_sentence=True)

    def _end_cell(self) -> None:
        if self._cells is not None:
            self._cells.append(" ".join("".join(self._words).split()))
            self._words = []

    def _begin(self, tag: str, given: dict[str, str | None]) -> None:
        if tag in _ROWS:  # those before may lack their end tags
            self._end_row()
        elif tag in ("td", "th"):
            self._end_cell()
        if tag in _BLOCKS:
            self.end_block()
        if tag in ("ol", "ul"):
            start = given.get("start") or ""
            self._numbers.append(None if tag == "ul" else int(start) if _NUMBER.fullmatch(start) else 1)
        elif tag == "li" and self._numbers and (number := self._numbers[-1]) is not None:
            self._words.append(f"{number}. ")
            self._numbers[-1] = number + 1
        elif tag == "tr":
            self._cells = []
        elif tag in ("br", "wbr"):
            self._words.append(" " if tag == "br" else "")
        elif tag == "img" and given.get("alt"):
            self._words.append(f" {given['alt']} ")
        elif tag == "sup":
            self._shift = _RAISED
        elif tag == "sub":
            self._shift = _LOWERED

    def handle_endtag(self, tag: str) -> None:
        """Close one."""
        self.end_unclosed(tag, closes=True)
        if self._skipped:
            if tag == self._skipped[0]:
                self._skipped.pop()
            elif tag in _AROUND and tag in self._skipped:
                while self._skipped.pop() != tag:
                    pass
            return
        if tag in ("td", "th"):
            self._end_cell()
        elif tag in _ROWS:
            self._end_row()
        if tag in _BLOCKS:
            self.end_block(is_sentence=tag in _SENTENCES)
        if tag in ("ol", "ul") and self._numbers:
            self._numbers.pop()
        if tag in ("sup", "sub"):
            self._shift = None

    def handle_data(self, data: str) -> None:
        """Take words."""
        if self._skipped:
            return
        if self._shift is not None and data.strip().translate(self._shift) != data.strip():
            shifted = data.strip().translate(self._shift)
            data = shifted if not any(c.isascii() and c.isalnum() for c in shifted) else data
        if self._begun is None and data.strip():
            lead = data[: len(data) - len(data.lstrip())]
            self._begun = self._number + lead.count("\n")
        self._words.append(data)

    def end_block(self, *, is_sentence: bool = False) -> None:
        """What was gathered is a paragraph."""
        if self._cells is not None:  # cells of a row stay together
            return
        words = " ".join("".join(self._words).split())
        is_item = bool(self._numbers)
        if any(map(str.isalnum, words)) and (self.reads_numbers or not words.rstrip(". ").isdigit()):
            said = ended(words) if is_sentence or is_item else words
            self.add(self._begun or self._number, said)
            self._words = []
        elif words and not is_item and not any(map(str.isalnum, words)):
            self.add_signs(words)
            self._words = []
        elif not (is_item and words):  # the number of an item whose words are in a block within
            self._words = []
        self._begun = None
