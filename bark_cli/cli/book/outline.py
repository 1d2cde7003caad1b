"""`bark book --dry-run`: the chapters of a book, their words and estimated times; no model is loaded."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bark_cli.book.compose import ComposedBook, choose, compose_book
from bark_cli.cli.book.progress import clock, shown_title
from bark_cli.cli.book.request import BookRequest
from bark_cli.cli.book.work import model_folder, recipe_for, tell_of_loss
from bark_cli.cli.output import note, one_line, print_json
from bark_cli.cli.table import aligned

if TYPE_CHECKING:
    from bark_cli.narration.narrate import Narration
    from bark_cli.text.script import Script


def outline(request: BookRequest) -> None:
    """Print the chapters; nothing is written, and no model loaded.

    Raises:
        BarkError: the book cannot be read, or the model is not here.
    """
    from bark_cli.checkpoint.vocabulary import read_vocabulary
    from bark_cli.cli.say.outline import work_s
    from bark_cli.narration.compose import budget, compose

    book = request.read()
    numbers = choose(book, request.chapters)
    config, tokenizer = read_vocabulary(model_folder(request, book))
    recipe = recipe_for(request, book, config.sampling)
    limits = budget(config, tokenizer.count, tokenizer.loss)

    def cut(script: Script) -> Narration:
        return compose(script, recipe, limits, seed=request.seed)

    spell = partial(request.reading.spoken, language=recipe.language)
    composed = compose_book(book, numbers, recipe, cut, seed=request.seed, respeak=spell)
    work = work_s(composed.narration, request)
    if request.as_json:
        print_json(_record(composed, work))
        return
    tell_of_loss(composed, request)
    rows = [
        (
            str(section.number),
            str(book.chapters[section.number - 1].n_words),
            clock(composed.estimate_s(section)),
            shown_title(section.title),
        )
        for section in composed.sections
    ]
    print("\n".join(aligned([("CHAPTER", "WORDS", "TIME", "TITLE"), *rows])))
    total = sum(composed.estimate_s(section) for section in composed.sections)
    told = "" if work is None else f", about {clock(work)} of work as fast as it has spoken here"
    who = f" by {book.author}" if book.author else ""
    if (dialogue := request.reading.dialogue) is not None:
        voices = [piece.voice for piece in composed.narration.pieces]
        note(f"{dialogue.voice} says {voices.count(dialogue.voice)} of {len(voices)} pieces: the dialogue")
    note(f"{one_line(book.title + who)}: about {clock(total)} of sound{told}")


def _record(composed: ComposedBook, work_s: float | None) -> dict[str, object]:
    """What `--dry-run --json` prints."""
    book = composed.book
    return {
        "title": book.title,
        "author": book.author,
        "language": book.language,
        "left_out": composed.narration.told,
        "work_seconds": None if work_s is None else round(work_s, 1),
        "chapters": [
            {
                "number": section.number,
                "title": section.title,
                "words": book.chapters[section.number - 1].n_words,
                "seconds": round(composed.estimate_s(section), 1),
                "pieces": [piece.text for piece in composed.of_section(section).pieces],
                "voices": [
                    None if piece.voice is None else str(piece.voice)
                    for piece in composed.of_section(section).pieces
                ],
            }
            for section in composed.sections
        ],
    }
