"""What is said: a text of any kind, once it is read, is a Script, its Lines one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from bark_cli.text.tags import split_pauses


@dataclass(frozen=True, kw_only=True)
class Line:
    """Some text that is said in one voice."""

    text: str
    speaker: str | None = None  # as the cast spells the name; None is nobody in particular
    pause_after_s: float | None = None  # silence asked for; None leaves it to the reader's manner
    begin_s: float | None = None  # of a subtitle: when it is to be heard
    end_s: float | None = None
    number: int = 1  # of the line in the source, from 1


@dataclass(frozen=True, kw_only=True)
class Script:
    """What was read."""

    lines: tuple[Line, ...]
    cast: Mapping[str, str] = field(default_factory=dict)  # speaker -> voice
    left_out: tuple[str, ...] = ()  # what of the text is not read aloud, each in a few words


def at_pauses(line: Line) -> Iterator[Line]:
    """The line cut at its [pause 1.5s], each part with the silence after it."""
    at = 0
    for text, pause in split_pauses(line.text):
        begin = line.text.find(text, at) + len(text) - len(text.lstrip())
        number = line.number + line.text.count("\n", 0, begin)
        yield replace(line, text=text.strip(), pause_after_s=pause, number=number)
        at = begin
