"""A row of a file of subtitles (str) -> the times that begin a subtitle there, and the words beside them.

Read leniently, as people and programs write it: SubRip, WebVTT, SBV, Whisper's [00:01.000 --> 00:02.000],
LRC, MicroDVD ({frame}{frame}), MPL2 and TMPlayer, with any arrow, dash or short word between two times.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_FRAMES_A_SECOND = 23.976  # of MicroDVD where its first row does not say, as players have it
_FOLDED = (
    {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)}  # full-width digits and signs
    | dict.fromkeys((0x09, 0xA0, 0x2007, 0x2009, 0x202F, 0x3000), " ")
    | dict.fromkeys(
        (0xFEFF, 0xAD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A)), ""
    )
    | {0x2212: "-", 0x2010: "-", 0x2011: "-", 0x2236: ":"}
)
_TIME = r"-?\d{1,7}(?: ?[:.,;] ?\d{1,9}){1,3}(?![\d:])"
_ARROW = r" {0,9}(?:-{1,3} ?(?:>|&gt;)|- -{1,2} ?>|={1,3} ?>|[—–―‒]{1,2} ?>|[→➔⟶➜➝⇒⇨⟹►▶])[ >]{0,9}"
_LEAD = r" {0,9}(?:\d{1,6}[.):]? +)?[\[({<]?"  # the number of a subtitle, a bracket
_PAIR = re.compile(rf"{_LEAD}({_TIME}){_ARROW}({_TIME})?[\])}}>]?(?=\D|$)")
_LOOSE = re.compile(rf"{_LEAD}({_TIME})[^\d:]{{1,12}}({_TIME})[\])}}>]? {{0,9}}$")
_ALONE = re.compile(rf"{_LEAD}({_TIME})()[\])}}>]? {{0,9}}$")
_SETTINGS = re.compile(
    r"(?: {0,9}(?:align|line|position|size|vertical|region|[XY][12]):[\w%.,+-]{1,40}(?= |$))+", re.IGNORECASE
)
_STAMPS = re.compile(r" {0,9}((?:\[\d{1,4}:\d{1,2}(?:[.:,]\d{1,3})?\] {0,9}){1,32})")  # LRC
_FRAMES = re.compile(r" {0,9}\{(\d{1,9})\}\{(\d{0,9})\}")  # MicroDVD
_TENTHS = re.compile(r" {0,9}\[(\d{1,9})\]\[(\d{0,9})\]")  # MPL2
_CLOCK = re.compile(r" {0,9}(\d{1,2}:\d{2}:\d{2})[:=](?=\D|$)")  # TMPlayer
_RATE = re.compile(r"\ufeff?\s{0,9}\{1\}\{1\}(\d{1,3}(?:\.\d{1,6})?)\s*")
_LOOKS_TIMED = re.compile(r"-{2,3} ?(?:>|&gt;)")
_BEGUN = re.compile(r" {0,9}[\[({<]?-?\d{1,7} ?[:.,;] ?\w")


@dataclass(frozen=True, kw_only=True)
class Times:
    """When a subtitle begins and ends, in seconds, and the words on the row of its times."""

    begin_s: float | None  # None where that cannot be read
    end_s: float | None
    words: str = ""


class Clock:
    """Reads the rows of one file, which begins with `head`."""

    def __init__(self, head: str) -> None:
        rate = _RATE.fullmatch(head)
        self._rate = float(rate[1]) if rate and float(rate[1]) else _FRAMES_A_SECOND
        self._head = head if rate else None  # is no subtitle
        self._has_tenths = _TENTHS.match(head) is not None

    def read(self, row: str, *, is_due: bool = False) -> tuple[Times, ...]:
        """The times of a row, none if it is one of words.

        Args:
            row: a line of the file.
            is_due: whether it is where times stand, so that 10:30, which may be said, is one, too.
        """
        if len(row) > 9 and row == self._head:
            return (Times(begin_s=0.0, end_s=0.0),)
        if not any(map(str.isdecimal, row[:200])):
            return ()
        folded = row.translate(_FOLDED)
        return (
            _between(folded, row, is_due) or self._of_other_kinds(folded, row) or _unreadable(folded, is_due)
        )

    def _of_other_kinds(self, folded: str, row: str) -> tuple[Times, ...]:
        if found := _STAMPS.match(folded):
            stamps, words = re.findall(r"\[([^\]]+)\]", found[1]), _behind(row, found.end())
            return tuple(Times(begin_s=_seconds(stamp), end_s=None, words=words) for stamp in stamps)
        if found := _CLOCK.match(folded):
            words = _rows(_behind(row, found.end()))
            return (Times(begin_s=_seconds(found[1]), end_s=None, words=words),)
        for pattern, each_s in ((_FRAMES, 1 / self._rate), (_TENTHS, 0.1)):
            if (found := pattern.match(folded)) and (pattern is _FRAMES or self._has_tenths):
                begin_s, end_s = (int(part) * each_s if part else None for part in found.groups())
                words = _rows(_behind(row, found.end()))
                return (Times(begin_s=begin_s, end_s=end_s, words=words),)
        return ()


def is_stamped(row: str) -> bool:
    """Whether a row is one of LRC, such as [00:01.00] words; [12:30] may be of a chat."""
    return (found := _STAMPS.match(row)) is not None and "." in found[1]


def _behind(row: str, n_folded: int) -> str:
    """The rest of a row after its first signs; `n_folded` is how many of those the folded row has."""
    for at, sign in enumerate(row):
        if n_folded == 0:
            return row[at:]
        n_folded -= _FOLDED.get(ord(sign), sign) != ""
    return ""


def _between(folded: str, row: str, is_due: bool) -> tuple[Times, ...]:
    """Two times with something between them, or one with something behind it."""
    if (found := _PAIR.match(folded)) and _is_clock(found[1], found[0]):
        return (_times(found, _behind(row, found.end())),)
    found = _LOOSE.match(_SETTINGS.sub("", folded)) or _ALONE.match(folded)
    if found is None:
        return ()
    whole = all(_is_whole(time) or (is_due and ":" in time) for time in found.groups() if time)
    return (_times(found, ""),) if whole else ()


def _times(found: re.Match[str], rest: str) -> Times:
    if (settings := _SETTINGS.match(rest)) is not None:  # align:start X1:100
        rest = rest[settings.end() :]
    end_s = _seconds(found[2]) if found[2] else None
    return Times(begin_s=_seconds(found[1]), end_s=end_s, words=rest.strip())


def _is_clock(time: str, whole: str) -> bool:
    """Whether a time before an arrow is one: 1.5 is where the arrow is that of subtitles."""
    return ":" in time or len(re.findall(r"\d+", time)) > 2 or "--" in whole


def _is_whole(time: str) -> bool:
    """Whether a time is one without an arrow: 10:30 may be said, and so may 1,234.56 and 1, 2, 3, 4."""
    count, marks = len(re.findall(r"\d+", time)), set(re.findall("[:.,;]", time))
    return (count > 2 and ":" in marks) or (count > 3 and len(marks) > 1)


def _seconds(time: str) -> float:
    """01:02:03,500 and 00.01.02 and 01:02.5 and 12.5 in seconds; before the beginning is the beginning."""
    if time.startswith("-"):
        return 0.0
    numbers, marks = re.findall(r"\d+", time), re.findall("[:.,;]", time)
    is_split = len(numbers) == 4 or marks[-1] != marks[0] or len(numbers[-1]) > 2
    is_split = is_split or (len(numbers) == 2 and marks[0] != ":")
    fraction = float(f"0.{numbers.pop()}") if is_split else 0.0
    total = 0
    for number in numbers:
        total = total * 60 + int(number)
    return total + fraction


def _unreadable(row: str, is_due: bool) -> tuple[Times, ...]:
    """What begins as a time and has the arrow of subtitles, and yet says no time."""
    head = row[:200]
    is_timed = _LOOKS_TIMED.search(head) is not None and (is_due or _BEGUN.match(head) is not None)
    return (Times(begin_s=None, end_s=None),) if is_timed else ()


def _rows(words: str) -> str:
    return words.replace("|", " ")
