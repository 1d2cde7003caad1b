"""Numbers, years, Roman numerals and abbreviations in words, in Bark's thirteen languages."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bark_cli.errors import OptionError
from bark_cli.text.numbers import check_speller, spell_numbers
from bark_cli.text.reading import Reading

LANGUAGES = ["en", "de", "es", "fr", "hi", "it", "ja", "ko", "pl", "pt", "ru", "tr", "zh"]


@pytest.mark.parametrize(
    ("language", "text", "spoken"),
    [
        ("en", "In 1851 Mr. Hay, the 3rd, had 1,234 of them.", None),
        ("en", "He paid $5 and £3; 12% at 10:30 and 9:05.", None),
        ("en", "No. 7 and 3.10 and 007, in the 1980s.", None),
        ("en", "1914–1918", "nineteen fourteen to nineteen eighteen"),
        ("en", "1990-2000, 10-20", "nineteen ninety to two thousand, ten to twenty"),
        ("en", "1.5-2.5, 10%-20%", "one point five to two point five, ten percent-twenty percent"),
        ("en-US", "3 cats", "three cats"),
        ("fr", "la 1re et la 1ère", "la première et la première"),
        ("en", "-$5 and Part I of St. Ives", "minus five dollars and Part one of Saint Ives"),
        ("en", "Tea, milk etc. Then -5.", "Tea, milk et cetera. Then minus five."),
        ("en", "CHAPTER IV. The Boat", "CHAPTER four. The Boat"),
        ("en", "XIV. The Storm", "Fourteen. The Storm"),
        ("en", "IV", "Four"),
        ("de", "Am 3. Mai 1851 das 2. Kapitel, z. B. 1.234,5 usw.", None),
        ("de", "Nr. 5 um 10:30 Uhr.", "Nummer fünf um zehn Uhr dreißig."),
        ("es", "El capítulo IX, 12 % de 1.234.", None),
        ("fr", "Le 1er de 1 234, M. Dupont paya 5 €.", None),
        ("it", "Capitolo V, il 3º, 12% ecc.", "Capitolo cinque, il terzo, dodici per cento eccetera."),
        ("pt", "O 3º de 12%.", "O terceiro de doze por cento."),
        ("pl", "Rozdział IV, np. 12%.", "Rozdział cztery, na przykład dwanaście procent."),
        ("ru", "Глава IV, т. е. 21.", "Глава четыре, то есть двадцать один."),
        ("tr", "12% ve %21", "yüzde oniki ve yüzde yirmibir"),
        ("hi", "12 और 5%", "बारह और पाँच प्रतिशत"),
        ("ja", "1851年、3人、12%", "千八百五十一年、三人、十二パーセント"),
        ("ko", "3명 12%", "삼명 십이 퍼센트"),
        ("zh", "1851年，3人，12%", "一八五一年，三人，百分之十二"),
    ],
)
def test_numbers_are_spelled_as_their_language_says_them(
    language: str, text: str, spoken: str | None
) -> None:
    found = spell_numbers(text, language)
    assert not any(sign.isdecimal() for sign in found)
    assert spoken in (None, found)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "1.2.3",
            "3/4/2020",
            "B52 and MP3",
            "v1.2",
            "5:70",
            "9" * 30,
            "I am. I. I.",
            "x@1.org",
            "$5 million",
        ),
        *("2020-01-05", "555-1234", "1-800-555-0199", "747-400", "US$5", "R$ 5", "$-5", "Main St. is long"),
        *(
            "The best part I liked",
            "Act I did not regret",
            "the letter X",
            "Section I.2",
            "I. Newton wrote it.",
        ),
    ],
)
def test_what_is_not_understood_stays(text: str) -> None:
    assert spell_numbers(text, "en") == text


def test_a_language_that_is_not_barks_keeps_its_digits() -> None:
    assert spell_numbers("12 hest", "no") == "12 hest"


@given(st.text(alphabet="0123456789.,:%$€£–- '\u202faIVXLC/\n年", max_size=60), st.sampled_from(LANGUAGES))
def test_no_tangle_of_signs_is_an_error(text: str, language: str) -> None:
    assert isinstance(spell_numbers(text, language), str)


def test_texts_are_read_so_where_it_is_asked_for() -> None:
    [line] = Reading(reads_numbers=True, language="de").script("12 Affen").lines
    assert line.text == "zwölf Affen"


def test_without_the_library_there_is_a_line_that_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "num2words2", None)
    with pytest.raises(OptionError, match=r"pip install 'bark-cli\[numbers\]'"):
        check_speller()
