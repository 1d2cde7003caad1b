"""`bark book` at work: BookRequest -> an audiobook."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from bark_cli.book.compose import ComposedBook, choose, compose_book
from bark_cli.cli.book.progress import BookBar, ChapterLines, clock
from bark_cli.cli.book.request import BookRequest
from bark_cli.cli.download.offer import resolve_or_offer
from bark_cli.cli.output import is_watched, note, print_json
from bark_cli.errors import BarkError, OptionError
from bark_cli.system.interrupts import parting_words
from bark_cli.system.units import human_speed

if TYPE_CHECKING:
    from pathlib import Path

    from bark_cli.audio import Tags
    from bark_cli.book.shelf import Edition, Told
    from bark_cli.narration.kept import KeptPieces
    from bark_cli.narration.recipe import Recipe
    from bark_cli.pipeline import Bark
    from bark_cli.text.books.book import Book

_GENRE = "Audiobook"
_HERE = "were here; --fresh begins anew"
_KEPT = "are kept; run the same command again to go on"


def work(request: BookRequest) -> None:
    """Make the audiobook.

    Raises:
        BarkError: the book cannot be read, the request cannot be done, or the disk refuses.
    """
    from bark_cli.narration.compose import compose_for

    book = request.read()
    numbers = choose(book, request.chapters)
    again = set(choose(book, request.redo, "--redo") if request.redo else ())
    model_folder(request, book)
    bark = request.load(None if request.quiet else note)
    kept = request.kept_pieces(bark, str(request.output))
    with kept.held():
        request, seeds = _seeds(request, book, kept, again)
        recipe = recipe_for(request, book, bark.config.sampling)
        composed = compose_book(
            book,
            numbers,
            recipe,
            lambda script: compose_for(bark.model, script, recipe, request.seed),
            seed=request.seed,
            seeds=seeds,
            respeak=partial(request.reading.spoken, language=recipe.language),
        )
        _make(request, bark, composed, kept)


def _make(request: BookRequest, bark: Bark, composed: ComposedBook, kept: KeptPieces) -> None:
    """Say it, chapter by chapter, and tell of each."""
    from bark_cli.book.make import make_book
    from bark_cli.book.output import opener

    tell_of_loss(composed, request)
    _tell_of_kept(composed, kept, request)
    told: list[Told] = []
    chapters = partial(make_book, bark, composed, kept, batch_size=request.settings.batch_size)
    how_to_go_on = partial(_tell_of_kept, composed, kept, request, _KEPT)
    try:
        with (
            parting_words(how_to_go_on),
            _display(composed, request) as display,
            opener(request.output)(request.output, _edition(request, bark, composed)) as shelf,
            closing(chapters(shelf, on_speech=display.hear)) as done,
        ):
            for chapter in done:
                told.append(chapter)
                display.tell(chapter)
    except BarkError:
        how_to_go_on()
        raise
    if not request.keeps_pieces:
        kept.clear()
    _report(request, bark, told, display)


def model_folder(request: BookRequest, book: Book) -> Path:
    """Where the model is, which has the voices.

    Raises:
        MissingModelError: it is not here.
        VoiceError: there is no such voice.
    """
    from bark_cli.cli.say.check import check_voices
    from bark_cli.text.script import Script

    with request.naming_origins():
        folder = resolve_or_offer(request.models, may_ask=not (request.quiet or request.as_json))[0].folder
        check_voices(Script(lines=(), cast=book.cast), request, folder)
    return folder


def recipe_for(request: BookRequest, book: Book, defaults: Any) -> Recipe:
    """How it is spoken: in the book's language, unless another was given or the voice has one."""
    recipe = request.recipe(defaults)
    return recipe if recipe.language else replace(recipe, language=book.language)


