"""How nano reads numbers: rules that spell them out in words, as a part of its tokenizer.

A network of 5 million weights that sees digits has to learn arithmetic beside speech; one that sees words
does not. Each rule is a pattern (Oniguruma's) and what stands in its place, as tokenizers.normalizers.Replace
has them, so they travel in tokenizer.json and need no code of ours. Numbers are read from left to right: a
rule spells a part of what is still in digits, and looks at the words and digits around it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tokenizers import Regex
from tokenizers.normalizers import Replace, Sequence

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
SHORT = {"[kK]": "thousand", "[mM]": "million", "(?:bn|[bB])": "billion"}  # behind an amount of money
ENDS = " .,;:?!)]}*\"'-/+…”’–—"  # what may stand behind an amount of money
FRACTIONS = {
    "½": "a half", "¼": "a quarter", "¾": "three quarters", "⅓": "a third", "⅔": "two thirds",
    "⅛": "an eighth", "⅜": "three eighths", "⅝": "five eighths", "⅞": "seven eighths",
}  # fmt: skip
CENTS = {"½": ".50", "¼": ".25", "¾": ".75"}  # of an amount of money
NUMBER = f"[\\d{''.join(FRACTIONS)}]"  # ends with such a sign
PARTS = {2: "half", 3: "third", 4: "quarter", 5: "fifth", 8: "eighth"}  # of one; other slashes stand in dates
CASH = "(?:bill|note|coin)s?"  # a $20 bill is not twenty dollars bill
LONGEST = 14  # characters of such an amount
PLACES = 12  # digits after a point that are read one by one
CURRENCIES = {  # where the cents begin (like what is below, it is in no text), words for one and for many
    "$": ("\ue00a", "dollar", "dollars", "cent", "cents"),
    "£": ("\ue00b", "pound", "pounds", "penny", "pence"),
    "€": ("\ue00c", "euro", "euros", "cent", "cents"),
}
DECIMALS = tuple(chr(0xE000 + d) for d in range(10))  # digits after a point

ALONE, LAST = r"(?<!\d)", r"(?!\d)"


def ordinal(word: str) -> str:
    """five -> fifth, twenty -> twentieth."""
    return NTH.get(word) or (word[:-1] + "ieth" if word.endswith("y") else word + "th")


def behind(*words: str) -> str:
    """Looks back at any of some words."""
    return f"(?<={'|'.join(words)})"


def money(sign: str, cents: str, one: str, many: str, cent: str, few: str) -> Iterator[Rule]:
    """$5 million, $5M -> 5 million dollars, $2.50 -> 2 dollars and 50 cents, $.99 -> 99 cents.

    `cents` is a mark of where they begin, in no text, and the words are those of one and of many.
    """
    written, sign, grouped = sign, re.escape(sign), "| ".join(GROUPS)
    amount = behind(*(rf"{sign}[\d,.]{{{n}}}\d" for n in range(LONGEST)))
    whole = behind(*(rf"{sign}[\d,]{{{n}}}\d" for n in range(LONGEST)))
    for fraction, hundredths in CENTS.items():
        yield f"{whole}{fraction}", hundredths
    for letter, group in SHORT.items():
        yield rf"{amount}{letter}\b", f" {group}"
    for group in GROUPS:
        yield rf"{amount} {group}\b", f" {group} {many}"
    yield rf"{sign}[-−](?=\d)", f"minus {written}"
    yield rf"{whole} (?={CASH}\b)", f" {one} "
    yield rf"{sign}0?\.(?=\d\d(?!\d| {grouped}))", cents
    yield rf"{sign}1(?:\.00)?(?![\d,.]*\d| {grouped}| {one})", f" 1 {one}"
    yield rf"{amount}\.00(?!\d| {grouped})", ""
    yield rf"{sign}1\.(?=\d\d(?!\d| {grouped}))", f" 1 {one} and {cents}"
    yield rf"{amount}\.(?=\d\d(?!\d| {grouped}))", f" {many} and {cents}"
    yield rf"{cents}01{LAST}", f" 1 {cent}"
    for before, unit in ((amount, many), (behind(rf"{cents}\d\d"), few)):
        for end in ENDS:
            yield rf"{before}\{end}(?!\d|{one}| {grouped}|{'|'.join(GROUPS)})", f" {unit}{end}"
        for digit in range(10):
            last = before.replace(r"\d|", "|").replace(r"\d)", ")")
            yield rf"{last}{digit}\z", f"{digit} {unit}"
    yield rf"{cents}0?", ""
    yield rf"{sign}(?=\d)", " "


def minus() -> Iterator[Rule]:
    """-4 -> minus 4, and of any other minus sign a dash."""
    yield rf"(?<!\d )(?<![^\s(\"'“‘])[-−](?=[{''.join(CURRENCIES)}]?\.?{NUMBER})", "minus "
    yield "−", "—"


def amounts() -> Iterator[Rule]:
    """Money of every currency."""
    for sign, words in CURRENCIES.items():
        yield from money(sign, *words)


def signs() -> Iterator[Rule]:
    """6% -> 6 percent, 20° -> 20 degrees, 5 € -> 5 euros, 2½ -> 2 and a half, 7:05 -> 7 oh 5, 3:00 -> 3."""
    for unit, name in ((" ?C(?![A-Za-z])", " Celsius"), (" ?F(?![A-Za-z])", " Fahrenheit"), ("", " ")):
        yield rf"(?<![\d.,])1 ?°{unit}", f"1 degree{name}"
        yield rf"(?<={NUMBER}) ?°{unit}", f" degrees{name}"
    yield rf"(?<={NUMBER}) ?%", " percent"
    for sign, (_, one, many, *_) in CURRENCIES.items():
        behind_it = rf" ?{re.escape(sign)}(?! ?\d|[A-Za-z])"
        yield rf"(?<![\d.,])1{behind_it}", f"1 {one}"
        yield rf"(?<={NUMBER}){behind_it}", f" {many}"
    for sign, words in FRACTIONS.items():
        yield rf"(?<=\d) ?{sign}", f" and {words}"
        yield sign, f" {words} "
    yield from slashed()
    yield rf"(?<=\d):00{LAST}", " "
    yield rf"(?<=\d):0(?=[1-9]{LAST})", " oh "
    yield rf"(?<=\d):(?=[1-5]\d{LAST})", " "


def slashed() -> Iterator[Rule]:
    """3/4 -> 3 quarters, 2 1/2 -> 2 and 1 half; 1/2/2024 is a date and 9/11 a day."""
    for whole, part in PARTS.items():
        for some in range(1, whole):
            fraction = rf"(?<![\d/.,]){some}/{whole}(?![\d/])"
            words = f"{some} {part}{'s' if some > 1 else ''}"
            yield rf"(?<=\d) {fraction}", f" and {words}"
            yield fraction, words


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
    parts = (minus, amounts, signs, decimals, groups, years, thousands, hundreds, tens, ones)
    return [rule for part in parts for rule in part()]


def spelling() -> list[Replace]:
    """The rules as a tokenizer takes them."""
    return [Replace(Regex(pattern), words) for pattern, words in rules()]


def spelled_out(text: str) -> str:
    """A text with its numbers in words: what the teacher is to say."""
    words: str = Sequence(spelling()).normalize_str(text)
    return words
