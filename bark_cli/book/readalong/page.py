"""A chapter that was told -> XHTML with an id for each piece, and the SMIL that says when each is heard.

After EPUB 3.3 (W3C), sections 9 (media overlays) and 6 (content documents).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise

from bark_cli.book.shelf import Told
from bark_cli.book.shown import shown
from bark_cli.text.books.book import Passage

XHTML = '<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops"'
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
CSS = """body { margin: 5%; line-height: 1.5; }
blockquote { margin: 1em 2em; }
hr { width: 20%; margin: 2em auto; }
.-epub-media-overlay-active { background: #ffe9a8; color: #000; }
"""
STYLE = '<link rel="stylesheet" type="text/css" href="style.css"/>'


def text_page(told: Told, language: str) -> str:
    """The chapter as XHTML; each of its pieces has the id that `piece_id` gives."""
    title, language = written(told.section.title), written(language)
    body = "\n".join(_paragraphs(told))
    return (
        f'{HEAD}<!DOCTYPE html>\n{XHTML} lang="{language}" xml:lang="{language}">\n'
        f"<head><title>{title}</title>{STYLE}</head>\n"
        f'<body><section id="all" epub:type="chapter" role="doc-chapter" aria-label="{title}">\n{body}\n'
        "</section></body>\n</html>\n"
    )


def overlay(told: Told, page: str, sound: str) -> str:
    """Its SMIL: the pieces in order, each from its beginning to that of the next, so that no silence is lost.

    `page` and `sound` are the names of the two files, which lie beside it.
    """
    numbers = [number for _, said in _laid_out(told) for number, _ in said]
    begins = [0.0, *(told.cues[number].start_s for number in numbers[1:]), told.duration_s]
    rows = [
        f'<par id="t{number}"><text src="{page}#{piece_id(number)}"/>'
        f'<audio src="{sound}" clipBegin="{begin:.3f}s" clipEnd="{end:.3f}s"/></par>'
        for number, (begin, end) in zip(numbers, pairwise(begins), strict=True)
    ]
    body = "\n".join(rows)
    return (
        f'{HEAD}<smil xmlns="http://www.w3.org/ns/SMIL" xmlns:epub="http://www.idpf.org/2007/ops" '
        f'version="3.0">\n<body id="all" epub:textref="{page}#all" epub:type="chapter">\n{body}\n'
        "</body>\n</smil>\n"
    )


def piece_id(number: int) -> str:
    """Of a piece, counted from the first of its chapter, which is 0."""
    return f"p{number}"


def written(text: str) -> str:
    """Text as XML holds it; signs that XML forbids are left out."""
    return escape("".join(sign for sign in text if _is_allowed(sign)))


def _is_allowed(sign: str) -> bool:
    return sign in "\t\n\r" or " " <= sign <= "\ud7ff" or "\ue000" <= sign <= "\ufffd" or sign > "\uffff"


def _laid_out(told: Told) -> Iterator[tuple[Passage, list[tuple[int, str]]]]:
    """The passages in order, each in parts with the numbers of their pieces; joined, they are its text.

    A piece that has no words of its own (a lexicon can do that) is heard with the words before it.
    """
    for paragraph in told.paragraphs:
        parts = list[tuple[int, str]]()
        texts = shown(paragraph.passage.text, [told.cues[number].text for number in paragraph.pieces])
        for number, text in zip(paragraph.pieces, texts, strict=True):
            if parts and not (text.strip() and parts[-1][1].strip()):
                parts[-1] = (parts[-1][0], parts[-1][1] + text)
            else:
                parts.append((number, text))
        yield paragraph.passage, parts


def _paragraphs(told: Told) -> Iterator[str]:
    for passage, parts in _laid_out(told):
        if passage.kind == "break":
            yield "<hr/>"
        else:
            yield _element(passage, _spans(parts) if parts else written(passage.text))


def _spans(parts: Sequence[tuple[int, str]]) -> str:
    """The pieces, spaces between them outside."""
    rows = []
    for number, text in parts:
        words = text.strip()
        before, _, after = text.partition(words) if words else (text, "", "")
        rows.append(f'{written(before)}<span id="{piece_id(number)}">{written(words)}</span>{written(after)}')
    return "".join(rows)


def _element(passage: Passage, spans: str) -> str:
    if passage.kind == "heading":
        level = min(6, max(1, passage.level))
        return f"<h{level}>{spans}</h{level}>"
    if passage.kind == "quote":
        return f"<blockquote><p>{spans}</p></blockquote>"
    if passage.kind == "note":
        return f'<aside epub:type="footnote" role="doc-footnote"><p>{spans}</p></aside>'
    return f"<p>{spans}</p>"
