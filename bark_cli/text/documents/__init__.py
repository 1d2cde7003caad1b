"""A text as it was found (bytes, str) -> Lines to say: plain text, Markdown, HTML, subtitles, a script."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import PurePath
from typing import Literal, get_args

from bark_cli.errors import OptionError, TextError
from bark_cli.text.documents.decode import MAX_BYTES, decode
from bark_cli.text.documents.dialogue import read_script
from bark_cli.text.documents.foreign import why_no_prose
from bark_cli.text.documents.passed import PassedOver
from bark_cli.text.documents.plain import Block, read_plain, unescaped, without_controls, without_marks
from bark_cli.text.script import Line, Script, at_pauses

__all__ = ["FORMATS", "MAX_BYTES", "TEXT_SUFFIXES", "Format", "decode", "format_of", "read_document"]

Format = Literal["text", "markdown", "html", "srt", "script"]
FORMATS = ("auto", *get_args(Format))
_BY_SUFFIX: dict[str, Format] = {
    ".md": "markdown",
    ".markdown": "markdown",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".srt": "srt",
    ".vtt": "srt",
    ".script": "script",
    ".dialogue": "script",
}
TEXT_SUFFIXES = (".txt", ".text", *_BY_SUFFIX)  # of files that hold texts, each of which is read whole
_BESIDE_FILMS: dict[str, Format] = dict.fromkeys((".sbv", ".lrc", ".sub"), "srt")  # read only if named


def read_document(
    text: str, format: str = "auto", name: str | None = None, *, cast: Mapping[str, str] | None = None
) -> Script:
    """The lines of a text, one a paragraph or cue, and the cast if it is a script.

    `name` is the file's, for its suffix and for messages; `cast` has voices by speaker, and makes a script of
    a plain text. A plain text is one line, with its paragraphs in it, or several where it pauses or lists.
    What is not read aloud is in the script's `left_out`.

    Raises:
        OptionError: there is no such format.
        TextError: the text is not of that format, or a speaker has no voice; or the format is "auto", and the
            name is that of data or of a kind of document that is not read.
    """
    if format not in FORMATS:
        raise OptionError(f"there is no input format {format}; give one of {', '.join(FORMATS)}")
    if format == "auto" and (why := why_no_prose(name or "")) is not None:
        raise TextError(why)
    kind = format_of(text, name, has_cast=bool(cast)) if format == "auto" else format
    source, passed = name or "the text", PassedOver()
    text = without_controls(text, passed)
    if kind == "script":
        script = read_script(without_marks(unescaped(text), passed), cast, source=source)
        return replace(script, left_out=passed.told)
    lines = tuple(part for line in _lines(text, kind, source, passed) for part in at_pauses(line))
    return Script(lines=lines, left_out=passed.told)


def format_of(text: str, name: str | None = None, *, has_cast: bool = False) -> Format:
    """What a text is: by its file's suffix, else by how it begins."""
    suffix = PurePath(name or "").suffix.lower()
    if (told := (_BY_SUFFIX | _BESIDE_FILMS).get(suffix)) is not None:
        return told
    if has_cast or (text.startswith("---") and _has_cast(text)):
        return "script"
    if re.match(r"\s*(?:<!doctype html|<html[\s>])", text[:1000], re.IGNORECASE):
        return "html"
    if "WEBVTT" not in text[:2000] and not any(map(str.isdigit, text[:2000])):  # nor a time
        return "text"
    from bark_cli.text.documents.subtitles import is_subtitles

    return "srt" if is_subtitles(text) else "text"


def _has_cast(text: str) -> bool:
    head = text[:4000].splitlines()[1:]
    return "---" in (row.rstrip() for row in head) and any(row.rstrip() == "cast:" for row in head)


def _lines(text: str, kind: str, source: str, passed: PassedOver) -> list[Line]:
    if kind == "srt":
        from bark_cli.text.documents.subtitles import read_subtitles

        cues = read_subtitles(text, passed, source=source)
        return [Line(text=c.text, begin_s=c.begin_s, end_s=c.end_s, number=c.number) for c in cues]
    return [Line(text=words, number=number) for number, words in _reader(kind)(text, passed)]


def _reader(kind: str) -> Callable[[str, PassedOver], Iterable[Block]]:
    """What reads that kind; a plain text waits for no other's parser."""
    if kind == "markdown":
        from bark_cli.text.documents.markdown import read_markdown

        return read_markdown
    if kind == "html":
        from bark_cli.text.documents.web import read_html

        return read_html
    return read_plain
