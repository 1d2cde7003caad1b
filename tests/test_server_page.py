"""The page of `bark serve`, in a real browser: it types, speaks, stops, downloads, and plays every sample."""

from __future__ import annotations

import itertools
import shutil
import threading
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from serving import PATIENCE_S, Served, served

from bark_cli.audio import open_sound, pcm16
from bark_cli.server.page import POLICY

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium; see tests/apt-packages.txt")
TEXT = "Hello bark. My name is bark. I can speak."
# what reaches the audio graph: each piece's samples, and when on the clock it begins
PROBE = """
window.heard = [];
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (when) {
  window.heard.push({ when, rate: this.buffer.sampleRate, samples: [...this.buffer.getChannelData(0)] });
  return start.call(this, when);
};
"""


# what the status has said
WATCH = """
window.told = [];
new MutationObserver(() => window.told.push(document.getElementById("status").textContent))
  .observe(document.getElementById("status"), { childList: true, characterData: true, subtree: true });
"""


@pytest.fixture(scope="module")
def server(tiny_model: Path) -> Iterator[Served]:
    with served(tiny_model, batch_size=4) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield found
        found.close()


@pytest.fixture
def page(server: Served, browser: Any) -> Iterator[Any]:
    context = browser.new_context()
    yield opened(context, server.url)
    context.close()


def opened(context: Any, url: str) -> Any:
    page = context.new_page()
    page.set_default_timeout(PATIENCE_S * 1000)
    page.add_init_script(PROBE)
    page.goto(url)
    page.wait_for_selector("#voice option:nth-child(2)", state="attached")
    return page


def say(page: Any, text: str, number: int = 1) -> None:
    page.fill("#text", text)
    page.click("#speak")
    page.wait_for_selector(f"#history li:nth-child({number})")


def heard(page: Any) -> np.ndarray[Any, Any]:
    """All samples, which follow each other without a gap."""
    pieces = page.evaluate("window.heard")
    for one, following in itertools.pairwise(pieces):
        gap_s = following["when"] - one["when"] - len(one["samples"]) / one["rate"]
        assert gap_s == pytest.approx(0.0, abs=1e-9) or gap_s > 0.001  # or the server was too slow
    samples = np.concatenate([piece["samples"] for piece in pieces])
    return np.round(samples * 32_768).astype(np.int16)


def test_what_is_typed_is_spoken_sample_by_sample(server: Served, page: Any, tmp_path: Path) -> None:
    page.click("#more summary")
    page.fill("#seed", "7")
    say(page, TEXT)
    order = {"model": "tts-1", "input": TEXT, "voice": "tiny/ann", "seed": 7, "response_format": "pcm"}
    with server.client() as client:
        sent = np.frombuffer(client.post("/v1/audio/speech", json=order).content, "<i2")
    np.testing.assert_array_equal(heard(page), sent)
    with page.expect_download() as download:
        page.click("#history li button:has-text('WAV')")
    download.value.save_as(tmp_path / "bark.wav")
    with open_sound(tmp_path / "bark.wav") as source:
        samples = np.concatenate([pcm16(block) for block in source.blocks()])
    np.testing.assert_allclose(samples, sent, atol=1)
    with page.expect_download() as download:
        page.click("#history li button:has-text('MP3')")
    download.value.save_as(tmp_path / "bark.mp3")
    with open_sound(tmp_path / "bark.mp3") as source:
        assert source.format.startswith("MPEG")


def test_it_stops_in_the_middle_and_speaks_again(server: Served, page: Any) -> None:
    page.fill("#text", " ".join([TEXT] * 30))
    page.click("#speak")
    page.wait_for_selector("#status:has-text('Speaking')")
    page.click("#stop")
    page.wait_for_selector("#status:has-text('Stopped')")
    page.wait_for_selector("#stop:disabled")
    say(page, "hello")
    assert page.locator("#history li").count() == 1


def test_two_tabs_each_hear_their_own(server: Served, browser: Any) -> None:
    context = browser.new_context()
    tabs = [opened(context, server.url) for _ in range(2)]
    for number, tab in enumerate(tabs):
        tab.click("#more summary")
        tab.fill("#seed", str(number))
        tab.fill("#text", TEXT)
        tab.click("#speak")
    for number, tab in enumerate(tabs):
        tab.wait_for_selector("#history li")
        order = {"model": "tts-1", "input": TEXT, "voice": "tiny/ann", "seed": number}
        with server.client() as client:
            sent = client.post("/v1/audio/speech", json={**order, "response_format": "pcm"}).content
        np.testing.assert_array_equal(heard(tab), np.frombuffer(sent, "<i2"))
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(server: Served, browser: Any, scheme: str) -> None:
    context = browser.new_context(color_scheme=scheme)
    page = opened(context, server.url)
    page.click("#more summary")
    page.check("#script")
    say(page, "ANNA: hello\nBEN: my name\n")
    page.fill("#text", " ")
    page.click("#speak")
    page.wait_for_selector("#error:has-text('type some text')")
    found = Axe().run(page).response
    assert len(found["passes"]) > 20  # so it looked
    faults = [(fault["id"], fault["nodes"]) for fault in found["violations"]]
    assert not faults
    context.close()


