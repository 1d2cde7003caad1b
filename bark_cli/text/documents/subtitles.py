"""SubRip or WebVTT (str) -> its cues: when, and what is said then, without marks of style.

SubRip has no standard; WebVTT is https://www.w3.org/TR/webvtt1/. Read leniently: whatever looks like times
begins a cue, and all words up to the next one are its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from bark_cli.errors import TextError
from bark_cli.text.documents.passed import PassedOver
from bark_cli.text.documents.plain import unescaped
from bark_cli.text.documents.times import Clock, Times, is_stamped

_STYLE = re.compile(
    r"</?(?:b|i|u|s|c|v|em|strong|lang|ruby|rt|font|span|p|br)(?:[\s.][^<>]{0,200})?/?>"
    r"|<\d{1,4}:[\d:.,]{2,16}>|\{(?:\\|[yfscpho]:)[^{}]{0,200}\}",
    re.IGNORECASE,
)
_DASH = re.compile(r"^\s*[-–—]\s*(?=\S)")
_Cue = tuple[int, tuple[Times, ...], list[str]]  # line number, times, the rows below up to the next cue's
_LATEST_S = 24 * 3600.0  # a silence up to there would fill gigabytes; nobody's film goes on for longer
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
    if not head or head[0].startswith("WEBVTT"):
        return bool(head)
    clock = Clock(head[0])
    return any(is_stamped(line) or any(t.end_s is not None for t in clock.read(line)) for line in head)


def read_subtitles(text: str, passed: PassedOver, *, source: str = "the subtitles") -> list[Subtitle]:
    """The cues that have words, in the order of their times.

    Raises:
        TextError: there are none.
    """
    cues = _timed(_cues(text.splitlines(), passed), passed)
    if not cues:
        raise TextError(
            f"{source} holds no subtitles such as 00:00:01,000 --> 00:00:02,500; give --input-format text"
        )
    return _in_order(cues, passed)


def _timed(found: Iterable[_Cue], passed: PassedOver) -> list[Subtitle]:
    """Cues in the order of the file; those whose times cannot be read go on from the one before."""
    cues: list[Subtitle] = []
    for number, several, rows in found:
        for times in several:
            begin_s, end_s = times.begin_s, times.end_s
            if begin_s is None or begin_s > _LATEST_S:
                passed.add("times that cannot be read", number)
                begin_s = 0.0 if not cues else cues[-1].begin_s if cues[-1].end_s is None else cues[-1].end_s
                end_s = end_s if end_s is not None and end_s <= _LATEST_S else None
            if end_s is not None and not begin_s <= end_s <= _LATEST_S:
                passed.add("times that end before they begin", number)
                end_s = None
            if words := _words([times.words, *rows]):
                cues.append(Subtitle(begin_s=begin_s, end_s=end_s, text=words, number=number))
    return cues


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


def _cues(rows: list[str], passed: PassedOver) -> Iterator[_Cue]:
    """Each cue."""
    is_vtt = bool(rows) and rows[0].lstrip("\ufeff").startswith("WEBVTT")
    clock = Clock(next(filter(str.strip, rows), ""))
    is_bare = not any(t.words or t.end_s is not None for row in rows for t in clock.read(row))
    times: tuple[Times, ...] = ()
    begun, words, unheard = 0, list[str](), is_vtt  # the header is as a note
    for number, row in enumerate(rows, 1):
        if found := clock.read(row, is_due=is_bare or _ends_in_number(words)):
            _drop_name(words, is_vtt)
            if times:
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
    if times:
        yield begun, times, words
    else:
        _tell(words, begun or 1, passed)


def _ends_in_number(words: list[str]) -> bool:
    """Whether the row above is but a number, and there is none above that."""
    return bool(words) and words[-1].strip().isdecimal() and (len(words) < 2 or not words[-2].strip())


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


def _words(rows: list[str]) -> str:
    spoken = (_DASH.sub("", unescaped(_STYLE.sub("", row))) for row in rows)
    return " ".join(" ".join(spoken).split())
