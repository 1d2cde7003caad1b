"""What stands in quotation marks is said by another: Scripts in a row -> the same, cut where voices change.

The marks of Bark's languages: “…”, „…“, „…”, «…», »…«, ‹…›, ›…‹, 「…」, 『…』 and "…". Single ones are left
alone, for an apostrophe looks the same. What is quoted within a quotation is a part of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from bark_cli.text.script import Line, Script

_CLOSED_BY = {
    "“": "”",
    "„": "“”",
    "«": "»",
    "»": "«",
    "‹": "›",
    "›": "‹",
    "「": "」",
    "『": "』",
    '"': '"',
}
_MARKS = re.compile('[“”„«»‹›「」『』"]')
_STOPS = ".!?…,;:—–-。！？：、，।"
_AFTER = re.compile(r"[.,;:!?…。！？、，।]+")  # goes with the quotation that it follows
_SENTENCE_END = re.compile(r"[.!?…。！？।][“”„«»‹›」』\"’)\]\s]*$")
_PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")
_SPEAKER = "\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}"  # no script can name it
_MOST_DEPTH = 8  # quotations within each other
_MOST_AHEAD = 20  # paragraphs that somebody may go on for without a mark
_SPOKEN_WORDS = 6  # in a quotation that is not a mere title


class Span(NamedTuple):
    """A part of a paragraph in one voice."""

    begin: int
    end: int
    is_said: bool


@dataclass(frozen=True, kw_only=True)
class Dialogue:
    """Another voice for what is said."""

    voice: str
    pause_s: float  # of silence where a sentence ends at a change of voices

    def part(self, scripts: Sequence[Script]) -> list[Script]:
        """The scripts, cut at changes of voices; lines that have a speaker stay as they are.

        A paragraph that opens a quotation which ends in a later one makes all up to there said.
        """
        texts = [line.text for script in scripts for line in script.lines if line.speaker is None]
        spans = iter(spans_of(texts))
        return [self._parted(script, spans) for script in scripts]

    def _parted(self, script: Script, spans: Iterator[list[Span]]) -> Script:
        lines = list[Line]()
        for line in script.lines:
            lines += [line] if line.speaker is not None else self._cut(line, next(spans))
        is_said = any(line.speaker == _SPEAKER for line in lines)
        cast = {**script.cast, _SPEAKER: self.voice} if is_said else script.cast
        return replace(script, lines=tuple(lines), cast=cast)

    def _cut(self, line: Line, spans: Sequence[Span]) -> Iterator[Line]:
        if len(spans) < 2 and not any(span.is_said for span in spans):
            yield line
            return
        number, counted = line.number, 0
        for span in spans:
            number, counted = number + line.text.count("\n", counted, span.begin), span.begin
            text = line.text[span.begin : span.end]
            yield replace(
                line,
                text=text,
                speaker=_SPEAKER if span.is_said else None,
                number=number,
                begin_s=line.begin_s if span is spans[0] else None,
                pause_after_s=line.pause_after_s if span is spans[-1] else self._pause_s(text),
            )

    def _pause_s(self, text: str) -> float | None:
        if _PARAGRAPH.search(text[len(text.rstrip()) :]):
            return None  # that between paragraphs
        return self.pause_s if _SENTENCE_END.search(text) else 0.0


def is_dialogue(speaker: str | None) -> bool:
    """Whether a line was made by `Dialogue`."""
    return speaker == _SPEAKER


def spans_of(texts: Sequence[str]) -> list[list[Span]]:
    """Of each text, which holds paragraphs: its parts by voice; joined, they are the text."""
    places = [(number, begin, end) for number, text in enumerate(texts) for begin, end in _paragraphs(text)]
    paragraphs = [texts[number][begin:end] for number, begin, end in places]
    found: list[list[Span]] = [[] for _ in texts]
    open_mark = ""  # of a quotation that the last paragraph began and did not end
    for at, (number, begin, _) in enumerate(places):
        goes_on = bool(open_mark) and _ends_later(paragraphs[at : at + _MOST_AHEAD], open_mark)
        spans, open_mark = _spans(paragraphs[at], open_mark if goes_on else "")
        found[number] += [Span(begin + one.begin, begin + one.end, one.is_said) for one in spans]
    return [_joined(spans) for spans in found]


def _paragraphs(text: str) -> Iterator[tuple[int, int]]:
    """Where they begin and end; the empty lines between them are at their ends."""
    begin = 0
    for gap in _PARAGRAPH.finditer(text):
        yield begin, gap.end()
        begin = gap.end()
    if begin < len(text) or not text:
        yield begin, len(text)


def _ends_later(paragraphs: Sequence[str], mark: str) -> bool:
    """Whether the first mark of its kind in what follows ends the quotation that `mark` began."""
    for text in paragraphs:
        for found in _MARKS.finditer(text):
            if found[0] in _CLOSED_BY[mark] and _is_end(text, found.start()):
                return found.start() > 0
            if found[0] == mark or (found[0] in _CLOSED_BY and found.start() == 0):
                return False
    return False


def _is_end(text: str, at: int) -> bool:
    """Whether a mark that looks the same at both ends stands after a word, as one that closes does."""
    if text[at] != '"':
        return True
    return at > 0 and not text[at - 1].isspace() and not text[at + 1 : at + 2].isalnum()


def _spans(text: str, open_mark: str) -> tuple[list[Span], str]:
    """The parts of a paragraph that begins within a quotation (or ""), and the mark that it leaves open."""
    spans, begin, stack = [], 0, [open_mark] if open_mark else []
    for found in _MARKS.finditer(text):
        mark, at = found[0], found.start()
        if stack and mark in _CLOSED_BY[stack[-1]] and not _is_inch(text, at):
            stack.pop()
            if not stack:
                end = at + 1
                if after := _AFTER.match(text, end):
                    end = after.end()
                spans.append(Span(begin, end, _is_said(text, begin, at)))
                begin = end
        elif _opens(text, at, bool(stack)) and len(stack) < _MOST_DEPTH:
            if not stack and at >= begin:
                spans.append(Span(begin, at, False))
                begin = at
            stack.append(mark)
    spans.append(Span(begin, len(text), bool(stack)))
    return _joined(spans), stack[0] if stack else ""


def _opens(text: str, at: int, is_inside: bool) -> bool:
    mark = text[at]
    if mark not in _CLOSED_BY:
        return False
    before, after = text[at - 1 : at], text[at + 1 : at + 2]
    if mark == '"':
        return not before.isalnum() and bool(after.strip())
    if mark in "»›" and not is_inside:  # a closing one whose partner was forgotten has a word before it
        return not before.isalnum() and before not in tuple(".!?…") and bool(after.strip())
    return True


def _is_inch(text: str, at: int) -> bool:
    return text[at] == '"' and text[at - 1 : at].isdecimal() and text[at + 1 : at + 2] == " "


def _is_said(text: str, begin: int, end: int) -> bool:
    """Whether a quotation is speech, and not a title, or a word that its writer keeps at a distance.

    Speech has a stop at its end, or begins where a clause does, or has some words to it.
    """
    inside = text[begin + 1 : end].strip()
    before = begin - 1
    while before >= 0 and text[before].isspace():
        before -= 1
    if not inside or inside[-1] in _STOPS or before < 0 or text[before] in _STOPS + '”»«“"」』()':
        return True
    return len(inside.split()) >= _SPOKEN_WORDS or text.startswith("と", end + 1)


def _joined(spans: Sequence[Span]) -> list[Span]:
    """Without empty ones; those in a row that are in one voice are one."""
    found = list[Span]()
    for span in spans:
        if span.begin == span.end:
            continue
        if found and found[-1].is_said == span.is_said:
            found[-1] = found[-1]._replace(end=span.end)
        else:
            found.append(span)
    return found
