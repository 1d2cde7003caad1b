"""A document of Word (.docx) -> a Book with a chapter at each heading, by mammoth, which makes HTML of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bark_cli.errors import TextError
from bark_cli.text.books.archive import Archive, open_archive
from bark_cli.text.books.book import Book
from bark_cli.text.books.headings import html_book
from bark_cli.text.books.markup import parse_xml, words_of

_FACTS = "docProps/core.xml"
_NOTES = '<ol><li id="footnote-', '<ol><li id="endnote-'  # as mammoth writes them, at the end
_STYLES = "p[style-name='Title'] => h1:fresh\np[style-name='Quote'] => blockquote > p:fresh"


def word_book(path: Path, extras: Collection[str] = ()) -> Book:
    """The book at `path`; `extras`, of EXTRAS, are read where they would be left out.

    Raises:
        TextError: mammoth is not installed, or the document is damaged, empty, or larger than any book.
    """
    if find_spec("mammoth") is None:
        hint = f"pip install 'bark-cli[docx]', or: pandoc {path.name} -o {path.stem}.epub"
        raise TextError(f"{path} is a document of Word; {hint}")
    with open_archive(path) as archive:
        facts = _checked(archive, path)
    book = html_book(_html(path), path.stem, extras)
    if not book.chapters:
        raise TextError(f"{path} holds no text that can be read aloud; write some into it")
    return replace(book, title=facts.get("title") or book.title, author=facts.get("creator", ""))


def _checked(archive: Archive, path: Path) -> dict[str, str]:
    """Its title and author, once every part is seen to be within bounds and to declare no entities.

    Raises:
        TextError: it is not.
    """
    if "word/document.xml" not in archive:
        raise TextError(f"{path} is no document of Word, or a damaged one; open it in Word to see")
    facts = dict[str, str]()
    for name in archive.names:
        if name.endswith((".xml", ".rels")) and (data := archive.read(name)) is not None:
            root = parse_xml(data, f"{path}: {name}")
            if name == _FACTS:
                found = ((kind, next(root.iter(kind), None)) for kind in ("title", "creator"))
                facts = {kind: words_of(one) for kind, one in found if one is not None}
    return facts


def _html(path: Path) -> str:
    """What it says, as HTML without pictures.

    Raises:
        TextError: mammoth does not understand it.
    """
    import mammoth

    def nothing(_: Any) -> dict[str, str]:
        return {"src": ""}

    try:
        with path.open("rb") as stream:
            done = mammoth.convert_to_html(
                stream, convert_image=mammoth.images.img_element(nothing), style_map=_STYLES
            )
    except Exception as error:  # it says nothing of what it raises
        raise TextError(f"{path} is damaged: {error}; open it in Word to see") from error
    html = str(done.value)
    for notes in _NOTES:
        html = html.replace(notes, notes.replace("<ol>", '<ol epub:type="footnotes">'))
    return html
