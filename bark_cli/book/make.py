"""A ComposedBook -> its chapters on a shelf, each piece made or kept from an earlier run."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing

from bark_cli.book.compose import ComposedBook, Section
from bark_cli.book.shelf import Shelf, Told
from bark_cli.narration.each import Speaks
from bark_cli.narration.kept import KeptPieces, narrate_kept
from bark_cli.narration.narrate import PieceResult
from bark_cli.narration.timeline import Timeline
from bark_cli.speech import Speech


def make_book(
    bark: Speaks,
    composed: ComposedBook,
    kept: KeptPieces,
    shelf: Shelf,
    *,
    batch_size: int | None = None,
    on_speech: Callable[[int, Speech], None] = lambda number, speech: None,
) -> Generator[Told, None, None]:
    """Say the chapters in order, and yield each as it is done; `on_speech` hears of every piece.

    Raises:
        BarkError: of the first piece that cannot be said, or of the shelf; what was said by then is kept.
    """
    done: list[Told] = []
    start_s = 0.0
    with closing(narrate_kept(bark, composed.narration, kept, batch_size=batch_size)) as spoken:
        for section in composed.sections:
            told = _tell(composed, section, spoken, shelf, on_speech, bark.model.config.codec.sample_rate)
            paragraphs = composed.paragraphs(section)
            done.append(
                Told(
                    section=section,
                    start_s=start_s,
                    duration_s=told.duration_s,
                    cues=told.cues,
                    paragraphs=paragraphs,
                )
            )
            start_s += told.duration_s
            yield done[-1]
    shelf.finish(done)


def _tell(
    composed: ComposedBook,
    section: Section,
    spoken: Generator[PieceResult, None, None],
    shelf: Shelf,
    on_speech: Callable[[int, Speech], None],
    sample_rate: int,
) -> Timeline:
    """One chapter; returns when each of its pieces is heard."""
    timeline = Timeline(composed.of_section(section), sample_rate)
    with shelf.chapter(section) as sink:
        for number in range(section.begin, section.end):
            speech = next(spoken).speech
            assert speech is not None  # pieces come whole
            for sound in timeline.lay(number - section.begin, speech.audio, ends=True):
                sink.put(sound)
            on_speech(number, speech)
    return timeline
