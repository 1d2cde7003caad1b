"""A book's table of contents: a navigation page (EPUB 3) or an NCX (EPUB 2) -> entries with their depth."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from html.parser import HTMLParser
from xml.etree.ElementTree import Element

from bark_cli.text.books.markup import parse_xml, words_of
from bark_cli.text.books.package import resolved
from bark_cli.text.documents.web import bounded

_DEEPEST = 10
_MOST = 10_000  # entries


@dataclass(frozen=True, kw_only=True)
class ContentsLine:
    """One line of a table of contents."""

    title: str
    path: str  # of the page
    anchor: str  # in it; "" is its beginning
    depth: int  # from 1


def read_ncx(data: bytes, path: str, source: str) -> list[ContentsLine]:
    """The entries of an NCX, in order.

    Raises:
        TextError: it is no XML.
    """
    root = parse_xml(data, f"{source}: {path}").find("navMap")
    found: list[ContentsLine] = []
    waiting: list[tuple[Element, int]] = [] if root is None else [(root, 0)]
    while waiting and len(found) < _MOST:
        point, depth = waiting.pop()
        label, content = point.find("navLabel"), point.find("content")
        if content is not None:
            _add(found, words_of(label), content.get("src", ""), path, depth)
        below = [child for child in point if child.tag == "navPoint"]
        waiting += [(child, depth + 1) for child in reversed(below)]
    return found


def read_nav(text: str, path: str) -> list[ContentsLine]:
    """The entries of a navigation page, in order."""
    reader = _NavReader(path)
    reader.feed(bounded(text))
    reader.close()
    return reader.found


class _NavReader(HTMLParser):
    """Gathers the links in <nav epub:type="toc">."""

    def __init__(self, path: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[ContentsLine] = []
        self._path = path
        self._is_inside, self._depth = False, 0
        self._href: str | None = None
        self._words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "nav":
            kinds = (given.get("epub:type") or given.get("role") or "").split()
            self._is_inside, self._depth = bool({"toc", "doc-toc"} & set(kinds)), 0
        elif self._is_inside and tag == "ol":
            self._depth += 1
        elif self._is_inside and tag == "a":
            self._href, self._words = given.get("href") or "", []

    def handle_endtag(self, tag: str) -> None:
        if tag == "nav":
            self._is_inside = False
        elif tag == "ol":
            self._depth -= 1
        elif tag == "a" and self._href is not None:
            if len(self.found) < _MOST:
                _add(self.found, " ".join("".join(self._words).split()), self._href, self._path, self._depth)
            self._href = None

    def handle_data(self, data: str) -> None:
        if self._href is not None:
            self._words.append(data)


def _add(found: list[ContentsLine], title: str, href: str, path: str, depth: int) -> None:
    target = resolved(href, posixpath.dirname(path)) or (path if href.startswith("#") else None)
    if target is not None and title and 1 <= depth <= _DEEPEST:
        found.append(ContentsLine(title=title, path=target, anchor=href.partition("#")[2], depth=depth))
