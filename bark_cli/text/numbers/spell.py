"""A text with digits -> the same in words, by num2words2 (LGPL-2.1), in Bark's 13 languages.

Read are whole numbers, decimals, years, decades, ordinals that their writing tells, percent, euros, dollars
and pounds, times of the day, ranges, the Roman numerals of chapters, and common abbreviations. What is not
understood (1.2.3, 3/4/20, 2020-01-05, B52, a number of more than 15 digits) stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from importlib.util import find_spec

from bark_cli.errors import OptionError
from bark_cli.text.numbers import abbreviations
from bark_cli.text.numbers import words as w

_LANGUAGES = frozenset(w.PERCENT)
_LETTER = "A-Za-zÀ-ɏͰ-ӿ"  # of scripts that put spaces between words
_TOKEN = re.compile(
    r"(?P<minus>(?<![^\s(])[-−])?"
    rf"(?:(?<![{_LETTER}])(?P<sign>[$€£])\s?|(?<![{_LETTER}\d.,:/_#@$€£])(?<!\d-)(?<![$€£][-\s]))"
    rf"(?P<number>\d+(?:[.,:/'\u00a0\u202f]\d+)*)(?!-\d)(?P<rest>\s?%|\s?[$€£])?(?![{_LETTER}\d_]|[.,:/]\d)"
)
_GROUPED = re.compile(r"(?<![\d.,])\d{1,3}(?: \d{3})+(?!\d)")
_RANGE = re.compile(r"(?<=\d)\s?–\s?(?=\d)")
_HYPHENED = re.compile(
    r"(?<![\w.,:/-])(\d+(?:[.,:]\d+)?)-(\d+(?:[.,:]\d+)?)(?![\w/-]|[.,:]\d)"
)  # a range, or a telephone's number
_DECADE = re.compile(r"\b((?:1[1-9]|20)\d0)['’]?s\b")
_ROMAN = "(?=[IVXLC])(?:X[LC]|L?X{0,3})(?:I[VX]|V?I{0,3})"
_ONLY_ROMAN = re.compile(rf"({_ROMAN})(?=\.?\s*$)|({_ROMAN})(?=\. \w)")
_PRONOUN = re.compile(r"\s+(?!(?:of|and|or|to|is|in|on|by|from)\b)[a-z]")  # what follows the English I
_CAPITAL = re.compile(r"\s+[^\W\d_a-z]")
_SENTENCE_END = re.compile(r"[.!?…][\"”’)]?\s*$")
_LONGEST_HEADING = 70  # characters
_MOST_DIGITS = 15
_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}


def check_speller() -> None:
    """Find out whether numbers can be spelled here.

    Raises:
        OptionError: num2words2 is not installed.
    """
    if find_spec("num2words2") is None:
        raise OptionError("--read-numbers needs num2words2: pip install 'bark-cli[numbers]'")


def spell_numbers(text: str, language: str | None) -> str:
    """The text in words; None is English, and a language that is not one of Bark's keeps its digits."""
    language = re.split("[-_]", (language or "en").lower())[0]  # en-US is en
    if language not in _LANGUAGES:
        return text
    text = _chapters(_abbreviations(text, language), language)
    if not re.search(r"\d", text):
        return text
    if language in w.SAID_ALREADY:
        text = re.sub(*w.SAID_ALREADY[language], text)
    text = _ordinals(text, language)
    if language in w.SPACED:
        text = _GROUPED.sub(lambda found: found[0].replace(" ", "\u202f"), text)
    text = _HYPHENED.sub(_ranged, text)
    if language in w.TO:
        text = _RANGE.sub(f" {w.TO[language]} ", text)
    return _TOKEN.sub(lambda found: _spelled(found, language), text)


def _said(value: int | Decimal, language: str, to: str = "cardinal", **more: str) -> str:
    from num2words2 import num2words

    return str(num2words(value, lang=language, to=to, **more))  # type: ignore[no-untyped-call]


