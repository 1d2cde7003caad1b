"""A sound as Jupyter shows it: in IPython's own words, and in a real browser, where it plays when told to."""

from __future__ import annotations

import base64
import io
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from test_player import FakePortAudio, speaker  # noqa: F401  (a fixture)

from bark_cli import Attempts, Audio, Bark, Speech
from bark_cli.audio import notebook

RATE = 24_000
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def tone(seconds: float) -> Audio:
    time_s = np.arange(round(seconds * RATE)) / RATE
    return Audio((0.4 * np.sin(2 * np.pi * 440 * time_s)).astype(np.float32), RATE)


@pytest.fixture(scope="module")
def speech() -> Speech:
    said = Bark.load("nano").say("Hello world.", seed=1, attempts=Attempts())
    return replace(said, text='Hello "world" & <b>all</b>.')


class Found(HTMLParser):
    """The elements of a fragment and their attributes; complains where one is not closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: dict[str, dict[str, str | None]] = {}
        self.open: list[str] = []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] = dict(attrs)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def heard(html: str) -> tuple[str, float]:
    """The media type of the sound in a player, and its seconds."""
    source = Found(html).elements["audio"]["src"]
    kind, data = re.fullmatch(r"data:([\w/]+);base64,(.*)", source or "").groups()  # type: ignore[union-attr]
    return kind, soundfile.info(io.BytesIO(base64.b64decode(data))).duration


def test_a_sound_is_an_mp3_in_a_labelled_player_that_waits() -> None:
    html = tone(1.5)._repr_html_()
    player = Found(html).elements["audio"]
    assert "controls" in player
    assert "autoplay" not in player
    assert player["aria-label"] == "Sound, 1.5 s at 24000 Hz"
    kind, seconds = heard(html)
    assert kind == "audio/mpeg"
    assert seconds == pytest.approx(1.5, abs=0.1)
    assert len(html) < 40_000


def test_speech_says_what_it_is_and_its_text_is_only_text(speech: Speech) -> None:
    bundle = speech._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"}
    label = bundle["text/plain"]
    assert label.startswith('“Hello "world" & <b>all</b>.” nano, nano/anna, ')
    assert label.endswith("seed 1")
    found = Found(bundle["text/html"]).elements
    assert found["audio"]["aria-label"] == label
    assert "b" not in found


def test_a_long_sound_is_cut_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook, "LONGEST_S", 2.0)
    html = tone(63.0)._repr_html_()
    assert heard(html)[1] == pytest.approx(2.0, abs=0.1)
    assert "first 0:02 of 1:03" in html
    assert "first" not in tone(2.0)._repr_html_()


def test_without_mp3_it_is_a_wav(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise ValueError("unknown format")

    monkeypatch.setattr(soundfile, "write", refuse)
    assert heard(tone(0.5)._repr_html_()) == ("audio/wav", 0.5)


def test_no_sound_is_no_player() -> None:
    assert "audio" not in Found(tone(0.0)._repr_html_()).elements


def test_ipython_shows_the_player_and_is_not_imported_for_it() -> None:
    code = (
        "import sys, numpy as np; from bark_cli import Audio; a = Audio(np.zeros(2400, np.float32), 24000);"
        "a._repr_html_(); assert 'IPython' not in sys.modules;"
        "from IPython.core.formatters import DisplayFormatter; d = DisplayFormatter();"
        "d.active_types = d.format_types; print(*sorted(d.format(a)[0]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["text/html", "text/plain"]


def test_speech_plays(speech: Speech, speaker: FakePortAudio) -> None:  # noqa: F811
    speech.play()
    assert len(speaker.heard) >= len(speech.audio.samples)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium; see tests/apt-packages.txt")
def test_a_browser_plays_it_when_told_to(browser: Any, speech: Speech, tmp_path: Path) -> None:
    page = browser.new_page()
    file = tmp_path / "cell.html"
    file.write_text(f"<!doctype html><meta charset=utf-8>{speech._repr_html_()}", encoding="utf-8")
    page.goto(file.as_uri())
    page.wait_for_function("document.querySelector('audio').readyState > 0")
    player = page.locator("audio")
    assert player.evaluate("a => a.paused")
    assert player.evaluate("a => a.duration") == pytest.approx(speech.duration_s, abs=0.1)
    assert page.get_by_label("Hello").count() == 1  # by the name that a screen reader says
    player.click()  # its button; the page alone may not start it
    player.evaluate("a => a.play()")
    page.wait_for_function("document.querySelector('audio').currentTime > 0.05")
    page.close()
