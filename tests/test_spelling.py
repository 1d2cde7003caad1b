"""What a tokenizer does not know is written in what it knows, and what is lost is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bark_cli
from bark_cli.errors import TextError
from bark_cli.model.published import LANGUAGES, config_in
from bark_cli.model.sign_words import sign_words
from bark_cli.model.tokenizer import BarkTokenizer

NANO = Path(bark_cli.__file__).parent / "assets" / "nano"
SEMANTIC = replace(config_in(NANO).semantic, stops="")  # what it puts behind the text is tested elsewhere
WIDE = replace(SEMANTIC, gpt=replace(SEMANTIC.gpt, input_vocab_size=10_000))


@pytest.fixture(scope="module")
def nano() -> BarkTokenizer:
    return BarkTokenizer.from_file(NANO / "tokenizer.json", SEMANTIC)


def read(tokenizer: BarkTokenizer, text: str) -> str:
    """The letters that the model is given."""
    from tokenizers import Tokenizer

    plain = Tokenizer.from_file(str(NANO / "tokenizer.json"))
    offset = SEMANTIC.text_offset
    tokens = [str(plain.id_to_token(int(number) - offset)) for number in tokenizer.encode(text)]
    return "".join(one[2:] if one.startswith("##") else f" {one}" for one in tokens).strip()


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("The ﬁrst oﬃcer", "the first officer"),
        ("twenty‑one", "twenty - one"),
        ("1⁄2 cup", "one half cup"),
        ("donʼt", "don ' t"),
        ("Søren, Straße, Æthelred, Łódź", "soren , strasse , aethelred , lodz"),
        ("ｆｕｌｌ width", "full width"),
        ("𝐇𝐞𝐥𝐥𝐨", "hello"),
        ("a ≠ b", "a not equal to b"),
        ("x ≤ 5", "x less than or equal to five"),
        ("x ∉ y", "x not in y"),
        ("10²", "ten squared"),
        ("8deadbeef, 10km", "eight deadbeef , ten kilometers"),
        ("10⁻³", "ten to the power of minus three"),
        ("H₂O", "aych two o"),
        ("SO₄²⁻", "* so four two minus"),
        ("Fe³⁺ and H⁺", "fe three plus and aych plus"),
        ("aⁿ", "a to the power of n"),
        ("mol⁻¹", "mol to the power of minus one"),
        ("sin² x", "sin squared x"),
        ("50‰", "fifty per thousand"),
        ("₹500", "five hundred rupees"),
        ("20 µm", "twenty micrometers"),
        ("the α particle", "the alpha particle"),
        ("a × b", "a times b"),
        ("¿Qué?", "que ?"),
        ("cafe\u0301", "cafe"),
        ("so\u00adft zero\u200bwidth", "soft zerowidth"),
        ("Пётр said hello", "petr said hello"),
        ("٣ men", "three men"),
    ],
)
def test_letters_and_signs_are_written_in_what_is_known(nano: BarkTokenizer, text: str, heard: str) -> None:
    assert read(nano, text) == heard


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("3 × 4", "three by four"),
        ("5 m²", "five square meters"),
        ("5 − 3", "five minus three"),
        ("20 °C", "twenty degrees celsius"),
        ("3½ “cups” – naïve", 'three and a half " cups " — naive'),
    ],
)
def test_what_is_known_among_its_neighbours_stays(nano: BarkTokenizer, text: str, heard: str) -> None:
    assert read(nano, text) == heard
    assert not nano.loss(text)


def test_what_is_left_out_or_read_in_other_letters_is_told(nano: BarkTokenizer) -> None:
    assert nano.loss("I ❤ it ☎ ❤").left_out == ("❤", "☎")
    assert nano.loss("a word¹ and more").left_out == ("¹",)
    assert not nano.loss("SO₄²⁻, NH₄⁺, Ca²⁺, Cr₂O₇²⁻, min⁻¹ and cos² x").left_out
    assert nano.loss("Пётр said hello").latinised == ("Пётр",)
    assert not nano.loss("The ﬁrst oﬃcer’s café — Søren")


@pytest.mark.parametrize("text", ["Привет.", "你好", "Ελληνικά είναι", "😀", "— …", "日本語 a"])
def test_a_text_without_letters_that_are_known_is_refused(nano: BarkTokenizer, text: str) -> None:
    assert nano.loss(text).is_total
    with pytest.raises(TextError, match="nothing this model can read"):
        nano.encode(text)


def test_a_tokenizer_that_knows_a_letter_keeps_it(tmp_path: Path) -> None:
    """Nothing is folded that the model learnt to read."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "Søren", "Привет", "≠", "²", "x", "S", "##o", "s"]
    words += ["ø", "Π", "П", "р", "и", "в", "е", "т", "##²", "ﬁ"]
    file = tmp_path / "vocab.txt"
    file.write_text("\n".join(words) + "\n", encoding="utf-8")
    tokenizer = BarkTokenizer.from_file(file, SEMANTIC)
    offset = SEMANTIC.text_offset
    ids = (tokenizer.encode("Søren Привет x ≠ x² ﬁ") - offset).tolist()
    assert [words[number] for number in ids] == ["Søren", "Привет", "x", "≠", "x", "##²", "ﬁ"]
    assert not tokenizer.loss("Søren Привет x ≠ x² ﬁ")
    assert tokenizer.loss("Søren zebra").left_out == ("zebra",)  # told, as [UNK] is said as it may be


