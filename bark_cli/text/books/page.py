"""A page of a book (XHTML) -> its passages, where each anchor is, and what is not read aloud."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from bark_cli.text.books.book import Kind, Passage
from bark_cli.text.documents.passed import PassedOver
from bark_cli.text.documents.web import VOID, WebPageReader

_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_NOTES = frozenset(
    [
        "footnote",
        "footnotes",
        "endnote",
        "endnotes",
        "rearnote",
        "rearnotes",
        "doc-footnote",
        "doc-endnote",
        "doc-endnotes",
    ]
)
_CONTENTS = frozenset(["toc", "landmarks", "page-list", "loi", "lot", "doc-toc", "doc-pagelist", "index"])
_PAGE_NUMBERS = frozenset(["pagebreak", "doc-pagebreak", "pagenum", "pageno", "pagenumber"])
_REFERENCES = frozenset(["noteref", "doc-noteref", "backlink", "doc-backlink", "footnote-back"])
_EMPHASIS = frozenset(["em", "i", "b", "strong"])
_MARK = re.compile(r"\s*[\[(]?(?:[0-9⁰¹²³⁴⁵⁶⁷⁸⁹]{1,4}|[*†‡§¶↩↑^]{1,3}|[a-z])︎?[\])]?\s*")
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u2060\ufeff"))  # where a line may or may not be broken
_LIGATURES = {
    0xFB00: "ff",
    0xFB01: "fi",
    0xFB02: "fl",
    0xFB03: "ffi",
    0xFB04: "ffl",
    0xFB05: "ft",
    0xFB06: "st",
}
_DEEPEST = 50  # notes and quotations within each other


class Counted(PassedOver):
    """What of a book is not read aloud, and how often; its pages have no line numbers."""

    def __init__(self) -> None:
        super().__init__()
        self._counts: Counter[str] = Counter()

    def add(self, what: str, number: int, example: str = "") -> None:
        """Remember something; `what` is its kind, in the plural."""
        self._counts[what] += 1

    @property
    def told(self) -> tuple[str, ...]:
        """Such as: tables (3)."""
        return tuple(f"{what} ({times})" for what, times in self._counts.items())


@dataclass(frozen=True, kw_only=True)
class Page:
    """What is read of a page."""

    passages: Sequence[Passage]
    anchors: Mapping[str, int]  # by id: the number of the passage that it is in or before


def read_page(text: str, passed: PassedOver, extras: Collection[str] = ()) -> Page:
    """The passages of a page; `extras`, of EXTRAS, are read where they would be passed over."""
    reader = _PageReader(passed, extras)
    reader.read(text)
    return Page(passages=reader.passages, anchors=reader.anchors)


def plain_words(words: str) -> str:
    """The words without soft hyphens, and with the letters that ligatures stand for."""
    return words.translate(_INVISIBLE).translate(_LIGATURES)


class _PageReader(WebPageReader):
    """Gathers passages between the tags."""

    def __init__(self, passed: PassedOver, extras: Collection[str]) -> None:
        super().__init__(passed, 1)
        self.passages: list[Passage] = []
        self.anchors: dict[str, int] = {}
        self._extras = extras
        self._open: list[tuple[str, Kind]] = []  # the elements around us that make what is in them of a kind
        self._link: int | None = None  # of what was gathered, where the link begins that we are in
        self._emphasis = 0

    @property
    def _kind(self) -> Kind:
        return self._open[-1][1] if self._open else "text"

    @property
    def reads_numbers(self) -> bool:
        """Chapters may be called by one."""
        return self._kind == "heading"

    def unspoken(self, tag: str, given: dict[str, str | None]) -> str | None:
        """As the reader of any page, and what books have."""
        kinds = _words(given, "epub:type", "role", "class")
        if tag in ("head", "title"):
            return ""
        if tag == "table" and "tables" not in self._extras:
            return "tables"
        if tag == "pre" and "code" in self._extras:
            return None
        if kinds & _PAGE_NUMBERS:
            return "page numbers"
        if kinds & _REFERENCES:
            return "marks of notes"
        if _words(given, "epub:type", "role") & _CONTENTS and tag not in ("body", "html"):
            return "tables of contents"
        if kinds & _NOTES and "footnotes" not in self._extras:
            return "footnotes"
        return super().unspoken(tag, given)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note where anchors are, and of what kind the words are that follow."""
        self.end_unclosed(tag)
        was_skipping = bool(self._skipped)
        super().handle_starttag(tag, attrs)
        given = dict(attrs)
        if name := given.get("id") or (given.get("name") if tag == "a" else None):
            self.anchors.setdefault(name, len(self.passages))
        if was_skipping or self._skipped or tag in VOID:
            if tag == "hr":
                self._break()
            return
        if (kind := self._kind_of(tag, given)) is not None and len(self._open) < _DEEPEST:
            self._open.append((tag, kind))
        if tag == "a" and given.get("href") and self._link is None:
            self._link = len(self._words)
        self._emphasis += tag in _EMPHASIS

    def _kind_of(self, tag: str, given: dict[str, str | None]) -> Kind | None:
        """Of what kind the words in an element are; None: of that around it, which it does not close."""
        if tag in _HEADINGS:
            return "heading"
        if _words(given, "epub:type", "role", "class") & _NOTES:
            return "note"
        if tag == "blockquote":
            return "quote"
        return self._open[-1][1] if self._open and self._open[-1][0] == tag else None

    def handle_endtag(self, tag: str) -> None:
        """Close what it closes, and drop a link that was but the mark of a note."""
        self.end_unclosed(tag, closes=True)
        if self._skipped:
            super().handle_endtag(tag)
            return
        if tag == "a" and self._link is not None:
            linked = "".join(self._words[self._link :])
            follows = any(words.strip() for words in self._words[: self._link])
            if follows and self._kind != "heading" and _MARK.fullmatch(linked):
                del self._words[self._link :]
                self._passed.add("marks of notes", 1)
            self._link = None
        super().handle_endtag(tag)
        self._emphasis = max(0, self._emphasis - (tag in _EMPHASIS))
        if any(opened == tag for opened, _ in self._open):  # at most _DEEPEST
            while self._open.pop()[0] != tag:
                pass

    def handle_data(self, data: str) -> None:
        """Take words."""
        super().handle_data(data.upper() if self._emphasis and "emphasis" in self._extras else data)

    def _begin(self, tag: str, given: dict[str, str | None]) -> None:
        alt = (given.get("alt") or "").strip() if tag == "img" else ""
        is_read = "images" in self._extras or self._kind == "heading"
        if len(alt) == 1 and alt.isalpha() and not any(map(str.strip, self._words)):
            self._words.append(alt)  # a large first letter that is drawn
        elif tag == "img" and not is_read:
            self._passed.add("pictures", 1)
        else:
            super()._begin(tag, given)

    def add(self, number: int, said: str) -> None:
        """Take a paragraph."""
        super().add(number, said)
        level = next((_HEADINGS[tag] for tag, _ in reversed(self._open) if tag in _HEADINGS), 0)
        self.passages.append(Passage(text=plain_words(said), kind=self._kind, level=level))
        self._link = None

    def add_signs(self, words: str) -> None:
        """Such as * * *, between two scenes."""
        self._break()
        self._link = None

    def _break(self) -> None:
        if self.passages and self.passages[-1].kind != "break":
            self.passages.append(Passage(text="", kind="break"))


def _words(given: dict[str, str | None], *names: str) -> set[str]:
    return {word.lower() for name in names for word in (given.get(name) or "").split()}
