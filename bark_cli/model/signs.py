"""Signs that a tokenizer may not know -> how they are written in letters, as an English reader says them."""

from __future__ import annotations

import re
import unicodedata

HYPHENS = "\u2010\u2011\u00ad\ufe63\uff0d"  # of which the soft one is only seen where a line ends
DASHES = "\u2012\u2013\u2014\u2015\u2212\ufe58"
APOSTROPHES = "\u2018\u2019\u201a\u201b\u02bb\u02bc\u02bd\u02b9\u2032\uff07\u00b4\u2039\u203a\ua78c"
QUOTES = "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb\uff02\u300c\u300d\u300e\u300f"
MUTE = "¿¡"  # they only announce what stands at the other end of the sentence
SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱ", "0123456789+-=()ni")
SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎", "0123456789+-=()")
WORDS = {
    **{"≠": "not equal to", "≤": "less than or equal to", "≥": "greater than or equal to"},
    **{"⩽": "less than or equal to", "⩾": "greater than or equal to", "≈": "about", "≅": "about"},
    **{"×": "times", "÷": "divided by", "±": "plus or minus", "∓": "minus or plus", "√": "square root of"},
    **{"∑": "sum of", "∏": "product of", "∫": "integral of", "∞": "infinity", "∝": "proportional to"},
    **{"∈": "in", "∉": "not in", "∋": "contains", "∅": "empty set", "∧": "and", "∨": "or", "¬": "not"},
    **{"∀": "for all", "∃": "there exists", "∄": "there does not exist", "∴": "therefore", "∵": "because"},
    **{"→": "to", "←": "from", "↔": "to and from", "⇒": "implies", "⇔": "if and only if", "↦": "maps to"},
    **{"⟶": "to", "➔": "to", "➜": "to", "➡": "to", "↑": "up", "↓": "down"},
    **{"°": "degrees", "‰": "per thousand", "‱": "per ten thousand", "§": "section", "¶": "paragraph"},
    **{"©": "copyright", "®": "registered", "™": "trademark", "℠": "service mark", "№": "number"},
    **{"µ": "micro", "∆": "delta", "∂": "partial", "∇": "nabla", "⋅": "times", "∙": "times", "∘": "of"},
}
_MONEY = {
    **{"€": "euros", "£": "pounds", "¥": "yen", "￥": "yen", "₹": "rupees", "₽": "roubles", "₩": "won"},
    **{
        "₿": "bitcoins",
        "₺": "liras",
        "₴": "hryvnias",
        "₪": "shekels",
        "₫": "dong",
        "₱": "pesos",
        "₦": "naira",
    },
    **{
        "¢": "cents",
        "￠": "cents",
        "￡": "pounds",
        "฿": "baht",
        "₸": "tenge",
        "₡": "colones",
        "₲": "guaranis",
    },
}
_MICRO = {"m": "meters", "g": "grams", "s": "seconds", "l": "liters", "L": "liters", "A": "amperes"}
_MICRO |= {"V": "volts", "W": "watts", "F": "farads", "M": "molar"}


def power(digits: str, before: str) -> str | None:
    """What a raised number says behind the text `before`; None where it is a footnote's mark."""
    plain = digits.translate(SUPERSCRIPTS)
    word = re.search(r"[^\W\d_]*$", before)
    if not before or before[-1].isspace() or (word and len(word[0]) > 2) or before[-1] in ".,;:!?\"'”’":
        return None
    named = {"2": "squared", "3": "cubed"}.get(plain)
    return f" {named} " if named else f" to the power of {plain.replace('-', 'minus ').replace('+', '')} "


def money(sign: str) -> str:
    """The name of a currency, by its sign."""
    return _MONEY.get(sign) or unicodedata.name(sign, "").lower().removesuffix(" sign")


def micro(unit: str) -> str:
    """A millionth of a unit that is written as one letter."""
    return f" micro{_MICRO.get(unit, unit)} "


def letter_name(letter: str) -> str:
    """The name of a Greek letter that stands by itself, as in α: alpha."""
    words = unicodedata.name(letter, "").lower().partition(" with ")[0].split()
    return words[-1] if words else ""


def word_of(sign: str) -> str | None:
    """How a sign is said; None if it has no name that anyone would say."""
    if sign in WORDS:
        return WORDS[sign]
    kind = unicodedata.category(sign)
    if kind == "Sc":
        return money(sign)
    if kind != "Sm":
        return None
    name = unicodedata.name(sign, "").lower().replace("-", " ")
    return re.sub(r"\b(?:n ary |sign|operator)\b", "", name).strip() or None
