"""Numbers, short forms and letters in words: by example, and against a normaliser that goes the other way."""

from __future__ import annotations

import random
import re

import pytest
from tokenizers import Tokenizer

pytest.importorskip("transformers", reason="the extra `train` is not installed: Whisper's normaliser")

from training.judge import digits
from training.numerals import ordinal
from training.reading import spelled_out
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
        ("$25/night, $5+, “$20”", 'twenty five dollars/night, five dollars plus , " twenty dollars"'),
        ("$1.00 and $1,000", "one dollar and one thousand dollars"),
        ("the 1910s, the 20TH, May 1ST", "the nineteen tens , the twentieth , May first"),
        ("7:30, 7:05 and 3:00 pm", "seven thirty , seven oh five and three pm"),
        ("$1.01 or $.01", "one dollar and one cent or one cent"),
        ("£1, £2.50 and £0.01", "one pound, two pounds and fifty pence and one penny"),
        ("€3 million, €1.20", "three million euros, one euro and twenty cents"),
        ("-5 and (−40) to 3-4", "minus five and (minus forty ) to three to four"),
        ("20° C, 68 °F or 90°", "twenty degrees Celsius, sixty eight degrees Fahrenheit or ninety degrees"),
        ("5€ and 20 £, 5°N", "five euros and twenty pounds, five degrees en"),
        ("2½ cups, ½ a cup, 1¼", "two and a half cups, a half a cup, one and a quarter"),
        ("1/2 cup, 2/3 or 7/8", "one half cup, two thirds or seven eighths"),
        ("2 3/4 and 1/2-inch", "two and three quarters and one half-inch"),
        ("1/2/2024, 24/7", "one / two / twenty twenty four , twenty four / seven"),
        ("a $20 bill, £5 notes, $1 coins", "a twenty dollar bill, five pound notes, one dollar coins"),
        ('$-5, "-3"', 'minus five dollars, "minus three "'),
        ("-$1.50, −£3, -$1", "minus one dollar and fifty cents, minus three pounds, minus one dollar"),
        ("5−3, won 3 -2, 90 -95", "five minus three , won three - two , ninety - ninety five"),
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


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("on 2026-11-24.", "on twenty twenty six November twenty fourth ."),
        ("2026-13-24", "twenty twenty six - thirteen - twenty four"),
        ("Jan. 5, Sept 3", "January five , September three"),
        ("Call 555-1234.", "Call five five five , one two three four ."),
        ("(212) 555-1234", "two one two , five five five , one two three four"),
        ("212-555-9876", "two one two , five five five , nine eight seven six"),
        ("+1 212.555.1234", "plus one two one two , five five five , one two three four"),
        ("100-2000 steps", "one hundred to two thousand steps"),
        ("3-4, 10–12, 1914-1918", "three to four , ten to twelve , nineteen fourteen to nineteen eighteen"),
        ("a 747-8, 1-2-3", "a seven hundred forty seven - eight , one - two - three"),
        ("5−3, 3 x 4, 3 × 4", "five minus three , three by four , three by four"),
        ("1.2.3 or 10.0.12.1", "one point two point three or ten point zero point twelve point one"),
        ("$1 000 000 or 2 500 000", "one million dollars or two million five hundred thousand"),
        ("rooms 5 100 and 6", "rooms five one hundred and six"),
        ("5 kg, 1 km, 120 km/h", "five kilograms, one kilometer, one hundred twenty kilometers per hour"),
        ("3.5m, 20 m², 1 ft", "three point five meters, twenty square meters, one foot"),
        ("$5m and $5 bn, 5 men", "five million dollars and five billion dollars, five men"),
        ("99¢, 1¢, 20℃", "ninety nine cents, one cent, twenty degrees Celsius"),
        ("Tom & Jerry, R&D", "Tom and Jerry, are and dee"),
        ("2 + 2 = 4, ±5, ~30", "two plus two equals four , plus or minus five , about thirty"),
        ("#1 in C++, C# and #fun", "number one in see plus plus , see sharp and hashtag fun"),
        ("me@example.com", "me at example dot com"),
        ("https://www.foo.org/ now.So", "foo dot org/ now.So"),
        ("Prof. Lee vs. Gen. Ray", "Professor Lee versus General Ray"),
        ("St. Mary's in Oak St. today", "Saint Mary's in Oak Street today"),
        ("e.g. cats, i.e. pets, etc.", "for example, cats, that is, pets, et cetera."),
        ("No. 5, p. 7. No. Yes.", "number five , page seven . No. Yes."),
        ("the FBI's UFOs", "the eff bee eye's you eff ohs"),
        ("DVDs, HTML5, an MP3", "dee vee dees, aych tee em el five , an em pee three"),
        ("the U.S. army, the U.S.A.", "the you ess army, the you ess ay."),
        ("LET US GO to the US.", "LET US GO to the you ess."),
        ("J. R. R. Tolkien, J.K. Rowling", "jay are are Tolkien, jay kay Rowling"),
        ("George W. Bush. Plan B? A", "George double-you Bush. Plan bee? A"),
        ("X-ray, T-shirt, 3D, I, O'Neil", "ex-ray, tee-shirt, three dee, I, O'Neil"),
        ("World War II, Henry VIII", "World War two , Henry the eighth"),
        ("Chapter IV, King Edward VII's", "Chapter four , King Edward the seventh 's"),
        ("STOP! SHH, it is 5 PM. OK", "STOP! shh, it is five pm. OK"),
        ("MAN: Hi! NASA, McDonald, iPhone", "MAN: Hi! NASA, McDonald, iPhone"),
        ("In St. Louis, on 5 Elm St. We left", "In Saint Louis, on five Elm Street We left"),
        ("The St. Louis team in Oak St.", "The Saint Louis team in Oak Street."),
        ("Call 555-1200.", "Call five five five , one two zero zero ."),
        ("–5°C, so – well", "minus five degrees Celsius, so — well"),
        ("350 W 42nd St. now", "three hundred fifty double-you forty second Street now"),
        ("She said no. 10 left. 5 W", "She said no. ten left. five watts"),
        ("L.A., S.O.S., an R.I.P. sign", "el ay., ess oh ess., an are eye pee sign"),
        ("NYC, AT&T, la la LA, LA is", "en why see, ay tee and tee, la la LA, el ay is"),
        ("We left the U.S. The army", "We left the you ess. The army"),
        ("I was there.it was, a@b.co.uk", "I was there.it was, a at b dot co dot uk"),
        ("in 101 102 103", "in one hundred one one hundred two one hundred three"),
        ("CAFÉS, NOËL", "CAFÉS, NOËL"),
        ("Jul. 4, the IV drip, Part XX", "July four , the IV drip, Part twenty"),
        ("pp. 5-10, 100 000 men", "pages five to ten , one hundred thousand men"),
        ("2026-11-24T10:30", "twenty twenty six November twenty fourth ten thirty"),
        (".5 or $.50", "zero point five or fifty cents"),
        ("Vitamin C. It is. Plan B. The", "Vitamin see. It is. Plan bee. The"),
    ],
)  # fmt: skip
def test_short_forms_and_letters_are_read(text: str, wanted: str) -> None:
    assert words(text) == wanted
    assert build_tokenizer().encode(text).tokens == build_tokenizer().encode(wanted).tokens


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
