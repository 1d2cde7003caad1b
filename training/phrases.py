"""Sentences from the templates of phrases.toml: talk, numbers, dialogue, news, single words; tags in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from training.settings import read_toml

Rng = np.random.Generator

WORD = re.compile(r"[a-z'’]*[a-z]{2,}[,.!?;]*")  # that may stand in capitals

_DATA: dict[str, Any] = read_toml(Path(__file__).with_suffix(".toml"))
SLOTS: dict[str, list[str]] = _DATA["slots"]
TEMPLATES, SHORT, COUNTS, CARRIERS = (_DATA[name] for name in ("templates", "short", "counts", "carriers"))
REPORTS: list[str] = _DATA["reports"]["templates"]
REPORT_SLOTS: dict[str, list[str]] = SLOTS | _DATA["reports"]["slots"]
TAG_NAMES = ("[laughs]", "[laughter]", "[sighs]", "[gasps]", "[clears throat]", "[music]")


def _number(slot: str, rng: Rng) -> str | None:
    """A slot that is written with digits, or None for another slot."""
    draw = rng.integers
    made = {
        "count": lambda: str(rng.choice(COUNTS)) if rng.random() < 0.6 else str(draw(2, 100)),
        "small": lambda: str(draw(2, 60)),
        "number": lambda: str(draw(100, 1000)) if rng.random() < 0.7 else str(draw(2, 100)),
        "big": lambda: (
            f"{draw(1, 1000):d},{draw(0, 1000):03d}" if rng.random() < 0.6 else f"{draw(2, 90)} million"
        ),
        "year": lambda: str(draw(1700, 2031)),
        "dayno": lambda: str(draw(1, 32)),
        "age": lambda: str(draw(3, 100)),
        "percent": lambda: f"{draw(1, 100)}%" if rng.random() < 0.5 else f"{draw(1, 100)} percent",
        "digits": lambda: (
            f"555-{draw(1000, 10000)}" if rng.random() < 0.5 else " ".join(map(str, draw(0, 10, 7)))
        ),
        "ordinal": lambda: _ordinal(int(draw(1, 32))),
        "clock": lambda: _clock(rng),
        # as news has them
        "recent": lambda: str(draw(1890, 2041)),
        "decade": lambda: f"{draw(182, 203)}0s",
        "few": lambda: str(draw(2, 100)),
        "digit": lambda: str(draw(1, 10)),
        "number_small": lambda: str(draw(0, 21)),
        "round": lambda: str(draw(1, 100) * 10),
        "thousands": lambda: f"{draw(1, 1000)},{draw(0, 10) if rng.random() < 0.5 else 0}00",
        "millions": lambda: f"{_amount(rng)} {rng.choice(['million', 'billion'])}",
        "share": lambda: f"{_amount(rng)}{rng.choice(['%', '%', ' percent'])}",
        "money": lambda: _money(rng),
        "price": lambda: f"${draw(1, 500)}" if rng.random() < 0.5 else f"${draw(1, 100)}.{draw(1, 100):02d}",
    }
    return made[slot]() if slot in made else None


def _amount(rng: Rng) -> str:
    """A number with a tenth or without."""
    whole = rng.integers(1, 100)
    return f"{whole}.{rng.integers(1, 10)}" if rng.random() < 0.5 else f"{whole}"


def _money(rng: Rng) -> str:
    how = rng.random()
    if how < 0.4:
        return f"${_amount(rng)} {rng.choice(['million', 'billion'])}"
    return f"${rng.integers(1, 1000)},{rng.integers(0, 10)}00" if how < 0.7 else f"${rng.integers(2, 1000)}"


def _ordinal(number: int) -> str:
    ending = "th" if 10 < number < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _clock(rng: Rng) -> str:
    hour, minute = int(rng.integers(1, 13)), int(rng.choice([0, 5, 10, 15, 20, 25, 30, 40, 45, 50, 55]))
    how = rng.random()
    if how < 0.3:
        return f"{hour} o'clock"
    half = str(rng.choice(["am", "pm", "a.m.", "p.m."]))
    if how < 0.6:
        return f"{hour} {half}".rstrip(".")
    return f"{hour}:{minute:02d}" if how < 0.8 else f"{hour}:{minute:02d} {half}".rstrip(".")


def filled(template: str, rng: Rng, slots: Mapping[str, Sequence[str]] = SLOTS) -> str:
    """A template with every {slot} filled, with the slots of slots; a capital first letter."""
    while found := re.search(r"\{(\w+)\}", template):
        slot = found.group(1)
        value = _number(slot, rng)
        if value is None and slot in ("sentence", "clause"):
            value = filled("{who} {did} {time}." if rng.random() < 0.5 else "{thing} is {adj}.", rng)
            value = value if slot == "sentence" else (value[0].lower() + value[1:]).rstrip(".")
            value = value.replace(".", ",", 1) if value.endswith(".") and rng.random() < 0.2 else value
        if value is None:
            choices = slots[slot]
            value = choices[int(rng.integers(len(choices)))]
        template = template[: found.start()] + value + template[found.end() :]
    template = re.sub(r"\b([Aa]) (?=[aeiouAEIO])(?!us|uni|one)", r"\1n ", template)
    template = re.sub(r"\bi (?=\w)", "I ", template)
    return re.sub(r'(^"?|[.!?] "?)([a-z])', lambda m: m.group(1) + m.group(2).upper(), template)


def everyday(rng: Rng, count: int) -> Iterator[str]:
    """The short phrases, then `count` filled templates, some with a hesitation in them."""
    yield from SHORT
    for word in ("Hello", "Yes", "No", "Well", "Okay", "Oh", "So", "Now", "Look"):
        yield from (f"{word}, {first}." for first in SLOTS["first"][:12])
    numbers = [str(n) for n in [*range(101), *rng.integers(101, 10_000, 300).tolist()]]
    yield from (f"{number}." for number in numbers)
    for i in range(count):
        text = filled(TEMPLATES[int(rng.integers(len(TEMPLATES)))], rng)
        yield _hesitating(text, rng) if i % 30 == 0 else text


def reports(rng: Rng, count: int, more: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """`count` sentences as in the news: names, places, numbers; `more` are the slots that WordNet fills."""
    slots = REPORT_SLOTS | dict(more)
    for _ in range(count):
        yield filled(REPORTS[int(rng.integers(len(REPORTS)))], rng, slots)


def _hesitating(text: str, rng: Rng) -> str:
    words = text.split()
    if len(words) < 4 or '"' in text:
        return text
    at = int(rng.integers(1, len(words) - 1))
    mark = str(rng.choice(["...", "…", " —", "—"]))
    words[at - 1] = words[at - 1].rstrip(",.!?;:") + mark
    joined = " ".join(words)
    return joined.replace("— ", "—") if mark == "—" else joined


def emphatic(text: str, rng: Rng) -> str:
    """The text with one of its words in capitals, in a longer one sometimes two."""
    words = text.split()
    fit = [i for i, word in enumerate(words) if WORD.fullmatch(word)]
    for i in rng.permutation(fit)[: 2 if len(fit) > 7 and rng.random() < 0.3 else 1].tolist():
        words[i] = words[i].upper()
    return " ".join(words)


def sung(texts: list[str], count: int, rng: Rng) -> Iterator[str]:
    """Short texts between notes, some with another one said in front or behind."""
    short = [text for text in texts if len(text) < 60 and "[" not in text]
    for _ in range(count):
        text, other = (short[i] for i in rng.integers(0, len(short), 2))
        line = f"♪ {text} ♪" if rng.random() < 0.7 else f"♪ {text.rstrip('.')} ♪"
        yield str(rng.choice([line, f"{other} {line}", f"{line} {other}"], p=[0.7, 0.15, 0.15]))


def spoken_word(rng: Rng, words: list[str], count: int = 9_000) -> Iterator[str]:
    """Single words in short frames, for the spelling of words that sentences lack."""
    for i in range(count):
        word, other, third = (words[j] for j in rng.integers(0, len(words), 3))
        text = CARRIERS[i % len(CARRIERS)].format(word=word, other=other, third=third)
        yield text[0].upper() + text[1:]


def with_tags(rng: Rng, texts: list[str], count: int) -> Iterator[str]:
    """Utterances with a sound in front, at the end, or between sentences or words; some alone."""
    yield from TAG_NAMES
    for _ in range(count):
        tag = TAG_NAMES[int(rng.choice(len(TAG_NAMES), p=[0.25, 0.12, 0.2, 0.16, 0.15, 0.12]))]
        text, other = (texts[i] for i in rng.integers(0, len(texts), 2))
        how = rng.random()
        if how < 0.3:
            yield f"{tag} {text}"
        elif how < 0.6:
            yield f"{text} {tag}"
        elif how < 0.8 and len(text) + len(other) < 160:
            yield f"{text} {tag} {other}"
        elif how < 0.9:
            opening = str(
                rng.choice(["Well.", "Oh.", "Hello.", "Yes.", "No.", "Well,", "Oh,", "So", "I mean,", "Hmm."])
            )
            yield f"{opening} {tag} {text}"
        else:
            words = text.split()
            at = len(words) // 2
            yield " ".join([*words[:at], tag, *words[at:]])
