"""Text (str) -> where its paragraphs and sentences end (offsets), in Bark's 13 languages.

sentencex (Wikimedia) proposes the ends; what it takes for one and is not (an abbreviation, an ordinal,
a quotation with its speaker to come) is struck out again. Too few ends do less harm than one too many.
"""

from __future__ import annotations

import re

LANGUAGES = ("en", "de", "es", "fr", "hi", "it", "ja", "ko", "pl", "pt", "ru", "tr", "zh")

# what does not end a sentence though a full stop follows, without that stop, in small letters
_ANYWHERE = "dr mr mrs ms prof st vs no nr fig vol cf ca e.g i.e"
_ABBREVIATIONS = {
    language: frozenset(f"{_ANYWHERE} {words}".split())
    for language, words in {
        "en": "jr sr rev gen col capt lt sgt hon gov sen rep pres mt ft ch p pp ed approx dept est messrs",
        "de": "hr fr frl str bzw bspw d.h z.b u.a v.a s bd abs art kap tel geb gest evtl ggf inkl vgl z b hl",
        "es": "sr sra srta srs dra d dña ud uds av avda núm pág págs art cap ej p.ej gral lic ing sta sto",
        "fr": "m mm mme mmes mlle mlles me mgr p pp art chap h env av bd boul c.-à-d ex éd tél ste",
        "hi": "डॉ श्री पं प्रो सु कु स्व श्रीमती मो रु कि.मी ई",
        "it": "sig sigg sig.ra sig.na dott avv ing arch geom rag on pag pagg art cap tel ecc es p.es",
        "ja": "",
        "ko": "",
        "pl": "godz ul al pl p s str r w tj tzn np im św mgr hab red tys mln mld zł gr zob por ks gen płk",
        "pt": "sr sra srta srs dra d av r exmo exma ilmo profa eng arq pág págs art cap ex p.ex tel sto sta",
        "ru": "г гг ул д стр см т.е т.д т.п им проф руб коп тыс млн млрд пр пл рис обл р-н гл св др напр тов",
        "tr": "av doç yrd bkz vb vs s sn sok cad mah apt ör alb gen org yy hz",
        "zh": "",
    }.items()
}
# before an ordinal such as "3." a German or Polish reader has seen one of these
_GERMAN = "am der die das dem den des im vom zum zur beim ein eine ab seit bis und oder jeder jede jedes"
_POLISH = "do od na w z po przed"
_BEFORE_ORDINAL = frozenset(f"{_GERMAN} {_POLISH}".split())
_WITH_ORDINALS = ("de", "pl", "tr")
_WINDOW = 1000  # characters; sentencex takes time as their square where quotation marks are never closed
_OPENING = "\"'“”„‟‘’‚«»‹›([{¿¡「『（《〈【—–- "
_CLOSING_QUOTES = "\"'”’»›」』）】》〉"
_WIDE = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]")  # Chinese and Japanese: no spaces


def language_of(text: str, language: str | None = None) -> str:
    """One of LANGUAGES: the one named (`pt-BR` is pt), else what the script suggests, else en."""
    named = re.split("[-_]", (language or "").lower())[0]
    if named in LANGUAGES:
        return named
    sample = text[:4000]
    for script, guess in (
        ("[\u3040-\u30ff]", "ja"),
        ("[\uac00-\ud7af]", "ko"),
        ("[\u4e00-\u9fff]", "zh"),
        ("[\u0900-\u097f]", "hi"),
        ("[\u0400-\u04ff]", "ru"),
    ):
        if len(re.findall(script, sample)) * 4 > len(sample):
            return guess
    return "en"


def is_language(code: str) -> bool:
    """Whether it is written as the codes of languages are, such as en and pt-BR; it need not be one."""
    return re.fullmatch("[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8}){0,3}", code) is not None


def paragraphs(text: str) -> list[str]:
    """The text cut after its blank lines, losslessly; no paragraph is blank unless the text is."""
    found: list[str] = []
    current: list[str] = []
    words = blank_after = False
    for line in text.splitlines(keepends=True):
        blank = not line.strip()
        if words and blank_after and not blank:
            found.append("".join(current))
            current, words, blank_after = [], False, False
        current.append(line)
        words = words or not blank
        blank_after = words and blank
    return [*found, "".join(current)] if current else found


def sentence_ends(paragraph: str, language: str) -> list[int]:
    """Offsets after each sentence and the space behind it; the last one is the paragraph's length."""
    # sentencex sees a paragraph end in two line breaks, and cannot take half a surrogate pair
    plain = re.sub("[\ud800-\udfff]", "?", re.sub(r"\s", " ", paragraph))
    ends: list[int] = []
    for end in _proposed(plain, language):
        if not _goes_on(plain, ends[-1] if ends else 0, end, language):
            ends.append(end)
    return [*ends, len(paragraph)] if paragraph else []


def _proposed(text: str, language: str) -> list[int]:
    """Where sentencex sees a sentence end inside the text, window by window."""
    from sentencex import segment

    ends: list[int] = []
    start = 0
    while start < len(text):
        stop = _window_stop(text, start)
        end, inside = start, []
        for sentence in segment(language, text[start:stop]):
            end += len(sentence)
            inside.append(end)
        inside = [end for end in inside if end < stop]
        ends += inside
        # the last sentence of a window may be cut short: it begins the next one, if that gets us on
        start = inside[-1] if stop < len(text) and inside and inside[-1] - start > _WINDOW // 4 else stop
    return ends


def _window_stop(text: str, start: int) -> int:
    if len(text) - start <= _WINDOW:
        return len(text)
    space = text.rfind(" ", start + _WINDOW // 2, start + _WINDOW)
    return start + _WINDOW if space < 0 else space + 1


def _goes_on(text: str, start: int, end: int, language: str) -> bool:
    """Whether the sentence that begins at `start` goes on behind `end` after all."""
    head, tail = text[max(start, end - 60) : end].rstrip(), text[end : end + 20].lstrip(_OPENING)
    if not head or not tail:
        return not head
    wide = _WIDE.match(tail) or _WIDE.match(head[-1])
    if tail[0].islower() or not (wide or text[end - 1].isspace()):
        return True
    if head[-1] in _CLOSING_QUOTES:  # “Who?” she asked, in a script without small letters
        quoted = text[start : start + 2].lstrip()[:1] in _OPENING
        return language in ("ja", "zh", "hi") and quoted and text[end : end + 1] not in "「『“"
    return head.endswith(".") and _is_short_form(head, tail, language, whole=end - start <= 60)


def _is_short_form(head: str, tail: str, language: str, *, whole: bool) -> bool:
    """Whether the full stop at the end of `head` belongs to an abbreviation, an initial or a number."""
    *before, last = head.rsplit(None, 2)[-2:] if " " in head else [head]
    stem = re.split("['’]", last.lstrip(_OPENING).removesuffix("."))[-1]
    if re.fullmatch(r"\d{1,3}|[IVXLC]+", stem):
        alone = whole and not before  # "3." or "II." is no sentence: a list's or a ruler's number
        after = bool(before) and before[0].lower() in _BEFORE_ORDINAL
        return alone or (language in _WITH_ORDINALS and after)
    if len(stem) == 1 and stem.isupper():
        return not (language == "en" and stem == "I")
    return stem.lower() in _ABBREVIATIONS[language]