def test_a_checksum_of_any_length_is_no_unknown_word(nano: BarkTokenizer) -> None:
    assert not nano.loss("abcdef" * 40)
    assert nano.count(["abcdef" * 40])[0] > 200


@pytest.fixture(scope="module")
def of_all_scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vocab.txt of the letters that signs are said in, but of no sign."""
    letters = sorted({*"0123456789abcm"}.union(*(sign_words(language).alphabet for language in LANGUAGES)))
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{one}" for one in letters)]
    file = tmp_path_factory.mktemp("letters") / "vocab.txt"
    file.write_text("\n".join(pieces) + "\n", encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("language", "heard"),
    [
        (
            "en",
            ["a less than or equal to b", "5 euros", "10 to the power of minus 3", "2 micrometers", "omega"],
        ),
        ("de", ["a kleiner oder gleich b", "5 Euro", "10 hoch minus 3", "2 Mikrometer", "Omega"]),
        ("es", ["a menor o igual que b", "5 euros", "10 elevado a menos 3", "2 micrómetros", "omega"]),
        ("fr", ["a inférieur ou égal à b", "5 euros", "10 puissance moins 3", "2 micromètres", "oméga"]),
        ("hi", ["a से कम या बराबर b", "5 यूरो", "10 की घात ऋण 3", "2 माइक्रोमीटर", "ओमेगा"]),
        ("it", ["a minore o uguale a b", "5 euro", "10 elevato a meno 3", "2 micrometri", "omega"]),
        ("ja", ["a 小なりイコール b", "5 ユーロ", "10 の マイナス 3 乗", "2 マイクロメートル", "オメガ"]),
        ("ko", ["a 작거나 같다 b", "5 유로", "10 의 마이너스 3 제곱", "2 마이크로미터", "오메가"]),
        ("pl", ["a mniejsze lub równe b", "5 euro", "10 do potęgi minus 3", "2 mikrometrów", "omega"]),
        ("pt", ["a menor ou igual a b", "5 euros", "10 elevado a menos 3", "2 micrômetros", "ômega"]),
        ("ru", ["a меньше или равно b", "5 евро", "10 в степени минус 3", "2 микрометров", "омега"]),
        ("tr", ["a küçük veya eşit b", "5 avro", "10 üssü eksi 3", "2 mikrometre", "omega"]),
        ("zh", ["a 小于等于 b", "5 欧元", "10 的 负 3 次方", "2 微米", "欧米伽"]),
        (
            None,
            ["a less than or equal to b", "5 euros", "10 to the power of minus 3", "2 micrometers", "omega"],
        ),
    ],
)
def test_signs_are_said_in_the_language_of_the_text(
    of_all_scripts: Path, language: str | None, heard: list[str]
) -> None:
    tokenizer = BarkTokenizer.from_file(of_all_scripts, WIDE)
    pieces = of_all_scripts.read_text("utf-8").split("\n")
    for text, words in zip(["a ≤ b", "€5", "10⁻³", "2 µm", "Ω"], heard, strict=True):
        said = [
            pieces[number] for number in (tokenizer.encode(text, language) - SEMANTIC.text_offset).tolist()
        ]
        apart = [piece.removeprefix("##") if piece.startswith("##") else f" {piece}" for piece in said]
        assert "".join("".join(apart).split()) == "".join(words.split())
        assert not tokenizer.loss(text, language)
        assert tokenizer.count([text], language) == [len(said)]


def test_every_language_has_a_word_for_every_sign() -> None:
    english = sign_words("en")
    for language in LANGUAGES:
        words = sign_words(language)
        assert words.words.keys() == english.words.keys()
        assert words.letters.keys() == english.letters.keys()
        assert words.words["^"].count("{}") == 1
        assert language == "en" or words != english


@pytest.mark.parametrize(
    ("language", "heard"), [("de", "x grosser oder gleich y"), ("pl", "x wieksze lub rowne y")]
)
def test_words_for_signs_are_written_in_letters_that_are_known(
    nano: BarkTokenizer, language: str, heard: str
) -> None:
    assert nano.encode("x ≥ y", language).tolist() == nano.encode(heard, language).tolist()


@pytest.mark.parametrize("language", ["ru", "ja", "hi", "xx", "", None])
def test_signs_are_said_in_english_where_the_script_of_a_language_is_not_known(
    nano: BarkTokenizer, language: str | None
) -> None:
    assert nano.encode("x ≥ y", language).tolist() == nano.encode("x greater than or equal to y").tolist()


@given(st.text())
def test_any_text_can_be_asked_about(text: str) -> None:
    from functools import cache

    tokenizer = cache(lambda: BarkTokenizer.from_file(NANO / "tokenizer.json", SEMANTIC))()
    text = text.encode("utf-8", "ignore").decode()
    loss = tokenizer.loss(text)
    if not loss.is_total:
        assert tokenizer.count([text])[0] > 0