def test_a_text_may_be_as_long_as_the_server_lets_it(tiny_model: Path, browser: Any) -> None:
    with served(tiny_model, max_text=9000) as server:
        context = browser.new_context()
        page = opened(context, server.url)
        page.wait_for_selector("#count:has-text('of 9000 characters')")
        context.close()


def test_tags_scripts_and_errors_in_words(page: Any) -> None:
    page.fill("#text", "hello")
    page.click("#tags button:has-text('[sighs]')")
    assert page.input_value("#text").strip() == "hello [sighs]"
    page.fill("#text", "ANNA: hello\nBEN: my name\n")
    page.check("#script")
    assert page.locator("#speakers label").all_inner_texts() == ["ANNA", "BEN"]
    say(page, "ANNA: hello\nBEN: my name\n")
    page.fill("#text", " ")
    page.click("#speak")
    page.wait_for_selector("#error:has-text('type some text')")


def test_it_asks_for_the_key_and_then_speaks(tiny_model: Path, browser: Any) -> None:
    with served(tiny_model, key="a-secret-key") as server:
        context = browser.new_context(viewport={"width": 320, "height": 740})
        page = opened(context, server.url)
        page.click("#speak")
        page.wait_for_selector("#error:has-text('needs an API key')")
        page.fill("#key", "a-secret-key")
        page.keyboard.press("Tab")
        say(page, "hello")
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        context.close()


BLOCKED = """
for (const kind of ["localStorage", "sessionStorage"]) {
  Object.defineProperty(window, kind, { get() { throw new DOMException("denied", "SecurityError"); } });
}
"""


def test_it_speaks_where_the_browser_remembers_nothing(server: Served, browser: Any) -> None:
    context = browser.new_context()
    context.add_init_script(BLOCKED)
    page = opened(context, server.url)
    pressed = page.get_attribute("#theme", "aria-pressed")
    page.click("#theme")
    assert page.get_attribute("#theme", "aria-pressed") != pressed
    say(page, "hello")
    context.close()


class Prefixed(BaseHTTPRequestHandler):
    """A proxy that serves what lies at `port` under /bark/."""

    port: int
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.removeprefix("/bark")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if path == self.path:
            self.send_error(404)
            return
        with closing(HTTPConnection("127.0.0.1", self.port)) as inner:
            inner.request(self.command, path, body, dict(self.headers))
            answer = inner.getresponse()
            sound = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "content-length", "date"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(sound)))
        self.end_headers()
        self.wfile.write(sound)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


def test_a_proxy_may_serve_it_under_a_prefix(server: Served, browser: Any) -> None:
    handler = type("Handler", (Prefixed,), {"port": server.port})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as proxy:
        threading.Thread(target=proxy.serve_forever).start()
        context = browser.new_context()
        try:
            say(opened(context, f"http://127.0.0.1:{proxy.server_port}/bark/"), "hello")
        finally:
            context.close()
            proxy.shutdown()


def test_by_keyboard_alone_it_speaks_stops_and_keeps_its_place(page: Any) -> None:
    at = "document.activeElement.id"
    page.fill("#text", " ".join([TEXT] * 30))
    page.evaluate(WATCH)
    page.press("#text", "Control+Enter")
    page.wait_for_selector("#made:has-text('s made')")
    page.focus("#speak")
    page.keyboard.press("Tab")
    assert page.evaluate(at) == "stop"
    page.keyboard.press("Enter")
    page.wait_for_selector("#stop:disabled")
    assert page.evaluate(at) == "speak"
    # a screen reader would talk over the speech if it were told of every piece
    assert page.evaluate("window.told") == ["Waiting for the first sound", "Speaking", "Stopped"]


def test_of_several_asked_for_in_a_row_the_last_alone_is_heard(page: Any) -> None:
    page.fill("#text", " ".join([TEXT] * 30))
    page.click("#speak")
    page.wait_for_selector("#status:has-text('Speaking')")
    page.evaluate("for (let n = 0; n < 4; n += 1) document.getElementById('speak').click()")
    page.wait_for_selector("#status:has-text('Speaking')")
    page.click("#stop")
    page.wait_for_selector("#stop:disabled")
    page.evaluate("window.heard.length = 0")
    page.wait_for_timeout(500)
    assert page.evaluate("window.heard.length") == 0
    assert page.inner_text("#status") == "Stopped"


def test_nothing_inline_runs_and_everything_has_a_name(server: Served, page: Any) -> None:
    with server.client() as client:
        response = client.get("/")
    assert response.headers["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY
    assert "<script>" not in response.text
    assert "style=" not in response.text
    for kind in ("button", "input", "select", "textarea"):
        for one in page.locator(kind).all():
            label = one.get_attribute("aria-label") or one.inner_text().strip()
            name = one.get_attribute("id")
            labels = (
                page.locator(f"label[for='{name}']").count() + page.locator(f"label:has(#{name})").count()
            )
            assert label or labels, f"{kind} {name} has no name"
