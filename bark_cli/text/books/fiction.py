"""FictionBook 2 (.fb2, XML) -> a Book with a chapter for each section of its body.

After the schema FictionBook 2.1.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Iterator
from xml.etree.ElementTree import Element

from bark_cli.errors import TextError
from bark_cli.text.books.book import Book, Chapter, Passage, Picture
from bark_cli.text.books.markup import parse_xml, words_of
from bark_cli.text.books.page import Counted, plain_words

_QUOTES = ("cite", "epigraph", "poem")
_SPOKEN = ("p", "subtitle", "v", "text-author", "date")
_MOST_COVER = 2**25


def fiction_book(data: bytes, source: str, extras: Collection[str] = ()) -> Book:
    """The book of a file.

    Raises:
        TextError: it is no FictionBook.
    """
    root, passed = parse_xml(data, source), Counted()
    if root.tag != "FictionBook":
        raise TextError(f"{source} is no FictionBook; its first element is {root.tag[:40]}")
    _without_links_to_notes(root, passed)
    chapters: list[Chapter] = []
    for body in root.iter("body"):
        is_notes = body.get("name") in ("notes", "comments", "footnotes")
        if is_notes and "footnotes" not in extras:
            passed.add("footnotes", 1)
            continue
        _add(chapters, body, words_of(body.find("title")) or ("Notes" if is_notes else ""), passed)
    about = root.find("description/title-info")
    facts = Element("title-info") if about is None else about
    title = words_of(facts.find("book-title"))
    if not chapters:
        raise TextError(f"{source} holds no text that can be read aloud")
    named = [c if c.title else Chapter(title=title or "Text", passages=c.passages) for c in chapters]
    language, year = (
        words_of(facts.find("lang"))[:2].lower(),
        re.search(r"\d{4}", words_of(facts.find("date"))),
    )
    return Book(
        chapters=named,
        title=title,
        author=", ".join(filter(None, map(_name, facts.iter("author")))),
        language=language or None,
        year=year[0] if year else None,
        series=next((s.get("name") for s in facts.iter("sequence")), None),
        cover=_cover(root, facts),
        left_out=passed.told,
    )


def _add(chapters: list[Chapter], section: Element, title: str, passed: Counted, depth: int = 1) -> None:
    """The chapters of a section: its own words, and then those of the sections within it."""
    own = tuple(_passages(section, passed, depth))
    if any(passage.text for passage in own):
        chapters.append(Chapter(title=title, passages=own))
    for child in section.findall("section"):  # as deep as the parser allows
        _add(chapters, child, words_of(child.find("title")) or title, passed, depth + 1)


def _passages(element: Element, passed: Counted, level: int, quoted: bool = False) -> Iterator[Passage]:
    for child in element:
        if child.tag == "title":
            words = plain_words(words_of(child))
            yield Passage(text=words if words[-1:] in ".!?" else f"{words}.", kind="heading", level=level)
        elif child.tag in _QUOTES or child.tag in ("stanza", "annotation"):
            yield from _passages(child, passed, level, quoted=True)
        elif child.tag in _SPOKEN and any(map(str.isalnum, words := words_of(child))):
            yield Passage(text=plain_words(words), kind="quote" if quoted else "text")
        elif child.tag in ("empty-line", *_SPOKEN):
            yield Passage(text="", kind="break")
        elif child.tag in ("table", "image"):
            passed.add("tables" if child.tag == "table" else "pictures", 1)


def _without_links_to_notes(root: Element, passed: Counted) -> None:
    for link in root.iter("a"):
        if link.get("type") == "note":
            passed.add("marks of notes", 1)
            link.text = ""
            for child in list(link):
                link.remove(child)


def _name(author: Element) -> str:
    parts = (words_of(author.find(part)) for part in ("first-name", "middle-name", "last-name"))
    return " ".join(filter(None, parts)) or words_of(author.find("nickname"))


def _cover(root: Element, facts: Element) -> Picture | None:
    image = facts.find("coverpage/image")
    name = "" if image is None else image.get("href", "").lstrip("#")
    for binary in root.iter("binary"):
        if name and binary.get("id") == name and len(binary.text or "") <= _MOST_COVER:
            try:
                return Picture.of(base64.b64decode(binary.text or ""))
            except ValueError:
                return None
    return None
