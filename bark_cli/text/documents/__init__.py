"""A text as it was found (bytes, str) -> the Lines to say: plain text, Markdown, subtitles or a script."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Literal, get_args

from bark_cli.errors import OptionError
from bark_cli.text.documents.decode import MAX_BYTES, decode
from bark_cli.text.documents.markdown import read_markdown
from bark_cli.text.documents.subtitles import is_subtitles, read_subtitles
from bark_cli.text.script import Line, Script, at_pauses, read_script

__all__ = ["FORMATS", "MAX_BYTES", "Format", "decode", "format_of", "read_document"]

Format = Literal["text", "markdown", "srt", "script"]
FORMATS = ("auto", *get_args(Format))
_BY_SUFFIX: dict[str, Format] = {
    ".md": "markdown",
    ".markdown": "markdown",
    ".srt": "srt",
    ".vtt": "srt",
    ".script": "script",
    ".dialogue": "script",
}


def read_document(
    text: str, format: str = "auto", name: str | None = None, *, cast: Mapping[str, str] | None = None
) -> Script:
    """The lines of a text, one a paragraph or cue, and the cast if it is a script.

    `name` is the file's, for its suffix and for messages; `cast` has voices by speaker, and makes a script of
    a plain text. A plain text is one line, with its paragraphs in it, or several where it pauses.

    Raises:
        OptionError: there is no such format.
        TextError: the text is not of that format, or a speaker has no voice.
    """
    if format not in FORMATS:
        raise OptionError(f"there is no input format {format}; give one of {', '.join(FORMATS)}")
    kind = format_of(text, name, has_cast=bool(cast)) if format == "auto" else format
    source = name or "the text"
    if kind == "script":
        return read_script(text, cast, source=source)
    return Script(lines=tuple(part for line in _lines(text, kind, source) for part in at_pauses(line)))


def format_of(text: str, name: str | None = None, *, has_cast: bool = False) -> Format:
    """What a text is: by its file's suffix, else by how it begins."""
    suffix = PurePath(name or "").suffix.lower()
    if suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix]
    if has_cast or (text.startswith("---") and _has_cast(text)):
        return "script"
    return "srt" if is_subtitles(text) else "text"


def _has_cast(text: str) -> bool:
    head = text[:4000].splitlines()[1:]
    return "---" in (row.rstrip() for row in head) and any(row.rstrip() == "cast:" for row in head)


def _lines(text: str, kind: str, source: str) -> list[Line]:
    if kind == "markdown":
        return [Line(text=words, number=number) for number, words in _markdown(text)]
    if kind == "srt":
        cues = read_subtitles(text, source=source)
        return [Line(text=c.text, begin_s=c.begin_s, end_s=c.end_s, number=c.number) for c in cues]
    return [Line(text=text)]


def _markdown(text: str) -> list[tuple[int, str]]:
    """The paragraphs below a front matter, if there is one."""
    rows = text.splitlines()
    end = next((n for n, row in enumerate(rows[1:200], 1) if row.rstrip() in ("---", "...")), 0)
    if not rows or rows[0].rstrip() != "---" or not end:
        return read_markdown(text)
    return [(number + end + 1, words) for number, words in read_markdown("\n".join(rows[end + 1 :]))]
