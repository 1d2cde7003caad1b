"""How nano reads numbers: rules that spell them out in words (training.reading).

Numbers are read from left to right: a rule spells a part of what is still in digits, and looks at the words
and digits around it.
"""

from __future__ import annotations

from collections.abc import Iterator

Rule = tuple[str, str]

ONES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEENS = (
    "ten", "eleven", "twelve", "thirteen", "fourteen",
    "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
NTH = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth"}
NTH["twelve"] = "twelfth"
GROUPS = ("thousand", "million", "billion", "trillion")
PLACES = 12  # digits after a point that are read one by one
DECIMALS = tuple(chr(0xE000 + d) for d in range(10))  # digits after a point

ALONE, LAST = r"(?<!\d)", r"(?!\d)"


def ordinal(word: str) -> str:
    """five -> fifth, twenty -> twentieth."""
    return NTH.get(word) or (word[:-1] + "ieth" if word.endswith("y") else word + "th")


def with_ending(number: int) -> str:
    """1 -> 1st, 12 -> 12th, 22 -> 22nd."""
    endings = {1: "st", 2: "nd", 3: "rd"} if number % 100 not in (11, 12, 13) else {}
    return f"{number}{endings.get(number % 10, 'th')}"


def behind(*words: str) -> str:
    """Looks back at any of some words."""
    return f"(?<={'|'.join(words)})"


def points() -> Iterator[Rule]:
    """1.2.3 -> 1 point 2 point 3, as versions and addresses are read; .5 -> 0.5."""
    yield r"(?<![\w.$£€])\.(?=\d)", "0."
    yield r"(?<=\d)\.(?=\d+\.\d)", " point "
    yield behind(*(rf"point \d{{{n}}}" for n in range(1, 5))) + r"\.(?=\d)", " point "


def decimals() -> Iterator[Rule]:
    """6.25 -> 6 point two five."""
    known = rf"[\d{DECIMALS[0]}-{DECIMALS[-1]}]"
    after_point = behind(*(rf"\d\.{known * n}" for n in range(PLACES)))
    for digit, mark in enumerate(DECIMALS):
        yield f"{after_point}{digit}", mark
    yield rf"(?<=\d)\.(?=[{DECIMALS[0]}-{DECIMALS[-1]}])", " point"
    for word, mark in zip(ONES, DECIMALS, strict=True):
        yield mark, f" {word} "


def groups() -> Iterator[Rule]:
    """12,400 -> 12 thousand 400."""
    more = r",\d{3}"
    for power, group in reversed(list(enumerate(GROUPS))):
        yield rf"(?<=\d),(?=\d{{3}}{more * power}(?!\d|{more}))", f" {group} "


def years() -> Iterator[Rule]:
    """1987 -> nineteen 87, 2030 -> twenty 30, 1905 -> nineteen oh 5."""
    for pair, word in enumerate(TEENS):
        if pair:
            yield rf"{ALONE}1{pair}(?=\d\d{LAST})", f" {word} "
    after = behind(*(f"{word} " for word in TEENS[1:]))
    yield rf"{after}00{LAST}", "hundred"
    yield rf"{after}0(?=\d{LAST})", "oh "
    yield rf"{ALONE}20(?=[1-9]\d{LAST})", " twenty "


def thousands() -> Iterator[Rule]:
    """2400 -> 2 thousand 400, 15000000 -> 15 million 000 thousand 000."""
    for power, group in reversed(list(enumerate(GROUPS, 1))):
        yield rf"(?<=\d)0(?=\d{{{3 * power}}}{LAST})", f"0 {group} "
        for digit in range(1, 10):
            yield rf"{digit}(?=\d{{{3 * power}}}{LAST})", f"{digit} {group} "


def hundreds() -> Iterator[Rule]:
    """400 -> four hundred; zeros that say nothing go."""
    greater = behind(*(f"{group} " for group in GROUPS))
    for group in GROUPS:
        yield rf"{greater}000 {group} ", ""
        yield rf"{group} 000th\b", ordinal(group)
        yield rf"{group} 000'?s\b", f"{group}s"
    yield rf"{greater}000{LAST}", ""
    for digits in (2, 1):
        yield rf"{greater}0(?=\d{{{digits}}}{LAST})", ""
    for digit, word in list(enumerate(ONES))[1:]:
        yield rf"{ALONE}{digit}(?=\d\d{LAST})", f" {word} hundred "
    yield rf"hundred 00th{LAST}", "hundredth "
    yield rf"(?<=hundred )00{LAST}", ""
    yield rf"(?<=hundred )0(?=\d{LAST})", ""


def tens() -> Iterator[Rule]:
    """87 -> eighty 7, 15 -> fifteen, 20th -> twentieth, 90s -> nineties."""
    for digit, word in enumerate(TEENS):
        yield rf"{ALONE}1{digit}(?:th|TH)\b", f" {ordinal(word)} "
        yield rf"{ALONE}1{digit}'?s\b", f" {word}s "
        yield rf"{ALONE}1{digit}{LAST}", f" {word} "
    for digit, word in list(enumerate(TENS))[2:]:
        yield rf"{ALONE}{digit}0(?:th|TH)\b", f" {ordinal(word)} "
        yield rf"{ALONE}{digit}0'?s\b", f" {word[:-1]}ies "
        yield rf"{ALONE}{digit}0{LAST}", f" {word} "
        yield rf"{ALONE}{digit}(?=[1-9]{LAST})", f" {word} "


def ones() -> Iterator[Rule]:
    """7 -> seven, 1st -> first; what is left of longer numbers is read digit by digit."""
    for digit, word in enumerate(ONES):
        yield rf"{ALONE}{digit}(?:st|nd|rd|th|ST|ND|RD|TH)\b", f" {ordinal(word)} "
    for digit, word in enumerate(ONES):
        yield str(digit), f" {word} "


def rules() -> list[Rule]:
    """All of them, in order."""
    parts = (points, decimals, groups, years, thousands, hundreds, tens, ones)
    return [rule for part in parts for rule in part()]
