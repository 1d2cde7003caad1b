"""How far a download is: the Steps that a listener is called with while it goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Step:
    """How far something is; told again and again while it goes on."""

    kind: Literal["begin", "wait", "check", "fetch", "pause", "convert", "skip", "int8"]
    file: str = ""  # that is fetched or checked
    done: int = 0  # bytes
    total: int = 0
    words: str = ""  # what begins, why it pauses, what is left out


StepListener = Callable[[Step], None]


def counter(
    listener: StepListener, kind: Literal["check", "fetch"], file: str, total: int
) -> Callable[[int], None]:
    """Adds up the bytes of one file for the listener."""
    counted = 0

    def count(more: int) -> None:
        nonlocal counted
        counted += more
        listener(Step(kind, file, counted, total))

    return count
