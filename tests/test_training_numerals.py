"""Numbers in words: by example, and against a normaliser that goes the other way."""

from __future__ import annotations

import random
import re

import pytest
from tokenizers import Tokenizer

pytest.importorskip("transformers", reason="the extra `train` is not installed: Whisper's normaliser")

from training.judge import digits
from training.numerals import ordinal, spelled_out
from training.settings import settings
from training.vocabulary import build_tokenizer


def words(text: str) -> str:
    return re.sub(r"\s+", " ", spelled_out(text)).strip()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("5 of 12 came, 30 left.", "five of twelve came, thirty left."),
        ("room 404, 110, 999", "room four hundred four , one hundred ten , nine hundred ninety nine"),
        ("2,400 homes", "two thousand four hundred homes"),
        ("1,000,000 and 12,075,005", "one million and twelve million seventy five thousand five"),
        ("15000 1000000", "fifteen thousand one million"),
        ("20500075", "twenty million five hundred thousand seventy five"),
        ("2,000th", "two thousandth"),
        ("In 1987", "In nineteen eighty seven"),
        ("1900, 1905, 2000, 2005", "nineteen hundred, nineteen oh five , two thousand , two thousand five"),
        ("from 2011 to 2030", "from twenty eleven to twenty thirty"),
        ("the 1990s and the 80's", "the nineteen nineties and the eighties"),
        ("2000s, 1800s", "two thousands, eighteen hundreds"),
        ("1st 2nd 3rd 5th 12th 20th 21st", "first second third fifth twelfth twentieth twenty first"),
        ("100th 111th", "one hundredth one hundred eleventh"),
        ("6.25%", "six point two five percent"),
        ("0.05 of 5.", "zero point zero five of five ."),
        ("$5", "five dollars"),
        ("$25.", "twenty five dollars."),
        ("Is $1 or $2 enough?", "Is one dollar or two dollars enough?"),
        ("$1.50, or $3.00", "one dollar and fifty cents, or three dollars"),
        ("$2.05; $9.99!", "two dollars and five cents; nine dollars and ninety nine cents!"),
        ("$1.2 billion", "one point two billion dollars"),
        ("$5M, $3bn", "five million dollars, three billion dollars"),
        ("$.50 and $0.99", "fifty cents and ninety nine cents"),
        ("$5-a-day", "five dollars-a-day"),
        ("$751,000 (or so)", "seven hundred fifty one thousand dollars (or so)"),
        ("$250/night, $50+, “$20”", "two hundred fifty dollars/night, fifty dollars+, “ twenty dollars”"),
        ("$1.00 and $1,000", "one dollar and one thousand dollars"),
        ("the 1910s, the 20TH, May 1ST", "the nineteen tens , the twentieth , May first"),
        ("7:30, 7:05 and 3:00 pm", "seven thirty , seven oh five and three pm"),
        ("$1.01 or $.01", "one dollar and one cent or one cent"),
        ("£1, £2.50 and £0.01", "one pound, two pounds and fifty pence and one penny"),
        ("€3 million, €1.20", "three million euros, one euro and twenty cents"),
        ("-5 and (−40) to 3-4", "minus five and (minus forty ) to three - four"),
        ("20° C, 68 °F or 90°", "twenty degrees Celsius, sixty eight degrees Fahrenheit or ninety degrees"),
        ("5€ and 20 £, 5°N", "five euros and twenty pounds, five degrees N"),
        ("2½ cups, ½ a cup, 1¼", "two and a half cups, a half a cup, one and a quarter"),
        ("1/2 cup, 2/3 or 7/8", "one half cup, two thirds or seven eighths"),
        ("2 3/4 and 1/2-inch", "two and three quarters and one half-inch"),
        ("1/2/2024, 24/7", "one / two / twenty twenty four , twenty four / seven"),
        ("a $20 bill, £5 notes, $1 coins", "a twenty dollar bill, five pound notes, one dollar coins"),
        ('$-5, "-3"', 'minus five dollars, "minus three "'),
        ("-$1.50, −£3, -$1", "minus one dollar and fifty cents, minus three pounds, minus one dollar"),
        ("5−3, won 3 -2, 90 -95", "five — three , won three - two , ninety - ninety five"),
        ("3€50, 5 $HOME, 5 $x", "three fifty euros, five $HOME, five $x"),
        ("$2½, £2¼", "two dollars and fifty cents, two pounds and twenty five pence"),
        ("5½°C, 5½%", "five and a half degrees Celsius, five and a half percent"),
        ("1 °C, 1 €, 1°", "one degree Celsius, one euro, one degree"),
        ("**$20** [$20]", "** twenty dollars** [ twenty dollars]"),
        ("$1.50 coins", "one dollar and fifty cents coins"),
        ("⅓ cup, 2⅔", "a third cup, two and two thirds"),
        ("3.1415926", "three point one four one five nine two six"),
        ("007", "zero zero seven"),
        ("no numbers, $ or %", "no numbers, $ or %"),
    ],
)  # fmt: skip
def test_numbers_are_read(text: str, wanted: str) -> None:
    assert words(text) == wanted


@pytest.mark.parametrize("form", ["{:,}", "${:,}", "{:,}%"])
def test_whispers_normaliser_finds_the_numbers_again(form: str) -> None:
    dice = random.Random(5)
    numbers = [*range(1, 130), *(dice.randrange(10 ** dice.randint(3, 9)) for _ in range(300))]
    for text in (f"It was {form.format(n)} then." for n in numbers):
        read = spelled_out(text)
        assert not re.search(r"[\d$%]", read)
        assert digits(read) == digits(text)


@pytest.mark.parametrize(("word", "wanted"), [("four", "fourth"), ("nine", "ninth"), ("forty", "fortieth")])
def test_ordinals(word: str, wanted: str) -> None:
    assert ordinal(word) == wanted


def test_the_tokenizer_of_nano_reads_them_too() -> None:
    saved = Tokenizer.from_file(str(settings("export")["assets"] / "tokenizer.json"))
    assert saved.to_str() == build_tokenizer().to_str()
    for text in ("It rose 6.2% in 1987. [laughs]", "[sighs] $25", "22nd"):
        parts = re.split(r"(\[\w+\])", text)
        read = "".join(part if part.startswith("[") else spelled_out(part) for part in parts)
        assert saved.encode(text).ids == saved.encode(read).ids
        assert not any(token.lstrip("#").isdigit() for token in saved.encode(text).tokens)
