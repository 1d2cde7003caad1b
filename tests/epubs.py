"""EPUBs made on the spot: pages and a table of contents -> a file, EPUB 3 or 2, whole or hostile."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

CONTAINER = """<?xml version="1.0"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>
<rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>"""
METADATA = "<dc:title>A Tale</dc:title><dc:creator>A. Writer</dc:creator><dc:language>en-GB</dc:language>"
PNG = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0\x90wS\xde\0\0\0\x0cIDATx\x9cc\xf8\xcf\xc0\0"
    b"\0\3\1\1\0\xc9\xfe\x92\xef\0\0\0\0IEND\xaeB`\x82"
)


def page(body: str, title: str = "a page") -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?><!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml" '
        f'xmlns:epub="http://www.idpf.org/2007/ops"><head><title>{title}</title></head><body>{body}</body></html>'
    )


def nav(entries: Sequence[tuple[str, str]]) -> str:
    rows = "".join(f'<li><a href="{href}">{title}</a></li>' for title, href in entries)
    return page(f'<nav epub:type="toc"><h1>Contents</h1><ol>{rows}</ol></nav>')


def ncx(entries: Sequence[tuple[str, str]]) -> str:
    rows = "".join(
        f'<navPoint id="n{i}"><navLabel><text>{title}</text></navLabel><content src="{href}"/></navPoint>'
        for i, (title, href) in enumerate(entries)
    )
    return (
        '<?xml version="1.0"?><!DOCTYPE ncx PUBLIC "-//NISO//DTD ncx 2005-1//EN" "http://x.invalid/ncx.dtd">'
        f'<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap>{rows}</navMap></ncx>'
    )


def opf(
    pages: Sequence[str], *, version: int = 3, metadata: str = "", manifest: str = "", spine: str = ""
) -> str:
    items = "".join(
        f'<item id="p{i}" href="{name}" media-type="application/xhtml+xml"/>' for i, name in enumerate(pages)
    )
    contents = (
        '<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>'
        if version == 3
        else '<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>'
    )
    order = spine or "".join(f'<itemref idref="p{i}"/>' for i in range(len(pages)))
    return (
        f'<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="{version}.0">'
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:opf="http://www.idpf.org/2007/opf">'
        f"{metadata or METADATA}</metadata><manifest>{items}{contents}{manifest}</manifest>"
        f'<spine toc="ncx">{order}</spine></package>'
    )


def write_epub(
    path: Path,
    pages: Mapping[str, str],
    entries: Sequence[tuple[str, str]] = (),
    *,
    version: int = 3,
    metadata: str = "",
    manifest: str = "",
    spine: str = "",
    others: Mapping[str, bytes] | None = None,
) -> Path:
    """`pages` are bodies by name; `others` are put in as they are, and go before what is made."""
    made: dict[str, str | bytes] = {
        "META-INF/container.xml": CONTAINER,
        "OEBPS/book.opf": opf(
            list(pages), version=version, metadata=metadata, manifest=manifest, spine=spine
        ),
        "OEBPS/nav.xhtml" if version == 3 else "OEBPS/toc.ncx": (nav if version == 3 else ncx)(entries),
        **{f"OEBPS/{name}": page(body) for name, body in pages.items()},
        **(others or {}),
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/epub+zip", zipfile.ZIP_STORED)
        for name, data in made.items():
            archive.writestr(name, data)
    return path
