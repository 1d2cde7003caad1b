"""A text in one file (Markdown, HTML, plain) -> a Book with a chapter under each of its headings."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace

from bark_cli.text.books.book import Book, Chapter, Kind, Passage
from bark_cli.text.books.cut import as_title, by_heading, cut
from bark_cli.text.books.page import Counted, plain_words, read_page
from bark_cli.text.documents import read_document
from bark_cli.text.documents.dialogue import read_script
from bark_cli.text.documents.markdown import markdown_outline, read_markdown
from bark_cli.text.documents.passed import PassedOver
from bark_cli.text.documents.plain import without_controls

_LONGEST = 70  # characters of a heading in a plain text
_NUMBERED = re.compile(
    r"(?:chapter|part|book|act|prologue|epilogue|introduction|preface|foreword|afterword|appendix|kapitel|"
    r"teil|prolog|epilog|vorwort|nachwort|chapitre|partie|capítulo|capitolo|parte|rozdział|глава|часть|bölüm)\b"
    r"|[IVXLC]{1,7}\.?$|第.{1,6}[章回部]",
    re.IGNORECASE,
)
_FACT = re.compile(r"(title|author|date|lang|language):\s*[\"']?(.{1,300}?)[\"']?\s*")


def markdown_book(text: str, title: str) -> Book:
    """A chapter at each heading of the highest level of which there are several."""
    passed = PassedOver()
    text = without_controls(text, passed)
    headings, quoted, rules = markdown_outline(text)
    breaks = iter(rules)
    following = next(breaks, None)
    passages: list[Passage] = []
    for number, words in read_markdown(text, passed):
        while following is not None and following < number:
            passages += [Passage(text="", kind="break")] if passages else []
            following = next(breaks, None)
        kind: Kind = "heading" if number in headings else "quote" if number in quoted else "text"
        passages.append(Passage(text=plain_words(words), kind=kind, level=headings.get(number, 0)))
    facts = _facts(text)
    return _book(passages, facts.get("title") or title, passed, facts)


def html_book(text: str, title: str, extras: Collection[str] = ()) -> Book:
    """The same of a page of HTML."""
    passed = Counted()
    page = read_page(without_controls(text, passed), passed, extras)
    named = re.search(r"<title[^>]{0,200}>([^<]{1,300})</title", text[:20_000], re.IGNORECASE)
    return _book(list(page.passages), " ".join(named[1].split()) if named else title, passed, {})


def plain_book(text: str, title: str, format: str = "auto", name: str | None = None) -> Book:
    """A chapter at each short line, alone between blank ones, that is called as chapters are."""
    rows = re.sub(r"\r\n?", "\n", text).split("\n")
    chapters, left_out = list[Chapter](), list[str]()
    begins = [n for n in range(len(rows)) if _is_heading(rows, n)]
    spans = [(title, 0, begins[0] if begins else len(rows))]
    spans += [(rows[a].strip(), a + 1, b) for a, b in zip(begins, [*begins[1:], len(rows)], strict=False)]
    for number, (heading, begin, end) in enumerate(spans):
        said = "\n".join(rows[begin:end])
        script = read_document(said, format, name) if said.strip() else None
        left_out += script.left_out if script else ()
        lines = script.lines if script else ()
        head = [Passage(text=f"{heading}.", kind="heading", level=1)] if number else []
        passages = [*head, *(p for line in lines for p in _paragraphs(line.text, line.pause_after_s))]
        if any(passage.text for passage in passages):
            chapters.append(Chapter(title=heading, passages=passages))
    return Book(chapters=chapters, title=title, left_out=left_out)


def script_book(text: str, title: str, cast: Mapping[str, str], source: str) -> Book:
    """A script, whose lines know who says them: one chapter, for a # begins a comment in it.

    Raises:
        TextError: it is not understood, or somebody has no voice.
    """
    script = read_script(text, cast, source=source)
    passages = [
        replace(passage, speaker=line.speaker)
        for line in script.lines
        for passage in _paragraphs(line.text, line.pause_after_s)
    ]
    chapters = [Chapter(title=title, passages=passages)] if passages else []
    return Book(chapters=chapters, title=title, cast=script.cast, left_out=script.left_out)


def _paragraphs(text: str, pause_s: float | None) -> list[Passage]:
    """The paragraphs of a line, the pause after it written as it was."""
    parts = [" ".join(part.split()) for part in re.split(r"\n[ \t]*\n", text)]
    found = [Passage(text=plain_words(part)) for part in parts if any(map(str.isalnum, part))]
    if found and pause_s is not None:
        found[-1] = Passage(text=f"{found[-1].text} [pause {pause_s:g}s]")
    return found


def _is_heading(rows: list[str], n: int) -> bool:
    row = rows[n].strip()
    is_alone = (n == 0 or not rows[n - 1].strip()) and (n + 1 == len(rows) or not rows[n + 1].strip())
    return bool(is_alone and row and len(row) <= _LONGEST and _NUMBERED.match(row)) and row[-1] not in ",;"


def _facts(text: str) -> dict[str, str]:
    """What a front matter in YAML says of a book."""
    rows = text.split("\n", 100)[:100]
    if rows[0].rstrip() != "---":
        return {}
    matches = (_FACT.fullmatch(row) for row in rows[1:])
    return {match[1]: match[2] for match in matches if match}


def _book(passages: list[Passage], title: str, passed: PassedOver, facts: dict[str, str]) -> Book:
    marks = by_heading(passages)
    above = [p for p in passages if p.level and marks and p.level < passages[marks[0].at].level]
    if len(above) == 1 and not facts.get("title"):
        title = as_title(above[0].text)
    language = re.match(r"[a-z]{2,3}\b", facts.get("lang") or facts.get("language") or "")
    year = re.match(r"\d{4}", facts.get("date", ""))
    return Book(
        chapters=cut(passages, marks, title),
        title=title,
        author=facts.get("author", ""),
        language=language[0] if language else None,
        year=year[0] if year else None,
        left_out=passed.told,
    )
