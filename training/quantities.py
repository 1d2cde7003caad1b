"""How nano reads what is counted: money, units, degrees, fractions, minus, the time of day.

Rules as in training.numerals, for what stands around the digits; the digits are read after them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from training.numerals import GROUPS, LAST, Rule, behind

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
CURRENCIES = {  # where the cents begin (like what is below, it is in no text), words for one and for many
    "$": ("\ue00a", "dollar", "dollars", "cent", "cents"),
    "£": ("\ue00b", "pound", "pounds", "penny", "pence"),
    "€": ("\ue00c", "euro", "euros", "cent", "cents"),
}
UNITS = {  # behind a number, words for one and for many
    "km/h|kph|kmh": ("kilometer per hour", "kilometers per hour"),
    "mph": ("mile per hour", "miles per hour"),
    "km": ("kilometer", "kilometers"),
    "cm": ("centimeter", "centimeters"),
    "mm": ("millimeter", "millimeters"),
    "m": ("meter", "meters"),
    "ft": ("foot", "feet"),
    "mi": ("mile", "miles"),
    "kg": ("kilogram", "kilograms"),
    "mg": ("milligram", "milligrams"),
    "g": ("gram", "grams"),
    "lbs?": ("pound", "pounds"),
    "oz": ("ounce", "ounces"),
    "ml|mL": ("milliliter", "milliliters"),
    "l": ("liter", "liters"),
    "L": ("liter", "liters"),
    "KB|kB": ("kilobyte", "kilobytes"),
    "MB": ("megabyte", "megabytes"),
    "GB": ("gigabyte", "gigabytes"),
    "TB": ("terabyte", "terabytes"),
    "Hz": ("hertz", "hertz"),
    "kHz": ("kilohertz", "kilohertz"),
    "MHz": ("megahertz", "megahertz"),
    "GHz": ("gigahertz", "gigahertz"),
    "kWh": ("kilowatt hour", "kilowatt hours"),
    "kW": ("kilowatt", "kilowatts"),
    "W": ("watt", "watts"),
    "V": ("volt", "volts"),
    "hrs?|h": ("hour", "hours"),
    "mins?": ("minute", "minutes"),
    "secs?": ("second", "seconds"),
    "ms": ("millisecond", "milliseconds"),
}
LENGTHS, POWERS = ("km", "cm", "m", "ft"), (("²", "square "), ("³", "cubic "))


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
        yield rf"{amount} ?{letter}\b", f" {group}"
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
    """-4 -> minus 4, and of any other minus sign and of – a dash."""
    yield rf"(?<!\d )(?<![^\s(\"'“‘])[-−–](?=[{''.join(CURRENCIES)}]?\.?{NUMBER})", "minus "
    yield "[−–]", "—"


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


def units() -> Iterator[Rule]:
    """5 km -> 5 kilometers, 1 kg -> 1 kilogram, 3 m² -> 3 square meters."""
    for unit, (one, many) in UNITS.items():
        for power, word in (*(POWERS if unit in LENGTHS else ()), ("", "")):
            street = r"(?!\.? ?[A-Z\d])" if len(unit) == 1 and unit.isupper() else ""  # 350 W 42nd
            here = rf"[ \u00a0]?(?:{unit}){power}(?![\w²³/'’]){street}"
            yield rf"(?<![\d.,:])1{here}", f"1 {word}{one}"
            yield rf"(?<={NUMBER}){here}", f" {word}{many}"


def grouped() -> Iterator[Rule]:
    """1 500 000, $1 500 -> 1,500,000, $1,500; three rooms 101 102 103 stay three."""
    group = r"\d{3}(?!\d)"
    yield rf"(?<=\d)[\u00a0\u2009\u202f](?={group})", ","
    money = behind(*(rf"[{''.join(CURRENCIES)}]\d{{{n}}}" for n in (1, 2, 3)))
    yield rf"{money} (?={group})", ","
    first = behind(*(rf"[^\d.,-]\d{{{n}}}" for n in (1, 2, 3)), *(rf"\A\d{{{n}}}" for n in (1, 2, 3)))
    yield rf"{first} (?=(?:\d{{3}} ){{0,2}}000(?!\d))", ","
    yield rf"(?<=,\d{{3}}) (?={group})", ","


def slashed() -> Iterator[Rule]:
    """3/4 -> 3 quarters, 2 1/2 -> 2 and 1 half; 1/2/2024 is a date and 9/11 a day."""
    for whole, part in PARTS.items():
        for some in range(1, whole):
            fraction = rf"(?<![\d/.,]){some}/{whole}(?![\d/])"
            words = f"{some} {part}{'s' if some > 1 else ''}"
            yield rf"(?<=\d) {fraction}", f" and {words}"
            yield fraction, words


def ranges() -> Iterator[Rule]:
    """3-4 -> 3 to 4, 5−3 -> 5 minus 3, 3 x 4 -> 3 by 4; a date's or a telephone's hyphens are gone before."""
    for digits in range(1, 5):
        alone = behind(rf"[^\d.,-]\d{{{digits}}}", rf"\A\d{{{digits}}}")
        yield rf"{alone}[-–](?=\d{{{digits},5}}(?![\d-]))", " to "
    yield r"(?<=\d) ?− ?(?=\d)", " minus "
    yield r"(?<=\d) ?[x×] ?(?=\d)", " by "


def rules() -> list[Rule]:
    """All of them, in order."""
    parts = (grouped, ranges, minus, amounts, units, signs)
    return [rule for part in parts for rule in part()]
