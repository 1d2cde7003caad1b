"""`bark say --keep-partial`: a text that was stopped, and what is kept of it -> the part that is there."""

from __future__ import annotations

from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from bark_cli.cli.say.request import SayRequest
from bark_cli.errors import OptionError
from bark_cli.system.files import check_target

if TYPE_CHECKING:
    from bark_cli.narration.kept import KeptPieces
    from bark_cli.narration.narrate import Narration


def so_far(
    narration: Narration, request: SayRequest, kept: KeptPieces | None
) -> tuple[Narration, SayRequest]:
    """What is kept of a text that was stopped, up to the first piece that is not, for a file of its own.

    Raises:
        OptionError: that is nothing.
        OutputError: the file exists, or cannot be written.
    """
    delivery = request.delivery
    there = [] if kept is None else list(takewhile(lambda p: kept.has(p, narration), narration.pieces))
    if not there or delivery.output is None:
        raise OptionError(
            "nothing is kept of this text, said just so, on its way into the file of -o; "
            "give the same options as before (--seed too), or leave --keep-partial out"
        )
    whole = Path(delivery.output)
    path = whole.with_name(f"{whole.stem}.partial{whole.suffix}")
    check_target(path, force=delivery.force)
    trimmed = replace(narration, pieces=tuple(there))
    return trimmed, replace(request, delivery=replace(delivery, output=str(path)))
