"""Text (str) -> the seconds it takes to say, by what its characters stand for; an estimate.

The rates are those of unhurried reading aloud: 14 Latin letters, 5 Korean syllables or 4 Chinese
characters a second.
"""

from __future__ import annotations

import re
import unicodedata

from bark_cli.text.tags import KNOWN, PAUSE, pause_seconds

_TAG_S = 1.0  # a laugh or a sigh
_TAG = re.compile("|".join(map(re.escape, sorted(KNOWN))))
# letters of some languages are said faster, or are mute
_LETTER_S = {
    "fr": 0.064,
    "es": 0.066,
    "it": 0.068,
    "pt": 0.068,
    "de": 0.072,
    "pl": 0.076,
    "ru": 0.078,
    "tr": 0.076,
}
_LATIN_S = 0.071
_SCRIPTS = (  # first and last code point, seconds each
    (0x0900, 0x097F, 0.075),  # Devanagari, its vowel signs included
    (0x3040, 0x30FF, 0.13),  # kana
    (0xAC00, 0xD7AF, 0.19),  # Hangul
    (0x3400, 0x9FFF, 0.25),  # Han
    (0x20000, 0x323AF, 0.25),
)
_DIGIT_S = 0.3  # "1,234" is six words
_PAUSES_S = {**dict.fromkeys(".!?。！？।…", 0.35), **dict.fromkeys(",;:、，；：—–", 0.18)}


def estimate_seconds(text: str, language: str | None = None) -> float:
    """Seconds that Bark is likely to speak `text`, breathing at its stops; tags and pauses included."""
    letter_s = _LETTER_S.get((language or "")[:2], _LATIN_S)
    tagged = 0.0
    if "[" in text:
        tagged = pause_seconds(text)
        text, n_tags = _TAG.subn("", PAUSE.sub("", text))
        tagged += _TAG_S * n_tags
    return tagged + sum(_character_s(character, letter_s) for character in text)


def _character_s(character: str, letter_s: float) -> float:
    if character.isascii() and character.isalpha():
        return letter_s
    if character in _PAUSES_S:
        return _PAUSES_S[character]
    if character.isdigit():
        return _DIGIT_S
    code = ord(character)
    for first, last, seconds in _SCRIPTS:
        if first <= code <= last:
            return seconds
    return letter_s if unicodedata.category(character)[0] in "LS" else 0.0
