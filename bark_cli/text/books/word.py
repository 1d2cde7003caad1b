"""A document of Word (.docx) -> a Book with a chapter at each heading, by mammoth, which makes HTML of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

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
    with open_archive(path, "document of Word") as archive:
        parts, facts = _checked(archive, path)
    book = html_book(_html(parts, path), path.stem, extras)
    if not book.chapters:
        raise TextError(f"{path} holds no text that can be read aloud; write some into it")
    return replace(book, title=facts.get("title") or book.title, author=facts.get("creator", ""))


def _checked(archive: Archive, path: Path) -> tuple[dict[str, bytes], dict[str, str]]:
    """Its parts that are XML, which are within bounds and declare no entities, and its title and author.

    Raises:
        TextError: it is not.
    """
    if "word/document.xml" not in archive:
        raise TextError(f"{path} is no document of Word, or a damaged one; open it in Word to see")
    parts, facts = dict[str, bytes](), dict[str, str]()
    for name in archive.names:
        if name.endswith((".xml", ".rels")) and (data := archive.read(name)) is not None:
            root = parse_xml(data, f"{path}: {name}")
            parts[name] = data
            if name == _FACTS:
                found = ((kind, next(root.iter(kind), None)) for kind in ("title", "creator"))
                facts = {kind: words_of(one) for kind, one in found if one is not None}
    return parts, facts


def _html(parts: Mapping[str, bytes], path: Path) -> str:
    """What it says, as HTML without pictures; mammoth is given nothing that was not checked.

    Raises:
        TextError: mammoth does not understand it.
    """
    import mammoth

    def nothing(_: Any) -> dict[str, str]:
        return {"src": ""}

    stream = BytesIO()
    with ZipFile(stream, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    try:
        done = mammoth.convert_to_html(
            stream, convert_image=mammoth.images.img_element(nothing), style_map=_STYLES
        )
    except Exception as error:  # it says nothing of what it raises
        raise TextError(f"{path} is damaged: {error}; open it in Word to see") from error
    html = str(done.value)
    for notes in _NOTES:
        html = html.replace(notes, notes.replace("<ol>", '<ol epub:type="footnotes">'))
    return html
