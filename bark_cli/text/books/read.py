"""A book's file of any kind that we know, or a folder of texts -> a Book."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from bark_cli.errors import TextError
from bark_cli.text.books.book import Book, Chapter
from bark_cli.text.books.epub import read_epub
from bark_cli.text.books.fiction import fiction_book
from bark_cli.text.books.headings import html_book, markdown_book, plain_book, script_book
from bark_cli.text.books.word import word_book
from bark_cli.text.documents import MAX_BYTES, TEXT_SUFFIXES, decode, format_of
from bark_cli.text.documents.foreign import why_no_prose

_MOST_FICTION = 2**26  # bytes; its pictures are in it
_FOREIGN = {
    ".pdf": "a PDF, which holds lines on pages and no text in order",
    **dict.fromkeys((".mobi", ".azw", ".azw3", ".kfx", ".prc"), "a Kindle book"),
    **dict.fromkeys((".doc", ".odt", ".rtf"), "a document of a word processor"),
    ".lit": "a Microsoft Reader book",
    ".djvu": "a scan",
    ".cbz": "a comic",
}

_CONVERT = "convert it to EPUB first, with Calibre, say"
_PANDOCS = (".odt", ".rtf")  # that pandoc reads


def read_book(
    path: Path,
    *,
    extras: Collection[str] = (),
    encoding: str | None = None,
    format: str = "auto",
    cast: Mapping[str, str] | None = None,
) -> Book:
    """The book at `path`; `extras`, of EXTRAS, are read where they would be left out.

    `encoding` and `format` are those of texts; `cast` has voices by speaker, and makes plain texts scripts.

    Raises:
        TextError: it is not there, is of a kind that is not known, or holds nothing to be read aloud.
        OptionError: there is no such encoding.
    """
    suffix = path.suffix.lower()
    texts = _Texts(extras=extras, encoding=encoding, format=format, cast=cast or {})
    if path.is_dir():
        return _folder(path, texts)
    if suffix in _FOREIGN:
        hint = f"convert it to EPUB first, with Calibre or: pandoc {path.name} -o {path.stem}.epub"
        raise TextError(f"{path} is {_FOREIGN[suffix]}; {hint if suffix in _PANDOCS else _CONVERT}")
    if suffix == ".docx":
        return word_book(path, extras)
    if suffix == ".epub":
        return read_epub(path, extras)
    data = _bytes(path, _MOST_FICTION if suffix == ".fb2" else MAX_BYTES)
    if suffix == ".fb2":
        return fiction_book(data, str(path), extras)
    if data.startswith(b"PK\3\4"):
        return read_epub(path, extras)
    if format == "auto" and (why := why_no_prose(path.name)) is not None:
        raise TextError(why)
    book = texts.read(data, path)
    if not book.chapters:
        raise TextError(f"{path} holds no text that can be read aloud; write some into it")
    return book


@dataclass(frozen=True, kw_only=True)
class _Texts:
    """How texts are read."""

    extras: Collection[str]
    encoding: str | None
    format: str
    cast: Mapping[str, str]

    def read(self, data: bytes, path: Path) -> Book:
        """The book that the bytes of a text are."""
        text = decode(data, self.encoding, source=str(path))
        kind = self.format
        if kind == "auto":
            kind = format_of(text, path.name, has_cast=bool(self.cast))
        if kind == "markdown":
            return markdown_book(text, path.stem)
        if kind == "html":
            return html_book(text, path.stem, self.extras)
        if kind == "script":
            return script_book(text, path.stem, self.cast, str(path))
        return plain_book(text, path.stem, kind, path.name)


def _folder(folder: Path, texts: _Texts) -> Book:
    """A chapter, or those under its headings, for each text in a folder, 2 before 10."""
    try:
        inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
        passed = [path.name for path in inside if _is_passed_over(path)]
    except OSError as error:
        raise TextError(f"cannot read folder {folder}: {error.strerror}; check its permissions") from error
    chapters, left_out, cast = list[Chapter](), list[str](), dict[str, str]()
    if passed:
        left_out.append(f"{', '.join(sorted(passed))} (of a folder its own texts are read)")
    texts_in_it = [path for path in inside if path.suffix.lower() in TEXT_SUFFIXES and path.is_file()]
    for path in sorted(texts_in_it, key=lambda path: (_natural(path.name), path.name)):
        data = _bytes(path, MAX_BYTES)
        found = texts.read(data, path)
        cast |= found.cast
        passages = [passage for chapter in found.chapters for passage in chapter.passages]
        heading = next((c.title for c in found.chapters if c.title != path.stem), found.title)
        left_out += [f"{path.name}: {what}" for what in found.left_out]
        if passages:
            chapters.append(
                Chapter(title=heading if len(found.chapters) == 1 else found.title, passages=passages)
            )
    if not chapters:
        raise TextError(f"{folder} holds no texts ({', '.join(TEXT_SUFFIXES)}); give a folder of chapters")
    return replace(Book(chapters=chapters, cast=cast, left_out=left_out), title=folder.resolve().name)


def _is_passed_over(path: Path) -> bool:
    """Whether it is no text, and holds some: a book, a document, a folder of texts."""
    with suppress(OSError):  # such as lost+found, which nobody may look into
        if path.is_dir():
            return any(inner.suffix.lower() in TEXT_SUFFIXES for inner in path.iterdir())
    return path.suffix.lower() in (".epub", ".docx", ".fb2", *_FOREIGN)


def _natural(name: str) -> Sequence[str | int]:
    """What to sort names by, so that numbers in them count as numbers."""
    return [int(part) if n % 2 else part for n, part in enumerate(re.split(r"([0-9]+)", name.casefold()))]


def _bytes(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(most + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise TextError(f"cannot read {path}: {reason}; check the name") from error
    if len(data) > most:
        raise TextError(f"{path} is larger than {most // 2**20} MiB, which is no book of words")
    return data
