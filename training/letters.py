"""How nano reads capitals that are no words: letters by name (FBI, DVDs, X-ray), Roman numbers.

Other words in capitals are said with weight (training.manner).
"""

from __future__ import annotations

from collections.abc import Iterator

from training.numerals import Rule, behind, with_ending

NAMES = {  # as nano says them best
    "A": "ay", "B": "bee", "C": "see", "D": "dee", "E": "ee", "F": "eff", "G": "gee", "H": "aych", "I": "eye",
    "J": "jay", "K": "kay", "L": "el", "M": "em", "N": "en", "O": "oh", "P": "pee", "Q": "cue", "R": "are",
    "S": "ess", "T": "tee", "U": "you", "V": "vee", "W": "double-you", "X": "ex", "Y": "why", "Z": "zee",
}  # fmt: skip
LETTERED = """
    ABC ADHD AI AKA API ATM AWS BA CEO CFO CIA CPU CTO DIY DNA EKG EPA ESPN EU FAQ FBI FYI GPA GPU HBO HIV IBM
    ICU ID IMF IOU IP IPO IQ IRS ISBN ISP LGBTQ MBA MIT NBA OCR RNA SUV UAE UCLA UFO UI UK UN URL USA USB USSR
    UV UX VIP NY NYC NYPD LAPD
"""  # the ones with vowels; those without are known by that
AMONG_SMALL = "US LED UPS LA"  # so, too, but words among others in capitals
SAID = """
    PM MR MRS MS DR ST VS TH ND RD
    SH SHH SHHH HM HMM HMMM MM MMM MMMM BRR BRRR PST PSST GRR GRRR TSK PFFT ZZ ZZZ
"""  # without vowels, and not by letters
KINGS = """
    Alexander Benedict Catherine Charles Edward Elizabeth Francis Frederick George Gustav Henry James Leo
    Louis Mary Napoleon Nicholas Otto Paul Peter Philip Pius Richard Robert Wilhelm William
"""
ROMAN_ONES = ("", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX")
MARKS = {letter: chr(0xE010 + i) for i, letter in enumerate(NAMES)}  # of a letter to be named, in no text
MOST = 5  # letters of a word without vowels
NAME = 12  # letters of someone's

LETTER = r"[^\W\d_]"
START, END = r"(?<![\w'])", rf"(?='?s?(?!{LETTER}))"
# words that begin a sentence, and no name behind an initial
BEGINS = """
    A An And As At But For He Her His I If In It Its My On Our She So That The Then There These They This
    Those To We What When Where Who Why You Your
"""
NO_BEGIN = rf"(?!(?:{'|'.join(BEGINS.split())})\b)(?=\w)"


def dotted() -> Iterator[Rule]:
    """U.S. army, J.R.R. Tolkien: letters by name. The dot behind them goes, but at a sentence's end."""
    marks = "".join(MARKS.values())
    for letter, mark in MARKS.items():
        first = rf"(?<=\A|[^\w']){letter}\.(?=[{marks}]|[A-Z](?!{LETTER}))"
        last = rf"(?:(?<=[^\w'][A-Z]\.|\A[A-Z]\.)|(?<=[{marks}])){letter}(?!{LETTER})"
        yield f"{first}|{last}", mark
    yield rf"(?<=[{marks}])\.(?= {NO_BEGIN})", ""


def initials() -> Iterator[Rule]:
    """J. K. Rowling -> J K Rowling, George W. Bush -> George W Bush; not Plan B. The next."""
    named = (rf"{start}[A-Z][a-z]{{{n}}} [A-Z]" for n in range(1, NAME) for start in (r"\A", r"\W"))
    yield r"(?<=\A[A-Z]|[^\w'][A-Z])\.(?= [A-Z]\.)", ""
    yield behind(r"\A[A-Z]", r"\W[A-Z] [A-Z]", *named) + rf"\.(?= {NO_BEGIN}[A-Z])", ""


def romans() -> Iterator[Rule]:
    """World War II -> World War 2, Henry VIII -> Henry the 8th; not I, V and X, and not an IV drip."""
    of_kings = behind(*(f"{king} " for king in KINGS.split()))
    named = "(?<!The )" + behind(*(rf"[A-Z][a-z]{{{n}}} " for n in range(2, NAME)))
    for number in range(2, 22):
        roman = "X" * (number // 10) + ROMAN_ONES[number % 10]
        if len(roman) > 1:
            certain = START if len(roman) > 2 or roman == "II" else named
            yield rf"{of_kings}{roman}(?!\w)", f"the {with_ending(number)}"
            yield rf"{certain}{roman}(?![\w'])", str(number)


def lettered() -> Iterator[Rule]:
    """FBI -> eff bee eye, UFOs -> you eff ohs; US among words in small letters."""
    for word in SAID.split():
        yield rf"{START}{word}(?!\w)", word.lower()
    for words, before, after in (
        (LETTERED, "", ""),
        (AMONG_SMALL, "(?<![A-Z] |[Ll]a |[Ll]a, )", "(?! [A-Z]{2})"),
    ):
        for word in words.split():
            yield rf"{before}{START}{word}{END}{after}", " ".join(NAMES[letter] for letter in word)


def without_vowels() -> Iterator[Rule]:
    """DVDs -> dee vee dees, HTML -> aych tee em el; X-ray -> ex-ray, 3D -> 3 dee."""
    plain = "".join(letter for letter in NAMES if letter not in "AEIOUY")
    either = plain + "".join(MARKS[letter] for letter in plain)
    for letter in plain:
        places = [rf"{START}{letter}(?=[{either}]{{1,{MOST - 1}}}{END})"]
        for n in range(1, MOST):
            before = behind(rf"\A[{either}]{{{n}}}", rf"[^\w'{either}][{either}]{{{n}}}")
            places.append(rf"{before}{letter}(?=[{either}]{{0,{MOST - 1 - n}}}{END})")
        yield "|".join(places), MARKS[letter]
    for letter in NAMES:
        if letter not in "AIO":
            yield rf"(?<!{LETTER}|'){letter}(?!{LETTER}|')", MARKS[letter]
    yield rf"(?<!{LETTER}|')A(?=-?\d)", MARKS["A"]
    for letter, name in NAMES.items():
        yield MARKS[letter], f" {name}"


def rules() -> list[Rule]:
    """All of them, in order."""
    parts = (dotted, initials, romans, lettered, without_vowels)
    return [rule for part in parts for rule in part()]
