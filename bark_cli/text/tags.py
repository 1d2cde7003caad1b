"""Text (str) -> the [tags] in it that Bark does not know, each with the one that was meant, and its pauses.

The tags are those of suno-ai/bark, README.md; [pause 1.5s] is ours: silence, never given to the model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bark_cli.errors import TextError

MAX_TAG = 64  # characters between the brackets; what is longer is an aside
_MOST_WORDS = 4
MAX_PAUSE_S = 600.0
_TAG = re.compile(rf"\[([^\[\]]{{1,{MAX_TAG}}})\]")
PAUSE = re.compile(
    r"\[\s{0,9}pause\s{1,9}([0-9]{1,9}(?:[.,][0-9]{1,9})?)\s{0,9}(ms|s)\s{0,9}\]", re.IGNORECASE
)


@dataclass(frozen=True)
class Tag:
    """Something in a text that is a sound or a manner of speaking, not words."""

    text: str  # as it is written
    meaning: str  # one line


TAGS = (
    Tag("[laughter]", "a long laugh"),
    Tag("[laughs]", "a short laugh"),
    Tag("[sighs]", "a sigh"),
    Tag("[music]", "music"),
    Tag("[gasps]", "a sharp breath in"),
    Tag("[clears throat]", "a cough to begin with"),
)
MARKS = (
    Tag("♪ words ♪", "sung"),
    Tag("— or …", "hesitation"),
    Tag("CAPITALS", "emphasis on a word"),
    Tag("MAN: or WOMAN:", "a man's or a woman's voice"),
    Tag("[pause 1.5s]", "silence of that length, or of [pause 800ms]"),
)
KNOWN = frozenset(tag.text for tag in TAGS)
_MEANT = {  # what people write for the tag that they mean
    "laugh": "[laughs]",
    "laughing": "[laughs]",
    "chuckle": "[laughs]",
    "chuckles": "[laughs]",
    "giggles": "[laughs]",
    "lol": "[laughs]",
    "sighing": "[sighs]",
    "gasping": "[gasps]",
    "clearing throat": "[clears throat]",
    "coughs": "[clears throat]",
    "song": "[music]",
    "pause": "[pause 1s]",
    "silence": "[pause 1s]",
}


@dataclass(frozen=True)
class TagProblem:
    """A tag that the model does not know."""

    text: str  # as it stands
    start: int  # offset in the text
    meant: str | None  # the nearest tag that it knows

    def __str__(self) -> str:
        if self.meant is None:
            return f"{self.text} is not a tag this model knows; see: bark tags"
        return f"{self.text} is not a tag this model knows; {self.meant} is"


def check_tags(text: str, known: Iterable[str] = KNOWN) -> list[TagProblem]:
    """The tags of `text` that are not among `known` (such as [laughs]), in order; pauses are always known."""
    known = frozenset(known)
    return [
        TagProblem(match.group(), match.start(), nearest_tag(match.group(), known))
        for match in _TAG.finditer(text)
        if match.group() not in known
        and not PAUSE.fullmatch(match.group())
        and _may_be_meant(match[1], known)
    ]


def _may_be_meant(inside: str, known: Iterable[str]) -> bool:
    """Whether what stands in brackets was to be a tag, and not an aside or a remark of the writer's."""
    words = inside.split()
    is_short = len(words) <= _MOST_WORDS and not any(map(str.isdigit, inside))
    return is_short or nearest_tag(f"[{inside}]", known) is not None


def nearest_tag(tag: str, known: Iterable[str] = KNOWN) -> str | None:
    """The tag that `tag` was to be, by its case, spaces, letters or sense; None if it resembles none."""
    from difflib import get_close_matches

    known = sorted(known)
    inner = " ".join(tag.strip("[]").lower().split())
    meant = _MEANT.get(inner)
    if meant is not None and (meant in known or PAUSE.fullmatch(meant)):
        return meant
    if pause := re.fullmatch(r"pause ?:? ?([0-9]{1,9}(?:\.[0-9]{1,9})?) ?(?:s|secs?|seconds?)?", inner):
        return f"[pause {pause[1]}s]"
    close = get_close_matches(f"[{inner}]", known, n=1, cutoff=0.75)
    return close[0] if close else None


def split_pauses(text: str) -> Iterator[tuple[str, float | None]]:
    """The text between its pauses, each part with the seconds of silence after it; None after the last.

    Pauses in a row are one. A text that begins with a pause gives an empty first part.

    Raises:
        TextError: a pause is longer than ten minutes.
    """
    start, before, seconds = 0, "", 0.0
    paused = False
    for match in PAUSE.finditer(text):
        between = text[start : match.start()]
        if paused and between.strip():
            yield before, seconds
            before, seconds = between, 0.0
        elif not paused:
            before = between
        seconds += _seconds(match)
        if seconds > MAX_PAUSE_S:
            raise TextError(f"{match.group()} pauses longer than {MAX_PAUSE_S:.0f} s; make it shorter")
        start, paused = match.end(), True
    if paused:
        yield before, seconds
    rest = text[start:]
    if rest.strip() or not paused:
        yield rest, None


def pause_seconds(text: str) -> float:
    """Seconds of all pauses in a text."""
    return sum(map(_seconds, PAUSE.finditer(text)))


def _seconds(pause: re.Match[str]) -> float:
    return float(pause[1].replace(",", ".")) / (1000 if pause[2].lower() == "ms" else 1)
