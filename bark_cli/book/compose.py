"""A Book and a Recipe -> the Narration of all of it, and its chapters as ranges of pieces.

The seed of a piece follows from its words and not from its place: a paragraph that is written anew changes
no piece but its own.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import groupby, pairwise

from bark_cli.errors import OptionError
from bark_cli.narration.narrate import Narration
from bark_cli.narration.recipe import Recipe
from bark_cli.text.books.book import Book, Passage
from bark_cli.text.script import Line, Script, at_pauses

# pauses, as times that between two paragraphs
_AFTER_HEADING, _AROUND_QUOTE, _BETWEEN_SCENES, _AFTER_CHAPTER = 2.0, 1.5, 3.0, 4.0


@dataclass(frozen=True, kw_only=True)
class Section:
    """A chapter, and what of the narration is its own."""

    number: int  # in the book, from 1
    title: str
    begin: int  # pieces
    end: int


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    """A passage of a chapter, and what is said of it."""

    passage: Passage
    pieces: Sequence[int]  # from the first of the chapter, which is 0; none of a break


@dataclass(frozen=True, kw_only=True, eq=False)
class ComposedBook:
    """What will be said of a book."""

    book: Book
    narration: Narration
    sections: Sequence[Section]
    origins: Sequence[tuple[int, int]]  # of the lines: the number of the chapter, and of the passage in it

    def of_section(self, section: Section) -> Narration:
        """The narration of one chapter."""
        return replace(self.narration, pieces=self.narration.pieces[section.begin : section.end])

    def paragraphs(self, section: Section) -> list[Paragraph]:
        """All that stands in a chapter, in the order in which it is read."""
        said = defaultdict[int, list[int]](list)
        for number in range(section.begin, section.end):
            _, passage = self.origins[self.narration.pieces[number].line]
            said[passage].append(number - section.begin)
        passages = self.book.chapters[section.number - 1].passages
        return [Paragraph(passage=one, pieces=said[number]) for number, one in enumerate(passages)]

    def estimate_s(self, section: Section) -> float:
        """Seconds of sound to expect, pauses included."""
        return self.of_section(section).estimate_s


def choose(book: Book, wanted: str, option: str = "--chapters") -> list[int]:
    """The numbers of the chapters that "1-3,7" names, in the book's order; "" is all. `option` asks for them.

    Raises:
        OptionError: it names none, or one that there is not.
    """
    count, found = len(book.chapters), set[int]()
    if not wanted:
        return list(range(1, count + 1))
    for part in wanted.split(","):
        first, dash, last = (word.strip() for word in part.partition("-"))
        named = [word for word in (first, last) if word]
        if not named or not (first or dash) or not all(w.isdecimal() and len(w) < 9 for w in named):
            raise OptionError(f"{option} {wanted} is not understood; write, for example, 1-3,7")
        low, high = int(first or 1), int(last or count) if dash else int(first)
        if not 1 <= low <= high <= count:
            there = f"chapters 1 to {count}" if count > 1 else "one chapter"
            raise OptionError(f"{option} {part.strip()}: the book has {there}; --dry-run lists them")
        found.update(range(low, high + 1))
    return sorted(found)


def compose_book(
    book: Book,
    numbers: Sequence[int],
    recipe: Recipe,
    compose: Callable[[Script], Narration],
    *,
    seed: int,
    seeds: Mapping[int, int] | None = None,
    respeak: Callable[[Sequence[Script]], Sequence[Script]] = lambda scripts: scripts,
) -> ComposedBook:
    """Put the chosen chapters in a row.

    Args:
        book: what is read.
        numbers: of its chapters, from 1.
        recipe: how.
        compose: what cuts a script into pieces.
        seed: of the whole.
        seeds: of chapters that have one of their own.
        respeak: what changes the words of a chapter before they are cut: its passages, each a script.

    Raises:
        BarkError: as `compose`.
    """
    lines, origins = list[Line](), list[tuple[int, int]]()
    cast = dict(book.cast)
    for number in numbers:
        spoken = _with_pauses(book.chapters[number - 1].passages, recipe.paragraph_pause_s)
        first = len(lines) + 1
        scripts = [
            Script(lines=tuple(_lines(passage, pause_s, first + at)))
            for at, (_, passage, pause_s) in enumerate(spoken)
        ]
        for script, (place, *_) in zip(respeak(scripts), spoken, strict=True):
            cast |= script.cast
            lines += script.lines
            origins += [(number, place)] * len(script.lines)
    narration = compose(Script(lines=tuple(lines), cast=cast, left_out=tuple(book.left_out)))
    owners = [origins[piece.line][0] for piece in narration.pieces]
    return ComposedBook(
        book=book,
        narration=_reseeded(narration, owners, seed, seeds or {}),
        sections=list(_sections(book, owners)),
        origins=origins,
    )


def _with_pauses(passages: Sequence[Passage], usual_s: float) -> list[tuple[int, Passage, float]]:
    """The passages that have words, each with its place and the silence after it."""
    found: list[tuple[int, Passage, float]] = []
    for place, (passage, following) in enumerate(pairwise([*passages, Passage(text="", kind="break")])):
        if passage.kind == "break":
            continue
        times = 1.0
        if passage.kind == "heading":
            times = _AFTER_HEADING
        elif (passage.kind == "quote") != (following.kind == "quote"):
            times = _AROUND_QUOTE
        if following.kind == "break":
            times = _BETWEEN_SCENES
        found.append((place, passage, times * usual_s))
    if found:
        found[-1] = (*found[-1][:2], _AFTER_CHAPTER * usual_s)
    return found


def _lines(passage: Passage, pause_s: float, number: int) -> list[Line]:
    """The passage, cut where it says [pause]."""
    lines = list(at_pauses(Line(text=passage.text, speaker=passage.speaker, number=number)))
    if lines and lines[-1].pause_after_s is None:
        lines[-1] = replace(lines[-1], pause_after_s=pause_s)
    return lines


def _reseeded(narration: Narration, owners: Sequence[int], seed: int, seeds: Mapping[int, int]) -> Narration:
    """The same with seeds that follow from the words; what is said twice is said in two ways."""
    said, pieces = Counter[tuple[int, str]](), []
    for piece, owner in zip(narration.pieces, owners, strict=True):
        base = seeds.get(owner, seed)
        told = f"{base} {said[base, piece.text]} {piece.text}"
        said[base, piece.text] += 1
        number = int.from_bytes(sha256(told.encode("utf-8", "surrogatepass")).digest()[:4], "big")
        pieces.append(replace(piece, seed=number))
    return replace(narration, pieces=tuple(pieces))


def _sections(book: Book, owners: Sequence[int]) -> list[Section]:
    found, begin = list[Section](), 0
    for number, run in groupby(owners):
        end = begin + len(list(run))
        found.append(Section(number=number, title=book.chapters[number - 1].title, begin=begin, end=end))
        begin = end
    return found
