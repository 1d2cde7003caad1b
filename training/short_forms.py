"""How nano reads short forms and signs: Prof. and e.g., &, #1, e-mail addresses, dates, telephone numbers."""

from __future__ import annotations

from collections.abc import Iterator

from training.numerals import DECIMALS, Rule, behind, with_ending

MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
TITLES = {  # before a name
    "Prof": "Professor", "Capt": "Captain", "Gen": "General", "Sgt": "Sergeant", "Lt": "Lieutenant",
    "Col": "Colonel", "Rev": "Reverend", "Sen": "Senator", "Gov": "Governor", "Mt": "Mount", "Ft": "Fort",
}  # fmt: skip
ADDRESSES = {"Ave": "Avenue", "Blvd": "Boulevard", "Rd": "Road", "Ln": "Lane", "St": "Street"}
WORDS = {
    r"e\.g\.,?": "for example,",
    r"i\.e\.,?": "that is,",
    r"etc\.(?= [a-z]|[,;:!?)])": "et cetera",
    r"etc(?=\.|\z)": "et cetera",
    r"[vV]s\.?(?!\w)": "versus",
    r"[aA]pprox\.": "approximately",
    r"[dD]ept\.": "department",
    r"Ltd\.?(?!\w)": "Limited",
    r"Corp\.": "Corporation",
    r"Jr\.?(?!\w)": "Junior",
    r"No\. ?(?=\d)": "number ",
    r"[pP]p\. ?(?=\d)": "pages ",
    r"[pP]\. ?(?=\d)": "page ",
    r"[vV]ol\. ?(?=\d)": "volume ",
    r"[fF]ig\. ?(?=\d)": "figure ",
    r"w/o(?!\w)": "without",
    r"w/(?= )": "with",
}
SIGNS = {
    "&amp;": "&",
    r"AT&T": "ay tee and tee",
    "&": " and ",
    "℃": "°C",
    "℉": "°F",
    r"(?<=\b[CF])#": " sharp",
    r"#(?=\d)": "number ",
    r"#(?=[A-Za-z])": "hashtag ",
    r"[~≈] ?(?=[$£€]?\d)": "about ",
    "±": " plus or minus ",
    "÷": " divided by ",
    r"=+": " equals ",
    r"\+": " plus ",
    r"(?<![\d.,])1 ?¢": "1 cent",
    r"(?<=\d) ?¢": " cents",
}
TOP_LEVEL = "com|org|net|edu|gov|info|io|ai|app|dev|uk|eu|fr|nl|ch|ca|au|jp|cn|co(?=\\.)"  # that are no words
NAME = 15  # letters of a street's
GROUP = "\ue02a"  # what stands between the groups of a telephone number, in no text


def addresses() -> Iterator[Rule]:
    """https://www.example.com -> example dot com, me@example.com -> me at example dot com."""
    yield r"(?<!\w)https?://", ""
    yield r"(?<!\w)www\.(?=\w)", ""
    yield rf"(?<=[a-z0-9])\.(?=(?:{TOP_LEVEL})\b)", " dot "
    yield r"(?<=\w)@(?=\w)", " at "


def dates() -> Iterator[Rule]:
    """2026-11-24 -> 2026 November 24th, Nov. 24 -> November 24; a T before the time of day goes."""
    year = r"\b\d{4}-"
    yield r"(?<=\d{4}-\d\d-\d\d)T(?=\d\d:\d\d)", " "
    for day in range(1, 32):
        yield rf"(?<={year}0[1-9]|{year}1[0-2])-{day:02}(?![\d-])", f" {with_ending(day)}"
    for number, month in enumerate(MONTHS, 1):
        yield rf"(?<=\b\d{{4}})-{number:02}(?= \d+[a-z])", f" {month}"
        short = "Sept?" if month == "September" else month[:3]
        if month != "May":
            yield rf"\b{short}\.? (?=\d)", f"{month} "


def telephone() -> Iterator[Rule]:
    """555-1234, (212) 555-1234, 212-555-1234 -> digit by digit, with a comma between the groups.

    200-1500 is no such number.
    """
    begun = (r"\A\d{3}", r"[^\w.,-]\d{3}")
    yield behind(*(f"{before[:-5]}\\d\\d0" for before in begun)) + r"-(?=\d\d00(?![-\w]))", " to "
    yield behind(*begun, r"\d{3}[-. )]\d{3}") + r"-(?=\d{4}(?![-\w]))", GROUP
    yield behind(r"\d{3}\.\d{3}") + r"\.(?=\d{4}(?![-\w]))", GROUP
    yield rf"\((?=\d{{3}}\) ?\d{{3}}{GROUP})", ""
    yield rf"(?<=\d{{3}})(?:\) ?|[-. ])(?=\d{{3}}{GROUP})", GROUP
    known = rf"[\d{DECIMALS[0]}-{DECIMALS[-1]}]"
    after = behind(*(GROUP + known * n for n in range(4)))
    for digit, mark in enumerate(DECIMALS):
        yield rf"{digit}(?={known}{{0,2}}{GROUP})|{after}{digit}", mark
    yield GROUP, ", "


def words() -> Iterator[Rule]:
    """Prof. Stone -> Professor Stone, Main St. -> Main Street, St. Mary -> Saint Mary, vs. -> versus."""
    numbered = behind(*(rf"\d [A-Z][a-z]{{{n}}} " for n in range(1, NAME)), r"\d(?:st|nd|rd|th) ")
    named = behind(*(rf"[A-Z][a-z]{{{n}}} " for n in range(1, NAME)))
    for short, word in ADDRESSES.items():
        goes_on = "(?! [A-Z])" if short == "St" else ""  # in St. Louis
        yield rf"{numbered}{short}\.(?!\z)|{named}{short}\.{goes_on}(?!\z)", word
        yield rf"{named}{short}(?=\.\z)|{numbered}{short}(?=\.\z)", word
    yield r"(?<!\w)St\. ?(?=[A-Z])", "Saint "
    for short, title in TITLES.items():
        yield rf"(?<!\w){short}\.(?= [A-Z])", title
    for short, word in WORDS.items():
        yield rf"(?<!\w){short}", word


def rules() -> list[Rule]:
    """All of them, in order."""
    parts = (addresses, dates, telephone, words, SIGNS.items)
    return [rule for part in parts for rule in part()]
