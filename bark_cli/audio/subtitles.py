"""What is said and when -> the text of a subtitle file, SubRip (.srt) or WebVTT (.vtt)."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

LINE_WIDTH = 42  # columns; a character of East Asia takes two of them


@dataclass(frozen=True)
class Cue:
    """Text and the time it is said in, in seconds from the start of the sound."""

    start_s: float
    end_s: float
    text: str

    def later(self, seconds: float) -> Cue:
        """The same in a sound that has something before it."""
        return Cue(self.start_s + seconds, self.end_s + seconds, self.text)


def subtitles(cues: Iterable[Cue], kind: Literal["srt", "vtt"]) -> str:
    """The text of a subtitle file; cues without words are left out, times are to the millisecond."""
    spoken = [cue for cue in cues if cue.text.strip()]
    if kind == "srt":
        blocks = [f"{i}\n{_srt(cue)}" for i, cue in enumerate(spoken, 1)]
        return "\n".join(blocks)
    return "\n".join(["WEBVTT\n", *map(_vtt, spoken)])


def _srt(cue: Cue) -> str:
    text = "\n".join(break_lines(cue.text)).replace("-->", "→")  # SubRip knows no escapes
    return f"{_time(cue.start_s, ',')} --> {_time(cue.end_s, ',')}\n{text}\n"


def _vtt(cue: Cue) -> str:
    text = "\n".join(html.escape(line, quote=False) for line in break_lines(cue.text))
    return f"{_time(cue.start_s, '.')} --> {_time(cue.end_s, '.')}\n{text}\n"


def _time(seconds: float, point: str) -> str:
    """02:03:04,005 where the point is a comma."""
    total = max(0, round(seconds * 1000))
    return (
        f"{total // 3_600_000:02}:{total // 60_000 % 60:02}:{total // 1000 % 60:02}{point}{total % 1000:03}"
    )


def break_lines(text: str, width: int = LINE_WIDTH) -> list[str]:
    """Lines of at most `width` columns and about the same length, broken at spaces, or where there are none.

    Whitespace becomes single spaces, so that no line is empty, which would end the cue.
    """
    words = [part for word in text.split() for part in _short_parts(word, width)]
    count = len(_fill(words, width))
    narrowest = next((w for w in range(width // 2, width) if len(_fill(words, w)) == count), width)
    return _fill(words, narrowest)


def _fill(words: list[str], width: int) -> list[str]:
    lines: list[str] = []
    for word in words:
        if lines and _columns(lines[-1]) + 1 + _columns(word) <= width:
            lines[-1] += " " + word
        else:
            lines.append(word)
    return lines


def _short_parts(word: str, width: int) -> list[str]:
    """A word cut where it is too long for any line, as Chinese and Japanese sentences are."""
    parts = [""]
    for character in word:
        if _columns(parts[-1] + character) > width:
            parts.append("")
        parts[-1] += character
    return parts


def _columns(text: str) -> int:
    return sum(_column_width(character) for character in text)


def _column_width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
