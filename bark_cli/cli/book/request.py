"""What `bark book` was asked for: its parameters and the settings -> BookRequest, which reads the book."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bark_cli.cli.speaking import Speaking, settings_flags, speaking
from bark_cli.errors import OptionError, TextError
from bark_cli.model.options import draw_seed
from bark_cli.settings import resolve
from bark_cli.system.home import expanded
from bark_cli.text.books.book import EXTRAS, Picture

if TYPE_CHECKING:
    from bark_cli.audio import Level
    from bark_cli.text.books.book import Book

PRESET = "audiobook"
FORMAT = "mp3"  # of the files in a folder: every player has it


@dataclass(frozen=True, kw_only=True)
class BookRequest(Speaking):
    """Everything `bark book` was asked for."""

    path: Path
    output: Path
    chapters: str  # such as 1-3,7; "" is all
    redo: str  # the same of those to be said again; "" is none
    extras: Sequence[str]
    title: str | None
    author: str | None
    format: str  # of the files in a folder
    subtitles: str | None  # "srt" or "vtt", beside each file
    level: Level
    seed: int
    is_seed_drawn: bool
    force: bool
    fresh: bool
    keeps_pieces: bool
    as_json: bool
    quiet: bool

    def read(self) -> Book:
        """The book, with the title, author and cover that were given.

        Raises:
            TextError: it cannot be read, or has a tag that no model knows, and must not.
            OptionError: a cast for what is no script.
        """
        from bark_cli.text.books.read import read_book

        reading = self.reading
        book = read_book(
            self.path,
            extras=self.extras,
            encoding=reading.encoding,
            format=reading.format,
            cast=reading.cast,
        )
        if reading.cast and not book.cast:
            raise OptionError(f"--cast is for scripts, and {self.path} is not one; add --input-format script")
        if reading.strict:
            _refuse_tags(book)
        return replace(
            book,
            title=self.title or book.title,
            author=self.author or book.author,
            cover=book.cover if self.tags.cover is None else Picture(data=self.tags.cover),
            language=self.language or book.language,
        )


def book_request(given: Mapping[str, Any]) -> BookRequest:
    """Put together the parameters of the command (None: not given) and the settings.

    Raises:
        BarkError: a value is outside its range, or values do not go together.
    """
    from bark_cli.book.output import check_output

    if given["output"] == "-":
        raise OptionError("-o takes a file or a folder; for a pipe, `bark say -f FILE -o -`")
    if given["file"] == "-":
        raise OptionError("a book is read from a file or a folder; for a text from a pipe, `bark say -f -`")
    resolved = resolve(settings_flags(given), usual=PRESET)
    settings = resolved.settings
    if settings.continuity == "previous":
        raise OptionError("a book is not said with --continuity previous: its voice would drift; use voice")
    path, output, redo = expanded(given["file"]), expanded(given["output"]), given["redo"] or ""
    if path.resolve() == output.resolve():
        raise OptionError(f"{output} is the book that is read; give -o another name")
    subtitles = None if settings.subtitles == "none" else settings.subtitles
    if output.suffix.lower() == ".epub":
        if given["subtitles"] not in (None, "none"):
            raise OptionError("an EPUB to read along has its own times, and no --subtitles")
        subtitles = None
    check_output(output, force=given["force"] or bool(redo), subtitles=subtitles)
    return BookRequest(
        **speaking(given, resolved),
        path=path,
        output=output,
        chapters=given["chapters"] or "",
        redo=redo,
        extras=_extras(given["include"] or []),
        title=given["title"],
        author=given["author"],
        format=_format(output, given["format"], settings.format),
        subtitles=subtitles,
        level=settings.normalize if resolved.was_set("normalize") else "loudness",  # type: ignore[arg-type]
        seed=draw_seed() if settings.seed is None else settings.seed,
        is_seed_drawn=settings.seed is None,
        force=given["force"],
        fresh=given["fresh"],
        keeps_pieces=given["keep_pieces"],
        as_json=given["as_json"],
        quiet=given["quiet"],
    )


def _format(output: Path, given: str | None, usual: str | None) -> str:
    """Of the files in a folder or an EPUB; `usual` is the setting, which may be for other commands."""
    from bark_cli.book.readalong import FORMATS, SUFFIX
    from bark_cli.book.shelf import IN_ONE

    suffix = output.suffix.lower()
    if suffix in IN_ONE and given not in (None, suffix[1:]):
        raise OptionError(
            f"{output.name} and --format {given} do not go together: the format of one file is that of its "
            f"name; give -o {output.stem}.{given}, or leave --format out"
        )
    if suffix != SUFFIX:
        return FORMAT if usual in (None, "wav", "raw") else usual
    if given not in (None, *FORMATS):
        raise OptionError(f"an EPUB holds {' or '.join(FORMATS)}, which every reader plays, and no {given}")
    return usual if usual in FORMATS else FORMAT


def _refuse_tags(book: Book) -> None:
    """Refuse tags that no model knows.

    Raises:
        TextError: there is one.
    """
    from bark_cli.text.tags import check_tags

    for chapter in book.chapters:
        for passage in chapter.passages:
            if (problem := next(iter(check_tags(passage.text)), None)) is not None:
                raise TextError(f"{chapter.title}: {problem}; --strict forbids it")


def _extras(words: Sequence[str]) -> list[str]:
    found = [part.strip().lower() for word in words for part in word.split(",")]
    if unknown := [word for word in found if word not in EXTRAS]:
        raise OptionError(f"--include {unknown[0]} is not known; there are {', '.join(EXTRAS)}")
    return found