def _seeds(
    request: BookRequest, book: Book, kept: KeptPieces, again: set[int]
) -> tuple[BookRequest, Mapping[int, int]]:
    """The seed with which the book was begun, and those of chapters that were said again.

    Raises:
        OptionError: chapters are to be said again of a book whose pieces are not kept.
    """
    from bark_cli.model.options import draw_seed

    if again and not any(kept.folder.glob("*.npz")):
        raise OptionError(
            f"the pieces of {request.output} are not kept (--keep-pieces does), so that all would be said "
            "again; say the book anew with --force"
        )
    if request.fresh:
        kept.empty()
    if request.is_seed_drawn:
        request = replace(request, seed=kept.seed("book", request.seed))
    seeds, times = dict[int, int](), Counter[str]()
    for number, chapter in enumerate(book.chapters, 1):
        name = f"chapter {times[chapter.title]} {chapter.title}"
        times[chapter.title] += 1
        if number in again:
            kept.remember_seed(name, draw_seed())
        if (own := kept.recall_seed(name)) is not None:
            seeds[number] = own
    return request, seeds


def _edition(request: BookRequest, bark: Bark, composed: ComposedBook) -> Edition:
    """What all files of it share."""
    from bark_cli.book.shelf import Edition

    voice = request.settings.voice or bark.config.default_voice
    told = composed.narration.provenance(bark.name, voice, request.seed, request.noted)
    return Edition(
        tags=_tags(request, bark, composed.book),
        metadata=told if request.settings.metadata else None,
        sample_rate=bark.config.codec.sample_rate,
        level=request.level,
        total=len(composed.book.chapters),
        format=request.format,
        subtitles=request.subtitles,
        force=request.force or bool(request.redo),
    )


def _tags(request: BookRequest, bark: Bark, book: Book) -> Tags:
    """Title, author and the like, where players look for them; those given by hand go before."""
    from bark_cli.audio import Tags

    found = {
        "title": book.title,
        "album": book.title,
        "artist": book.author,
        "albumartist": book.author,
        "composer": request.settings.voice or bark.config.default_voice,
        "genre": _GENRE,
        "date": book.year,
        "language": book.language,
        "series": book.series,
    }
    fields = {name: value for name, value in found.items() if value}
    cover = None if book.cover is None else book.cover.data
    return Tags(fields={**fields, **request.tags.fields}, cover=cover)


@contextmanager
def _display(composed: ComposedBook, request: BookRequest) -> Iterator[ChapterLines]:
    """What a human sees of it."""
    quiet = request.quiet or request.as_json
    with BookBar(composed) if is_watched() and not quiet else ChapterLines(composed, quiet=quiet) as display:
        yield display


def tell_of_loss(composed: ComposedBook, request: BookRequest) -> None:
    """Say what of the book is not read."""
    if composed.narration.told is not None and not request.quiet:
        note(composed.narration.told)


def _tell_of_kept(composed: ComposedBook, kept: KeptPieces, request: BookRequest, what: str = _HERE) -> None:
    """Say how much is here already."""
    here = kept.count(composed.narration)
    if here and not request.quiet:
        note(f"{here} of {len(composed.narration.pieces)} pieces {what}")


def _report(request: BookRequest, bark: Bark, told: list[Told], display: ChapterLines) -> None:
    """Say what came of it."""
    total, factor = sum(one.duration_s for one in told), display.real_time_factor
    if request.as_json:
        print_json(
            {
                "path": str(request.output),
                "model": bark.name,
                "seed": request.seed,
                "seconds": round(total, 3),
                "real_time_factor": None if factor is None else round(factor, 3),
                "chapters": [
                    {
                        "number": one.section.number,
                        "title": one.section.title,
                        "start": round(one.start_s, 3),
                        "seconds": round(one.duration_s, 3),
                    }
                    for one in told
                ],
            }
        )
    if not request.quiet:
        speed = "" if factor is None else f", {human_speed(factor)}"
        chapters = f"{len(told)} chapter{'s' * (len(told) != 1)}"
        note(f"{request.output}: {chapters}, {clock(total)} of sound{speed}")
