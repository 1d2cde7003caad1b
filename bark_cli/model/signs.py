"""Marks that a tokenizer may not know, by what may stand for them; raised and lowered numbers."""

from __future__ import annotations

import re

HYPHENS = "\u2010\u2011\u00ad\ufe63\uff0d"  # of which the soft one is only seen where a line ends
DASHES = "\u2012\u2013\u2014\u2015\u2212\ufe58"
APOSTROPHES = "\u2018\u2019\u201a\u201b\u02bb\u02bc\u02bd\u02b9\u2032\uff07\u00b4\u2039\u203a\ua78c"
QUOTES = "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb\uff02\u300c\u300d\u300e\u300f"
MUTE = "¿¡"  # they only announce what stands at the other end of the sentence
SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱ", "0123456789+-=()ni")
SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎", "0123456789+-=()")


_RAISED_NAMES = "sin cos tan cot sec csc sinh cosh tanh log exp lim min mol rad bar deg inch kWh dB ohm Ohm "
_HAVE_POWERS = frozenset(_RAISED_NAMES.split())


def raised(number: str, before: str) -> str | None:
    """A raised number as it stands on the line, behind the text `before`; None where it marks a footnote.

    A sign is of a power or of an ion, as is all that is behind a number below the line: SO₄²⁻, mol⁻¹, Ca²⁺.
    """
    word = re.search(r"[^\W\d_]*$", before)
    if not before or before[-1].isspace() or before[-1] in ".,;:!?\"'”’":
        return None
    is_named = word is None or len(word[0]) < 3 or word[0] in _HAVE_POWERS or word[0][-1] in "₀₁₂₃₄₅₆₇₈₉"
    return number.translate(SUPERSCRIPTS) if is_named or {*number} & {*"⁺⁻"} else None