def _spelled(found: re.Match[str], language: str) -> str:
    number, rest = found["number"], (found["rest"] or "").strip()
    if len(number) > _MOST_DIGITS + 5:
        return found[0]
    after = found.string[found.end() : found.end() + 20]
    if ":" in number:
        return _time(number, language) if not (found["sign"] or rest) else found[0]
    value = _value(number, language)
    if value is None:
        return found[0]
    minus = "-" if found["minus"] else ""
    money = found["sign"] or (rest if rest in w.CURRENCIES else "")
    if money:
        if language not in w.HAVE_CURRENCIES or re.match(rf"\s?{w.SCALES}", after):
            return found[0]
        sum_ = value if value % 1 else int(value)
        return _said(-sum_ if minus else sum_, language, "currency", currency=w.CURRENCIES[money])
    if number.isdecimal() and not minus:
        words = _whole(number, language, after)
    else:
        words = _said(Decimal(f"{minus}{value}") if value % 1 else int(f"{minus}{int(value)}"), language)
    return w.PERCENT[language].format(words) if rest == "%" else words


def _ranged(found: re.Match[str]) -> str:
    """10-20, 1914-18 and 1.5-2.5 as ranges; 555-1234 is none, nor is 747-400, which does not rise."""
    first, last = found[1], found[2]
    if not (first.isdecimal() and last.isdecimal()):
        is_alike = re.sub(r"\d", "", first) == re.sub(r"\d", "", last)
        return f"{first}–{last}" if is_alike else found[0]
    alike = len(first) == len(last) == 4 or max(len(first), len(last)) < 4
    is_range = (alike and int(first) < int(last)) or (len(first), len(last)) == (4, 2)
    return f"{first}–{last}" if is_range else found[0]


def _whole(number: str, language: str, after: str) -> str:
    """Digits without any sign between them: a number, a year, or digit by digit where it begins with 0."""
    value = int(number)
    if len(number) > 1 and number[0] in "0０०":
        joint = "" if language in ("ja", "zh") else " "
        return joint.join(_said(int(digit), language) for digit in number)
    if language == "zh" and len(number) == 4 and after.startswith("年"):
        return _said(value, language, "year").removesuffix("年")
    years_end = {"en": 2100, "de": 2000}.get(language, 0)  # the first that is said as any number
    if len(number) == 4 and 1100 <= value < years_end:
        return _said(value, language, "year")
    return _said(value, language)


def _value(number: str, language: str) -> Decimal | None:
    """What is written, with the language's separators; None if they do not say a number."""
    group, point = (",", ".") if language in w.POINT else (".", ",")
    whole, has_point, part = re.sub("['\u00a0\u202f]", group, number).partition(point)
    groups = whole.split(group)
    widths = (2, 3) if language == "hi" else (3,)
    if len(groups) > 1 and (len(groups[0]) > 3 or any(len(one) not in widths for one in groups[1:])):
        return None
    digits = "".join(groups)
    if not digits.isdecimal() or (has_point and not part.isdecimal()) or len(digits) > _MOST_DIGITS:
        return None
    return Decimal(f"{int(digits)}.{part}" if has_point else int(digits))


def _time(number: str, language: str) -> str:
    """10:30; what is no time of the day stays."""
    if not (found := re.fullmatch(r"(\d{1,2}):(\d\d)", number)):
        return number
    hour, minute = int(found[1]), int(found[2])
    if hour > 24 or minute > 59:
        return number
    hours, minutes = _said(hour, language), _said(minute, language)
    if language == "en":
        minutes = "o'clock" if minute == 0 else f"oh {minutes}" if minute < 10 else minutes
    elif minute == 0:
        return f"{hours} {w.FULL_HOUR[language]}" if language in w.FULL_HOUR else hours
    return w.CLOCK.get(language, "{} {}").format(hours, minutes)


