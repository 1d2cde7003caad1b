"""The chapters that were told, and what the book is called -> an EPUB's package document and contents.

After EPUB 3.3 (W3C), sections 5 (package document), 7 (navigation) and 9.3 (durations of media overlays).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import NAMESPACE_URL, uuid5

from bark_cli.audio import Provenance, Tags
from bark_cli.audio.tags.model import picture_type
from bark_cli.book.readalong.page import HEAD, STYLE, XHTML, written
from bark_cli.book.shelf import Told

CONTAINER = (
    f'{HEAD}<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">\n<rootfiles>'
    '<rootfile full-path="EPUB/book.opf" media-type="application/oebps-package+xml"/></rootfiles>\n'
    "</container>\n"
)
_SOUNDS = {"mp3": "audio/mpeg", "opus": "audio/ogg; codecs=opus"}
_NOTICE = "Read aloud by a machine: AI-generated speech, in time with the text."


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """A chapter, and the names of its three files."""

    told: Told
    name: str  # such as c001

    @property
    def page(self) -> str:
        """Of its text."""
        return f"{self.name}.xhtml"

    @property
    def overlay(self) -> str:
        """Of its times."""
        return f"{self.name}.smil"

    def sound(self, format: str) -> str:
        """Of its speech."""
        return f"{self.name}.{format}"


def cover_name(cover: bytes) -> str:
    """Of the picture's file."""
    return "cover.png" if picture_type(cover) == "image/png" else "cover.jpg"


def contents(leaves: Sequence[Leaf], tags: Tags) -> str:
    """The table of contents, a page of XHTML."""
    language = _language(tags)
    rows = "\n".join(
        f'<li><a href="{leaf.page}">{written(leaf.told.section.title)}</a></li>' for leaf in leaves
    )
    title = written(tags.fields.get("title", ""))
    return (
        f'{HEAD}<!DOCTYPE html>\n{XHTML} lang="{language}" xml:lang="{language}">\n'
        f"<head><title>{title}</title>{STYLE}</head>\n"
        f'<body><nav epub:type="toc" id="toc" role="doc-toc"><h1>{title}</h1>\n<ol>\n{rows}\n'
        "</ol></nav></body>\n</html>\n"
    )


def package(
    leaves: Sequence[Leaf], tags: Tags, metadata: Provenance | None, format: str, modified: datetime
) -> str:
    """The package document."""
    items = [
        '<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>',
        '<item id="style" href="style.css" media-type="text/css"/>',
    ]
    if tags.cover is not None:
        kind = picture_type(tags.cover)
        items.append(
            f'<item id="cover" href="{cover_name(tags.cover)}" media-type="{kind}" properties="cover-image"/>'
        )
    for leaf in leaves:
        name = leaf.name
        items += [
            f'<item id="{name}" href="{leaf.page}" media-type="application/xhtml+xml" '
            f'media-overlay="{name}-times"/>',
            f'<item id="{name}-times" href="{leaf.overlay}" media-type="application/smil+xml"/>',
            f'<item id="{name}-sound" href="{leaf.sound(format)}" media-type="{_SOUNDS[format]}"/>',
        ]
    order = "".join(f'<itemref idref="{leaf.name}"/>' for leaf in leaves)
    facts = "\n".join(_facts(leaves, tags, metadata, modified))
    return (
        f'{HEAD}<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id" '
        f'xml:lang="{_language(tags)}">\n<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">\n{facts}\n</metadata>\n'
        "<manifest>\n" + "\n".join(items) + f"\n</manifest>\n<spine>{order}</spine>\n</package>\n"
    )


def _facts(leaves: Sequence[Leaf], tags: Tags, metadata: Provenance | None, modified: datetime) -> list[str]:
    """The lines of its metadata."""
    fields, total = tags.fields, sum(leaf.told.duration_s for leaf in leaves)
    texts = [cue.text for leaf in leaves for cue in leaf.told.cues]
    made = "" if metadata is None else metadata.comment()
    name = uuid5(NAMESPACE_URL, "\n".join((*fields.values(), made, *texts)))
    found = [
        f'<dc:identifier id="id">urn:uuid:{name}</dc:identifier>',
        f"<dc:title>{written(fields.get('title', 'Untitled'))}</dc:title>",
        f"<dc:language>{_language(tags)}</dc:language>",
    ]
    if author := fields.get("artist"):
        found.append(f'<dc:creator id="author">{written(author)}</dc:creator>')
        found.append('<meta refines="#author" property="role" scheme="marc:relators">aut</meta>')
    if date := fields.get("date"):
        found.append(f"<dc:date>{written(date)}</dc:date>")
    if series := fields.get("series"):
        found.append(f'<meta property="belongs-to-collection" id="series">{written(series)}</meta>')
        found.append('<meta refines="#series" property="collection-type">series</meta>')
    if rights := fields.get("copyright"):
        found.append(f"<dc:rights>{written(rights)}</dc:rights>")
    if metadata is not None:
        found.append(f"<dc:description>{written(_NOTICE)}</dc:description>")
        found.append(f'<dc:contributor id="voice">{written(_narrator(metadata))}</dc:contributor>')
        found.append('<meta refines="#voice" property="role" scheme="marc:relators">nrt</meta>')
        found.append(f'<meta property="media:narrator">{written(_narrator(metadata))}</meta>')
        found.append(f'<meta property="dcterms:provenance">{written(made)}</meta>')
    found.append(f'<meta property="dcterms:modified">{modified:%Y-%m-%dT%H:%M:%SZ}</meta>')
    found.append(f'<meta property="media:duration">{total:.3f}s</meta>')
    for leaf in leaves:
        seconds = f"{leaf.told.duration_s:.3f}s"
        found.append(f'<meta property="media:duration" refines="#{leaf.name}-times">{seconds}</meta>')
    found.append('<meta property="media:active-class">-epub-media-overlay-active</meta>')
    return [*found, *_accessibility()]


def _narrator(metadata: Provenance) -> str:
    voice = f", {metadata.voice}" if metadata.voice else ""
    return f"AI-generated speech ({metadata.software}, {metadata.model}{voice})"


def _accessibility() -> list[str]:
    """For whom the book is, in schema.org's words."""
    facts = [("accessMode", "textual"), ("accessMode", "auditory"), ("accessModeSufficient", "textual")]
    facts += [("accessModeSufficient", "auditory"), ("accessibilityHazard", "none")]
    facts += [("accessibilityFeature", "synchronizedAudioText"), ("accessibilityFeature", "tableOfContents")]
    facts += [("accessibilitySummary", "All of its text is read aloud, and marked while it is.")]
    return [f'<meta property="schema:{name}">{value}</meta>' for name, value in facts]


def _language(tags: Tags) -> str:
    """Of the text; "und" where nobody says."""
    return written(tags.fields.get("language", "und"))
