"""All passages of a book, and where its chapters begin -> Chapters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bark_cli.text.books.book import Chapter, Passage


class ChapterStart(NamedTuple):
    """Where a chapter begins, among all passages of a book."""

    at: int
    title: str


def cut(passages: Sequence[Passage], marks: Sequence[ChapterStart], title: str) -> list[Chapter]:
    """The chapters that begin at the marks, which are in order; what stands before them is called `title`.

    Notes are read at the end of their chapter. What has no words is no chapter.
    """
    if not marks or marks[0].at > 0:
        marks = [ChapterStart(0, title), *marks]
    ends = [mark.at for mark in marks[1:]] + [len(passages)]
    found = []
    for mark, end in zip(marks, ends, strict=True):
        inside = passages[mark.at : end]
        in_order = [p for p in inside if p.kind != "note"] + [p for p in inside if p.kind == "note"]
        if any(passage.text for passage in in_order):
            found.append(Chapter(title=mark.title, passages=tuple(in_order)))
    return found


def by_heading(passages: Sequence[Passage]) -> list[ChapterStart]:
    """A chapter at each heading of the highest level of which there are several, else of the highest."""
    levels = [passage.level for passage in passages if passage.level]
    several = sorted({level for level in levels if levels.count(level) > 1})
    if not levels:
        return []
    level = several[0] if several else min(levels)
    return [ChapterStart(n, as_title(p.text)) for n, p in enumerate(passages) if p.level == level]


def as_title(words: str) -> str:
    """A heading without the stop with which it is read."""
    return words[:-1] if words.endswith(".") and not words.endswith("..") else words
