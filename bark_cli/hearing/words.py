"""Two texts -> in how many words they differ, however numbers, abbreviations and punctuation are written."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

ONES = """
zero one two three four five six seven eight nine ten eleven twelve
thirteen fourteen fifteen sixteen seventeen eighteen nineteen
""".split()  # noqa: SIM905
TENS = ["zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
ORDINALS = {
    "first": "one", "second": "two", "third": "three", "fifth": "five",
    "eighth": "eight", "ninth": "nine", "twelfth": "twelve",
}  # fmt: skip
SPELT = {
    "dr": "doctor", "mr": "mister", "mrs": "missus", "ms": "miz", "st": "saint", "ok": "okay", "vs": "versus",
    "o'clock": "oclock", "grey": "gray", "plough": "plow", "a.m": "am", "p.m": "pm", "prof": "professor",
    "oh": "o", "gonna": "going to", "percent": "per cent",
    "dollar": "dollars", "pound": "pounds", "euro": "euros", "degree": "degrees",
    "meter": "meters", "kilometer": "kilometers", "kilogram": "kilograms", "mile": "miles",
}  # fmt: skip
CURRENCIES = {"$": "dollars", "£": "pounds", "€": "euros"}
UNITS = {
    "km/h": "kilometers per hour", "mph": "miles per hour", "km": "kilometers", "cm": "centimeters",
    "mm": "millimeters", "m": "meters", "kg": "kilograms", "g": "grams",
}  # fmt: skip
FRACTIONS = {
    r"½|(?<![\d/])1/2(?![\d/])": "half",
    r"¼|(?<![\d/])1/4(?![\d/])": "quarter",
    r"¾|(?<![\d/])3/4(?![\d/])": "three quarters",
}
# British spellings as American ones: both of a pair come out alike, if not always as a dictionary has them
AMERICAN = [
    (r"(?<=[a-z]{3})our(?=(?:ed|ing|ers?|ful|less|able|ite|ly|hood)?(?:'?s)?$)", "or"),  # harbour, not hour
    (r"(?<=[a-z]{3}[aeiou])(?<!fi)(?<!ti)ll(?=(?:ed|ing|er|ous|y)(?:'?s)?$)", "l"),  # traveller, not filled
    (r"(?<=[a-z]{3})is(?=(?:e|ed|ing|ation)(?:'?s)?$)", "iz"),  # realise, not raise
    (r"(?:(?<=cent)|(?<=heat)|(?<=fib)|(?<=lit)|(?<=met))re(?=(?:'?s)?$)", "er"),
]
_TAG = re.compile(r"\[[^\]]*\]")
_WITHOUT_SPACES = ("zh", "ja")


def word_errors(wanted: str, heard: str, language: str = "en") -> tuple[int, int]:
    """Edit distance in words between two texts, and the number of words wanted.

    Words that differ only in where they are split ("teacup", "tea cup") count as right, and so do most
    British and American spellings. Only English numbers are read; of Chinese and Japanese, which have no
    spaces, each character is a word.
    """
    a, b = _words(wanted, language), _words(heard, language)
    if "".join(a) == "".join(b):
        return 0, len(a)
    return _edits_but_splits(a, b), len(a)


def edits(a: Sequence[str], b: Sequence[str]) -> int:
    """Edit distance: insertions, deletions and replacements."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        previous, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (x != y))
    return row[-1]


def _edits_but_splits(a: Sequence[str], b: Sequence[str]) -> int:
    """Edit distance of words, where one that stands as two in the other text costs nothing."""
    rows = [list(range(len(b) + 1))]
    for i, x in enumerate(a, 1):
        row, above = [i], rows[-1]
        for j, y in enumerate(b, 1):
            least = min(row[-1] + 1, above[j] + 1, above[j - 1] + (x != y))
            if j > 1 and _plain(x) == _plain(b[j - 2] + y):
                least = min(least, above[j - 2])
            if i > 1 and _plain(a[i - 2] + x) == _plain(y):
                least = min(least, rows[-2][j - 1])
            row.append(least)
        rows.append(row)
    return rows[-1][-1]


def _plain(word: str) -> str:
    return word.replace("'", "")


