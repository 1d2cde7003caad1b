"""Lines as books have them, made of plain sentences: dialogue in quotes, headings, ends without a full stop.

The sentences that nano learnt from first all end in a full stop, a question or an exclamation mark. At any
other end it did not know that its text was over, and read on into the letters before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from training.phrases import SLOTS, filled

Rng = np.random.Generator

SAID = ("said", "said", "said", "asked", "cried", "answered", "whispered", "replied", "shouted", "murmured",
        "called", "muttered", "repeated", "began", "laughed", "added")  # fmt: skip
SPEAKERS = (
    "he", "she", "I", "they", "the old man", "my aunt", "the boy", "the girl", "the king", "the stranger",
    "the doctor", "Grandmother", "the captain", "the judge", "{first}", "{first}", "{first}",
    "{title} {last}", "Mrs {last}", "the {job}", "the {worker}", "{surname}", "{town}", "old {surname}",
    "the {animal}",
)  # fmt: skip
SHORT = (
    "Yes.", "No.", "Nothing.", "Never.", "Nobody moved.", "Well?", "Hush.", "Listen.", "Look!", "Come in.",
    "Go on.", "Not I.", "Indeed.", "Why not?", "Is that so?", "I do.", "So do I.", "Good heavens!", "Run!",
    "Who's there?", "Goodnight.", "Wait.", "Snow fell.", "It rained.", "He slept.", "She laughed.", "Ah.",
    "Oh!", "Stop.", "Perhaps.", "Quite so.", "Thank you, sir.", "Nonsense!", "At last.", "Too late.",
)  # fmt: skip
NUMBERS = (
    "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve",
    "Thirteen", "Twenty", "the First", "the Second", "the Third", "the Last", "1", "2", "7", "12", "23",
)  # fmt: skip
DIVISIONS = ("Chapter", "Chapter", "Chapter", "Part", "Book", "Section", "Act", "Scene", "Volume", "Lesson")
TITLES = (
    "The {Artifact}", "The {Adj} {Artifact}", "The {Animal} and the {Animal}", "The {Worker} of {town}",
    "Of {Plural} and {Plural}", "A {Adj} {Noun}", "Letters from {town}", "{surname}",
    "The {Noun} at the {Noun}", "The {Worker}'s {Artifact}", "How to {do}", "In which {who} {did}",
    "About the {Worker}", "A {Noun} in {town}", "What {first} {did}", "The {Noun} in the {Artifact}",
    "{first} and the {Animal}", "{Plural}", "{Artifact}", "A note on {Plural}", "A tale in {few} chapters",
    "The return of {first}", "Over the {Plural}", "{Adj} {Plural}", "Getting started with {Plural}",
    "Frequently asked questions", "Table of contents", "Preface", "Introduction", "Summary and outlook",
    "Further reading", "Acknowledgements", "Index", "Epilogue", "Notes", "Installation",
    "Where the {Noun} was", "The {Adj} {Worker}", "A {Noun} for {first}", "{town} and {town}",
    "The road to {town}",
)  # fmt: skip
SMALL = ("of", "the", "and", "in", "a", "to", "on", "at")
CAPITALS = ("artifact", "animal", "worker", "plural", "noun", "adj")  # slots whose words begin titles, too
ENDS = ("", "", "", ":", ":", ";", ",", ",", " —", "...", ").", '"', ".)", '."', '!"', '?"', ',"', ".'")


def lines(texts: Sequence[str], count: int, rng: Rng, slots: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """`count` lines made of the plain sentences `texts` and of templates that `slots` helps to fill."""
    named = {name.capitalize(): _capitals(slots.get(name) or SLOTS[name]) for name in CAPITALS}
    known = {**SLOTS, **slots, **named}
    makers: list[Callable[[], str]] = [
        lambda: _speech(texts, rng, known),
        lambda: _speech(texts, rng, known),
        lambda: _heading(rng, known),
        lambda: _heading(rng, known),
        lambda: _other_end(texts, rng),
        lambda: _other_end(texts, rng),
        lambda: _clauses(texts, rng),
    ]
    for i in range(count):
        yield makers[i % len(makers)]()


def _capitals(words: Sequence[str]) -> list[str]:
    return [word[:1].upper() + word[1:] for word in words]


def _one(choices: Sequence[str], rng: Rng) -> str:
    return choices[int(rng.integers(len(choices)))]


def _sentence(texts: Sequence[str], rng: Rng) -> str:
    return _one(SHORT if rng.random() < 0.15 else texts, rng)


def _speech(texts: Sequence[str], rng: Rng, slots: Mapping[str, Sequence[str]]) -> str:
    """What somebody says, with who says it in front, behind, in the middle or not at all."""
    said, other = _sentence(texts, rng).replace('"', ""), _sentence(texts, rng).replace('"', "")
    by = f"{_one(SAID, rng)} {_one(SPEAKERS, rng)}"
    if rng.random() < 0.4:
        by = " ".join([_one(SPEAKERS, rng), _one(SAID, rng)])
    by = filled(by, rng, slots)
    by = by if by[:2] == "I " or by.split()[0] in slots["first"] else by[:1].lower() + by[1:]
    open_end = re.sub(r"\.$", ",", said)
    how = rng.random()
    if how < 0.3:
        return f'"{said}"'
    if how < 0.5:
        return f'"{open_end}" {by}.'
    if how < 0.6:
        return f'{by[:1].upper()}{by[1:]}, "{said}"'
    if how < 0.72:
        return f'"{open_end}" {by}. "{other}"'
    if how < 0.8:
        return f'"{said}" "{other}"'
    if how < 0.85:
        return f"'{open_end}' {by}."
    words = said.split()
    if len(words) < 5:
        return f'"{open_end}" {by}'
    at = int(rng.integers(1, len(words) - 2))
    return f'"{" ".join(words[:at]).rstrip(",;:.!?")}," {by}, "{" ".join(words[at:])}"'


def _heading(rng: Rng, slots: Mapping[str, Sequence[str]]) -> str:
    """A title, a number of a chapter, or both; most have no stop."""
    title = filled(_one(TITLES, rng), rng, slots).rstrip(".")
    if rng.random() < 0.5:
        words = title.split()
        title = " ".join([word if word in SMALL else word[:1].upper() + word[1:] for word in words])
    how = rng.random()
    if how < 0.2:
        title = f"{_one(DIVISIONS, rng)} {_one(NUMBERS, rng)}"
    elif how < 0.4:
        title = f"{_one(DIVISIONS, rng)} {_one(NUMBERS, rng)}{_one((': ', '. ', ' — ', ', '), rng)}{title}"
    return title + ("." if rng.random() < 0.1 else "")


def _other_end(texts: Sequence[str], rng: Rng) -> str:
    """A sentence, or its first words, whose end is not a full stop."""
    words = _one(texts, rng).replace('"', "").rstrip(".!?").split()
    if rng.random() < 0.4 and len(words) > 3:
        words = words[: int(rng.integers(1, len(words)))]
    end = _one(ENDS, rng)
    opening = {")": "(", '"': '"', "'": "'"}.get(next((c for c in end if c in ")\"'"), ""), "")
    return opening + " ".join(words).rstrip(",;:-") + end


def _clauses(texts: Sequence[str], rng: Rng) -> str:
    """Two sentences in one, or a short one alone."""
    one, two = (_sentence(texts, rng) for _ in range(2))
    if rng.random() < 0.2:
        return _one(SHORT, rng)
    joint = _one(("; ", "; ", ": ", ", and ", ", but ", "; and ", " — ", ", for ", "; yet ", ". "), rng)
    if joint == ". ":
        return f"{one} {two}"
    keeps = two.split()[0].rstrip(",").strip("'\"") in ("I", "I'm", "I've", "I'll") or two[:2].isupper()
    return one.rstrip(".!?") + joint + (two if keeps else two[:1].lower() + two[1:])
