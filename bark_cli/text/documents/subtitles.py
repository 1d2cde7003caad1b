"""SubRip or WebVTT (str) -> its cues: when, and what is said then, without marks of style.

SubRip has no standard; WebVTT is https://www.w3.org/TR/webvtt1/. Read leniently: whatever has two times and
an arrow begins a cue, and all words up to the next one are its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from bark_cli.errors import TextError
from bark_cli.text.documents.passed import PassedOver
from bark_cli.text.documents.plain import unescaped

_TIME = r"(?:(\d{1,4})\s?:\s?)?(\d{1,3})\s?:\s?(\d{1,2})(?:\s?[.,:;]\s?(\d{1,3}))?"
_ARROW = r"(?:-{1,3}\s?(?:>|&gt;)|={1,2}>|[—–]>|[→➔⟶])"
_TIMES = re.compile(rf"\s{{0,9}}{_TIME}\s{{0,9}}{_ARROW}\s{{0,9}}(?:{_TIME}(?!\d))?(?:\s.*)?$")
_STYLE = re.compile(
    r"</?(?:b|i|u|s|c|v|em|strong|lang|ruby|rt|font|span|p|br)(?:[\s.][^<>]{0,200})?/?>"
    r"|<\d{1,4}:[\d:.,]{2,16}>|\{\\[^{}]{0,200}\}",
    re.IGNORECASE,
)
_DASH = re.compile(r"^\s*[-–—]\s*(?=\S)")
_UNHEARD = ("NOTE", "STYLE", "REGION", "X-TIMESTAMP-MAP")  # blocks of WebVTT


@dataclass(frozen=True, kw_only=True)
class Subtitle:
    """A subtitle."""

    begin_s: float
    end_s: float | None  # None where the file does not say, or says what cannot be
    text: str  # on one line
    number: int  # of the line in the file where its times stand, from 1


def is_subtitles(text: str) -> bool:
    """Whether a text begins as a file of subtitles does."""
    head = [line for line in text[:2000].splitlines() if line.strip()][:3]
    return bool(head) and (head[0].startswith("WEBVTT") or any(_is_timed(line) for line in head))


def _is_timed(line: str) -> bool:
    return (found := _TIMES.match(line)) is not None and found[6] is not None


def read_subtitles(text: str, passed: PassedOver, *, source: str = "the subtitles") -> list[Subtitle]:
    """The cues that have words, in the order of their times.

    Raises:
        TextError: there are none.
    """
    cues: list[Subtitle] = []
    for number, times, rows in _cues(text.splitlines(), passed):
        begin_s = _seconds(times.groups()[:4])
        end_s = None if times[6] is None else _seconds(times.groups()[4:])
        if end_s is not None and end_s < begin_s:
            passed.add("times that end before they begin", number)
            end_s = None
        if words := _words(rows):
            cues.append(Subtitle(begin_s=begin_s, end_s=end_s, text=words, number=number))
    if not cues:
        raise TextError(
            f"{source} holds no subtitles such as 00:00:01,000 --> 00:00:02,500; give --input-format text"
        )
    return _in_order(cues, passed)


def _in_order(cues: list[Subtitle], passed: PassedOver) -> list[Subtitle]:
    """The cues by their times."""
    for before, cue in pairwise(cues):
        if cue.begin_s < before.begin_s:
            passed.add("the order of times that go back", cue.number)
    ordered = sorted(cues, key=lambda cue: cue.begin_s)
    ends = [cue.begin_s for cue in ordered[1:]]
    return [
        replace(cue, end_s=following) if cue.end_s is None else cue
        for cue, following in zip(ordered, [*ends, None], strict=True)
    ]


def _cues(rows: list[str], passed: PassedOver) -> Iterator[tuple[int, re.Match[str], list[str]]]:
    """(line number, times, the rows below up to the next cue's) of each cue."""
    is_vtt = bool(rows) and rows[0].lstrip("\ufeff").startswith("WEBVTT")
    times: re.Match[str] | None = None
    begun, words, unheard = 0, list[str](), is_vtt  # the header is as a note
    for number, row in enumerate(rows, 1):
        if found := _TIMES.match(row):
            _drop_name(words, is_vtt)
            if times is not None:
                yield begun, times, words
            else:
                _tell(words, begun or 1, passed)
            times, begun, words, unheard = found, number, [], False
        elif not row.strip():
            unheard = False
            words.append("")
        elif is_vtt and (not words or not words[-1].strip()) and row.startswith(_UNHEARD):
            unheard = True
        elif not unheard:
            begun = begun or number
            words.append(row)
    if times is not None:
        yield begun, times, words
    else:
        _tell(words, begun or 1, passed)


def _drop_name(words: list[str], is_vtt: bool) -> None:
    """Take away the next cue's number or, in WebVTT, its name: a row above its times, behind a blank one."""
    is_above = bool(words) and bool(words[-1].strip())
    while words and not words[-1].strip():
        words.pop()
    is_apart = len(words) > 1 and not words[-2].strip()
    is_number = bool(words) and words[-1].strip().isdecimal()
    if (is_number and (is_above or is_apart)) or (is_vtt and is_above and is_apart):
        words.pop()


def _tell(words: list[str], number: int, passed: PassedOver) -> None:
    if any(word.strip() for word in words):
        passed.add("text before the first subtitle", number)


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = (part or "0" for part in parts)
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + int(fraction.ljust(3, "0")) / 1000


def _words(rows: list[str]) -> str:
    spoken = (_DASH.sub("", unescaped(_STYLE.sub("", row))) for row in rows)
    return " ".join(" ".join(spoken).split())