def _ordinals(text: str, language: str) -> str:
    if language == "en":
        text = _DECADE.sub(lambda found: _plural(_said(int(found[1]), "en", "year")), text)
    if language == "de":
        return re.sub(w.GERMAN_ORDINAL, _german, text)
    if language in w.ORDINALS:
        pattern = rf"(?<![{_LETTER}\d.,:/]){w.ORDINALS[language]}"
        return re.sub(pattern, lambda found: _ordinal(found, language), text)
    return text


def _ordinal(found: re.Match[str], language: str) -> str:
    words = _said(int(found[1]), language, "ordinal")
    return "première" if words == "premier" and found[0].endswith(("re", "res")) else words


def _german(found: re.Match[str]) -> str:
    before = found["before"] or ""
    ending = "n" if before.strip().lower() not in ("", "der") else ""
    return f"{before}{_said(int(found['number']), 'de', 'ordinal')}{ending} "


def _plural(words: str) -> str:
    return f"{words[:-1]}ies" if words.endswith("y") else f"{words}s"


def _chapters(text: str, language: str) -> str:
    """Roman numerals after a word such as chapter, and those that a heading begins with or is."""

    def said(roman: str) -> str:
        return _said(_roman(roman), language)

    def numbered(found: re.Match[str]) -> str:
        if language == "en" and _is_letter(found):
            return found[0]
        return f"{found[1]}{found[2]}{said(found[3])}"

    if language in w.CHAPTERS:
        pattern = rf"(?i:\b({w.CHAPTERS[language]}))(\s+)({_ROMAN})(?![\w'’-]|\.\d)"
        text = re.sub(pattern, numbered, text)
    heading = _ONLY_ROMAN.match(text)
    if heading and len(text) <= _LONGEST_HEADING:
        roman = heading[1] or heading[2]
        is_initial = len(roman) == 1 and heading[1] is None and _SENTENCE_END.search(text)
        if len(roman) > 1 or (roman in "IVX" and not is_initial):
            return said(roman).capitalize() + text[heading.end() :]
    return text


def _is_letter(found: re.Match[str]) -> bool:
    """Whether what follows a word such as part is no number: the best part I saw, the letter X."""
    word, numeral = found[1], found[3]
    if len(numeral) > 1:
        return False
    if word.islower() and (numeral == "I" or word == "letter"):
        return True
    return numeral == "I" and _PRONOUN.match(found.string, found.end()) is not None


def _roman(numeral: str) -> int:
    values = [_VALUES[sign] for sign in numeral]
    pairs = zip(values, [*values[1:], 0], strict=True)
    return sum(-value if value < following else value for value, following in pairs)


def _abbreviations(text: str, language: str) -> str:
    for pattern, said in _patterns(language):
        text = pattern.sub(said, text)
    return text


@cache
def _patterns(language: str) -> list[tuple[re.Pattern[str], Callable[[re.Match[str]], str]]]:
    """What finds the abbreviations of a language, and what is said for them."""
    found = []
    for known, after in (
        (abbreviations.BEFORE_NUMBERS.get(language, {}), r"(?=\s?\d)"),
        (abbreviations.WORDS.get(language, {}), r"(?P<last>(?=\s*$|\s+[A-ZÀ-ÞĄ-ŽЀ-Я]))?(?!\w)"),
    ):
        if known:
            longest_first = sorted(known, key=len, reverse=True)
            either = "|".join(re.escape(one).replace(r"\ ", r"\s?") for one in longest_first)
            pattern = re.compile(rf"(?<![\w.])(?P<short>{either}){after}")
            found.append((pattern, _expansion({"".join(k.split()): v for k, v in known.items()})))
    return found


def _expansion(known: dict[str, str]) -> Callable[[re.Match[str]], str]:
    last = {"".join(one.split()) for one in abbreviations.LAST}

    def said(found: re.Match[str]) -> str:
        short = "".join(found["short"].split())
        if short in abbreviations.BEFORE_NAMES and not _CAPITAL.match(found.string, found.end()):
            return found[0]
        is_end = short in last and found.groupdict().get("last") is not None
        return known[short] + "." * is_end

    return said
