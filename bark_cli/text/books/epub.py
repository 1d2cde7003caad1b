"""An EPUB (2 or 3) -> a Book: its pages in reading order, cut into chapters by its table of contents."""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection, Sequence
from pathlib import Path

from bark_cli.errors import TextError
from bark_cli.text.books.archive import Archive, open_archive
from bark_cli.text.books.book import Book, Passage
from bark_cli.text.books.contents import ContentsLine, read_nav, read_ncx
from bark_cli.text.books.cut import ChapterStart, as_title, by_heading, cut
from bark_cli.text.books.package import Package, picture, read_package
from bark_cli.text.books.page import Counted, Page, read_page
from bark_cli.text.documents.decode import decode

_PART_WORDS = 200  # what a part says before its first chapter; more is a chapter itself


def read_epub(path: Path, extras: Collection[str] = ()) -> Book:
    """The book at `path`; `extras`, of EXTRAS, are read where they would be left out.

    Raises:
        TextError: it is no EPUB, is damaged, protected, or larger than any book.
    """
    source, passed = str(path), Counted()
    with open_archive(path) as archive:
        package = read_package(archive, source)
        passages, begins, anchors = list[Passage](), dict[str, int](), dict[tuple[str, str], int]()
        for name in package.spine:
            page = _page(archive, name, source, passed, extras)
            begins[name] = len(passages)
            anchors |= {(name, anchor): len(passages) + at for anchor, at in page.anchors.items()}
            passages += page.passages
        entries = _entries(archive, package, source)
        cover = picture(archive, package.cover)
    for _ in package.passed:
        passed.add("pages beside the text", 1)
    spots = [(anchors.get((e.path, e.anchor), begins.get(e.path)), e) for e in entries]
    marks = _marks([(at, entry) for at, entry in spots if at is not None], passages)
    chapters = cut(passages, marks or _by_page(begins, passages), package.title or path.stem)
    if not chapters:
        raise TextError(f"{source} holds no text that can be read aloud; is it a comic, or a scan?")
    return Book(
        chapters=chapters,
        title=package.title or path.stem,
        author=package.author,
        language=package.language,
        year=package.year,
        series=package.series,
        cover=cover,
        left_out=passed.told,
    )


def _page(archive: Archive, name: str, source: str, passed: Counted, extras: Collection[str]) -> Page:
    data = archive.read(name)
    if data is None:
        passed.add("pages that are missing", 1)
        return Page(passages=(), anchors={})
    return read_page(decode(data, _encoding(data), source=f"{source}: {name}"), passed, extras)


def _encoding(data: bytes) -> str | None:
    """What the page says of itself in its first line, where we know it."""
    declared = re.match(rb"\s*<\?xml[^>]{0,100}encoding=[\"']([A-Za-z0-9._-]{1,40})", data)
    name = declared[1].decode() if declared else "utf-8"
    try:
        return None if codecs.lookup(name).name == "utf-8" else name
    except LookupError:
        return None


def _entries(archive: Archive, package: Package, source: str) -> list[ContentsLine]:
    """The table of contents; none where there is none."""
    if package.contents is None or (data := archive.read(package.contents.path)) is None:
        return []
    path = package.contents.path
    if package.contents.media_type == "application/x-dtbncx+xml":
        return read_ncx(data, path, source)
    return read_nav(decode(data, source=f"{source}: {path}"), path)


def _marks(spots: Sequence[tuple[int, ContentsLine]], passages: Sequence[Passage]) -> list[ChapterStart]:
    """A chapter at each entry of the first level; the mere title of a part gives way to its own."""
    found: dict[int, str] = {}
    pending: int | None = None  # where a part began whose first chapter is to begin there
    open_depth = 1  # entries at this depth begin chapters
    for number, (at, entry) in enumerate(spots):
        if entry.depth > open_depth:
            continue
        open_depth = entry.depth
        following = spots[number + 1] if number + 1 < len(spots) else None
        if following is not None and following[1].depth > entry.depth:
            words = sum(len(passage.text.split()) for passage in passages[at : following[0]])
            is_elsewhere = following[1].path != entry.path  # else those are sections of a chapter
            if is_elsewhere and words <= _PART_WORDS and following[0] >= at:
                pending = at if pending is None else pending
                open_depth = following[1].depth
                continue
        found.setdefault(at if pending is None else pending, entry.title)
        pending = None
    return [ChapterStart(at, found[at]) for at in sorted(found)]


def _by_page(begins: dict[str, int], passages: Sequence[Passage]) -> list[ChapterStart]:
    """A chapter on each page, named by its heading; of a book without a table of contents."""
    starts = [at for at in dict.fromkeys(begins.values()) if at < len(passages)]
    if len(starts) < 2:
        return by_heading(passages)
    ends = [*starts[1:], len(passages)]
    found = []
    for number, (at, end) in enumerate(zip(starts, ends, strict=True), 1):
        heading = next((p.text for p in passages[at:end] if p.kind == "heading"), None)
        found.append(ChapterStart(at, f"Part {number}" if heading is None else as_title(heading)))
    return found