def normalised(text: str) -> str:
    """English in lower case, no tags or punctuation, numbers in words, a few abbreviations spelt out."""
    text = _TAG.sub(" ", text.lower()).replace("’", "'").replace("♪", " ")
    text = _signs(text)
    text = re.sub(r"\b([ap])\.m\.?", r"\1m", text).replace("%", " per cent ").replace("&", " and ")
    text = re.sub(r"(\d):00\b", r"\1 ", text)
    text = re.sub(r"(\d+)(?:st|nd|rd|th)\b", r"\1", text)
    text = re.sub(r"(\d)\.(\d)", r"\1 point \2", text)
    text = re.sub(r"\d[\d,]*\d|\d", _digits, text)
    words = re.sub(r"[^a-z' ]", " ", text).split()
    spelt = " ".join(_word(word.strip("'")) for word in words)
    spelt = re.sub(r"\b(?:a|one) (half|quarter)\b", r"\1", spelt)
    cents = r"(\w+(?: \w+)?) (?:cents?|pence|penny)"
    spelt = re.sub(rf"\b(dollars|pounds|euros)(?: and)? {cents}\b", r"\1 \2", spelt)
    return re.sub(r"\b(hundred|thousand) and\b", r"\1", spelt).strip()


def _signs(text: str) -> str:
    """Minus, plus, money, units, fractions and degrees in words, telephone numbers digit by digit."""
    text = re.sub(r"(?<!\d)\d{3}-\d{4}(?!\d)", lambda number: " ".join(number[0].replace("-", "")), text)
    text = re.sub(r"(?<=\d)-(?=\d)", " to ", text)
    text = text.replace("+", " plus ").replace("=", " equals ").replace("e.g.", " for example ")
    for unit, name in UNITS.items():
        text = re.sub(rf"(?<=\d)\s?{unit}(?![\w/'])", f" {name}", text)
    text = re.sub(r"(?<![\w)])[-−](?=[$£€]?\d)", "minus ", text)
    for sign, name in CURRENCIES.items():
        mark = re.escape(sign)
        text = re.sub(rf"{mark}\s?([\d,]+)\.(?:00|0(\d)|(\d\d))\b", rf" \1 {name} \2\3 ", text)
        text = re.sub(rf"{mark}\s?([\d,]*\d)|(\d)\s?{mark}", rf" \1\2 {name} ", text)
    for sign, name in FRACTIONS.items():
        text = re.sub(rf"(?<=\d)\s?(?:{sign})", f" and {name}", text)
        text = re.sub(sign, f" {name} ", text)
    text = re.sub(r"\s?°\s?c\b", " degrees celsius", text)
    text = re.sub(r"\s?°\s?f\b", " degrees fahrenheit", text)
    return text.replace("°", " degrees ")


def number_words(number: int) -> str:
    """A whole number below a million million in words, without "and"."""
    if number < 20:
        return ONES[number]
    if number < 100:
        return TENS[number // 10] + (f" {ONES[number % 10]}" if number % 10 else "")
    for size, name in ((10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred")):
        if number >= size:
            rest = f" {number_words(number % size)}" if number % size else ""
            return f"{number_words(number // size)} {name}{rest}"
    raise AssertionError(number)


def _words(text: str, language: str) -> list[str]:
    if language == "en":
        return normalised(text).split()
    text = _TAG.sub(" ", unicodedata.normalize("NFKC", text).lower())
    # letters, their marks (Hindi's vowels) and digits
    plain = "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in text)
    return list("".join(plain.split())) if language in _WITHOUT_SPACES else plain.split()


def _digits(found: re.Match[str]) -> str:
    digits = found.group(0).replace(",", "")
    if len(digits) == 4 and digits[0] in "12" and "," not in found.group(0) and digits[1:3] != "00":
        # a year, read in two halves
        low = int(digits[2:])
        tail = "hundred" if not low else (f"o {ONES[low]}" if low < 10 else number_words(low))
        return f" {number_words(int(digits[:2]))} {tail} "
    if len(digits) > 9 or (len(digits) > 1 and digits[0] == "0"):
        return " " + " ".join(ONES[int(d)] for d in digits) + " "
    return f" {number_words(int(digits))} "


def _word(word: str) -> str:
    if word in ORDINALS:
        return ORDINALS[word]
    if word.endswith("ieth") and word[:-4] + "y" in TENS:
        return word[:-4] + "y"
    if word.endswith("th") and word[:-2] in ONES:
        return word[:-2]
    for british, american in AMERICAN:
        word = re.sub(british, american, word)
    return SPELT.get(word, word)
