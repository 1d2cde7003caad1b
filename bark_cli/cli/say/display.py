"""What a human sees while the model is read and speaks: a spinner, then bars; elsewhere a line a minute."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bark_cli.cli.output import is_watched
from bark_cli.cli.say.request import Delivery

if TYPE_CHECKING:
    from bark_cli.narration.kept import KeptPieces
    from bark_cli.narration.narrate import Narration
    from bark_cli.pipeline import Progress


def _wants_to_see(delivery: Delivery) -> bool:
    """Whether a human sits there and wants to see what goes on."""
    return is_watched() and not delivery.quiet and not delivery.as_json


@contextmanager
def loading_line(delivery: Delivery) -> Iterator[None]:
    """Show that something happens while torch and the model are read, which takes seconds."""
    if not _wants_to_see(delivery):
        yield
        return
    from rich.console import Console

    console = Console(stderr=True)
    # the dots of the other are in no encoding but Unicode's
    spinner = "dots" if console.encoding.startswith("utf") else "line"
    with console.status("loading the model", spinner=spinner) as line:
        line.update(spinner=spinner)  # draws it now, and not when a busy machine finds the time
        yield


def expected_seconds(narration: Narration, kept: KeptPieces | None) -> list[float]:
    """Seconds of speech that are to be made, by piece; 0 where it is kept."""
    return [
        0.0 if kept is not None and kept.has(piece, narration) else piece.estimate_s
        for piece in narration.pieces
    ]


@contextmanager
def shown_progress(
    expected_s: Sequence[float], delivery: Delivery
) -> Iterator[Callable[[Progress], None] | None]:
    """Draw the stages, or the pieces of a long text, where a human watches; else a line a minute."""
    from bark_cli.cli.say.progress import MinuteNotes, PieceLine, StageLines

    many = len(expected_s) > 1
    if not _wants_to_see(delivery):
        tells = many and not delivery.quiet and not delivery.as_json
        yield MinuteNotes(expected_s) if tells else None
        return
    with PieceLine(expected_s) if many else StageLines(verbose=delivery.verbose) as lines:
        yield lines
