"""An EPUB's package document: an Archive -> its parts, their order, and what the book is called.

After EPUB 3.3 (W3C) and OPF 2.0.1 (IDPF), read leniently.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from bark_cli.errors import TextError
from bark_cli.text.books.archive import Archive
from bark_cli.text.books.book import Picture
from bark_cli.text.books.markup import parse_xml, words_of

PAGES = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document")
_CONTAINER, _ENCRYPTION = "META-INF/container.xml", "META-INF/encryption.xml"
_OF_FONTS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")


@dataclass(frozen=True, kw_only=True)
class ManifestItem:
    """One line of the manifest."""

    path: str  # in the archive
    media_type: str
    properties: frozenset[str]
    fallback: str | None


@dataclass(frozen=True, kw_only=True)
class Package:
    """What a package document says."""

    parts: Mapping[str, ManifestItem]  # by id
    spine: Sequence[str]  # paths in reading order, each once
    passed: Sequence[str]  # of the pages that are not a part of that order
    contents: ManifestItem | None  # the table of contents, a page or an NCX
    title: str
    author: str
    language: str | None
    year: str | None
    series: str | None
    cover: str | None  # path of the picture


def read_package(archive: Archive, source: str) -> Package:
    """Find the package document and read it.

    Raises:
        TextError: it is missing or damaged, or the book is protected by DRM.
    """
    root_path = _root_path(archive, source)
    data = archive.read(root_path)
    if data is None:
        raise TextError(f"{source} lacks {root_path}, the list of its pages; the book is damaged")
    package, folder = parse_xml(data, f"{source}: {root_path}"), posixpath.dirname(root_path)
    manifest, parts = package.find("manifest"), dict[str, ManifestItem]()
    for item in [] if manifest is None else manifest.iter("item"):
        if (path := resolved(item.get("href", ""), folder)) is not None:
            parts[item.get("id", path)] = ManifestItem(
                path=path,
                media_type=item.get("media-type", "").lower(),
                properties=frozenset(item.get("properties", "").split()),
                fallback=item.get("fallback"),
            )
    _refuse_drm(archive, source, {part.path for part in parts.values() if part.media_type in PAGES})
    spine, passed = _spine(package, parts)
    if not spine:
        raise TextError(f"{source} has no pages of text; is it a comic, or a scan?")
    metadata = package.find("metadata")
    facts = Element("metadata") if metadata is None else metadata
    return Package(
        parts=parts,
        spine=spine,
        passed=passed,
        contents=_contents(package, parts),
        title=_title(facts),
        author=", ".join(_all(facts, "creator")),
        language=_language(next(iter(_all(facts, "language")), "")),
        year=_year(next(iter(_all(facts, "date")), "")),
        series=_series(facts),
        cover=_cover(facts, parts),
    )


def resolved(href: str, folder: str) -> str | None:
    """The path in the archive that a link from `folder` leads to; None where it leads out of the archive."""
    path = unquote(href.partition("#")[0])
    if not path or re.match(r"[A-Za-z][A-Za-z0-9+.-]*:|/|\\", path):
        return None
    found = posixpath.normpath(posixpath.join(folder, path))
    return None if found.startswith("..") else found


def picture(archive: Archive, path: str | None) -> Picture | None:
    """The picture at a path, if it is one that sound files can hold."""
    data = None if path is None else archive.read(path)
    return None if data is None else Picture.of(data)


def _root_path(archive: Archive, source: str) -> str:
    data = archive.read(_CONTAINER)
    if data is None:
        raise TextError(f"{source} is no EPUB: it lacks {_CONTAINER}")
    container = parse_xml(data, f"{source}: {_CONTAINER}")
    paths = [unquote(found.get("full-path", "")) for found in container.iter("rootfile")]
    if not paths or not paths[0]:
        raise TextError(f"{source} names no list of its pages in {_CONTAINER}; the book is damaged")
    return posixpath.normpath(paths[0])


def _refuse_drm(archive: Archive, source: str, pages: set[str]) -> None:
    """Refuse books that are encrypted; obscured fonts do not count."""
    data = archive.read(_ENCRYPTION)
    if data is None:
        return
    for entry in parse_xml(data, f"{source}: {_ENCRYPTION}").iter("EncryptedData"):
        method, reference = entry.find("EncryptionMethod"), entry.find(".//CipherReference")
        kind = "" if method is None else method.get("Algorithm", "")
        path = "" if reference is None else unquote(reference.get("URI", ""))
        if kind not in _OF_FONTS and path in pages:
            raise TextError(f"{source} is protected by DRM, and its text cannot be read; give a copy without")


def _spine(package: Element, parts: Mapping[str, ManifestItem]) -> tuple[list[str], list[str]]:
    """The pages in order, and those that are beside it."""
    spine, passed, element = dict[str, None](), list[str](), package.find("spine")
    for reference in [] if element is None else element.iter("itemref"):
        part, seen = parts.get(reference.get("idref", "")), set[str]()
        while part is not None and part.media_type not in PAGES and part.path not in seen:
            seen.add(part.path)  # a circle of fallbacks ends here
            part = parts.get(part.fallback or "")
        if part is None or part.media_type not in PAGES:
            continue
        if reference.get("linear") == "no":
            passed.append(part.path)
        elif "nav" not in part.properties:
            spine[part.path] = None
    in_guide = {
        found.get("href", "").partition("#")[0].rpartition("/")[2]
        for found in package.iter("reference")
        if found.get("type", "").lower() == "toc"
    }
    pages = [path for path in spine if path.rpartition("/")[2] not in in_guide]
    return (pages or list(spine)), passed


def _contents(package: Element, parts: Mapping[str, ManifestItem]) -> ManifestItem | None:
    nav = next((part for part in parts.values() if "nav" in part.properties), None)
    if nav is not None:
        return nav
    spine = package.find("spine")
    ncx = parts.get("" if spine is None else spine.get("toc", ""))
    of_kind = (part for part in parts.values() if part.media_type == "application/x-dtbncx+xml")
    return ncx or next(of_kind, None)


def _all(facts: Element, name: str) -> list[str]:
    return [words for found in facts.iter(name) if (words := words_of(found))]


def _title(facts: Element) -> str:
    """The title marked as the main one, else the first."""
    kinds = {
        found.get("refines", "").lstrip("#"): words_of(found)
        for found in facts.iter("meta")
        if found.get("property") == "title-type"
    }
    titles = [(kinds.get(found.get("id", "")), words_of(found)) for found in facts.iter("title")]
    main = next((words for kind, words in titles if kind == "main" and words), None)
    return main or next((words for _, words in titles if words), "")


def _language(code: str) -> str | None:
    found = re.match(r"[A-Za-z]{2,3}(?![A-Za-z])", code)
    return found[0].lower() if found else None


def _year(date: str) -> str | None:
    found = re.match(r"\d{4}", date)
    return found[0] if found else None


def _series(facts: Element) -> str | None:
    for found in facts.iter("meta"):
        if found.get("name") == "calibre:series" and found.get("content"):
            return found.get("content")
        if found.get("property") == "belongs-to-collection" and words_of(found):
            return words_of(found)
    return None


def _cover(facts: Element, parts: Mapping[str, ManifestItem]) -> str | None:
    named = next(
        (found.get("content", "") for found in facts.iter("meta") if found.get("name") == "cover"), ""
    )
    by_property = next((part for part in parts.values() if "cover-image" in part.properties), None)
    part = by_property or parts.get(named)
    return None if part is None else part.path
