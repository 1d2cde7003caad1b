"""SubRip or WebVTT (str) -> its cues: when, and what is said then, without marks of style.

SubRip has no standard; WebVTT is https://www.w3.org/TR/webvtt1/.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

from bark_cli.errors import TextError

_TIME = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_TIMES = re.compile(rf"\s{{0,9}}{_TIME}\s{{0,9}}--?>\s{{0,9}}{_TIME}(?:\s.*)?$")
_STYLE = re.compile(r"<[^<>]{0,200}>|\{\\[^{}]{0,200}\}")
_DASH = re.compile(r"^\s*[-–—]\s*(?=\S)")


@dataclass(frozen=True, kw_only=True)
class Cue:
    """A subtitle."""

    begin_s: float
    end_s: float
    text: str  # on one line
    number: int  # of the line in the file where its times stand, from 1


def is_subtitles(text: str) -> bool:
    """Whether a text begins as a file of subtitles does."""
    head = [line for line in text[:2000].splitlines() if line.strip()][:3]
    return bool(head) and (head[0].startswith("WEBVTT") or any(_TIMES.match(line) for line in head))


def read_subtitles(text: str, *, source: str = "the subtitles") -> list[Cue]:
    """The cues that have words, in order of the file.

    Raises:
        TextError: there are none, or one ends before it begins.
    """
    cues: list[Cue] = []
    for number, times, rows in _blocks(text.splitlines()):
        begin_s, end_s = _seconds(times.groups()[:4]), _seconds(times.groups()[4:])
        if end_s < begin_s:
            raise TextError(f"{source}, line {number}: the subtitle ends before it begins; correct its times")
        if words := _words(rows):
            cues.append(Cue(begin_s=begin_s, end_s=end_s, text=words, number=number))
    if not cues:
        raise TextError(
            f"{source} holds no subtitles such as 00:00:01,000 --> 00:00:02,500; give --input-format text"
        )
    return cues


def _blocks(rows: list[str]) -> Iterator[tuple[int, re.Match[str], list[str]]]:
    """(line number, times, the rows below) of each cue."""
    times: re.Match[str] | None = None
    begun, words = 0, list[str]()
    for number, row in enumerate([*rows, ""], 1):
        found = _TIMES.match(row)
        if times is not None and (found or not row.strip()):
            if found and words and words[-1].strip().isdigit():
                words.pop()  # the next cue's number, where no blank line stands before it
            yield begun, times, words
            times = None
        if found:
            times, begun, words = found, number, []
        elif times is not None:
            words.append(row)


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = (part or "0" for part in parts)
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + int(fraction.ljust(3, "0")) / 1000


def _words(rows: list[str]) -> str:
    spoken = (_DASH.sub("", html.unescape(_STYLE.sub("", row))) for row in rows)
    return " ".join(" ".join(spoken).split())
