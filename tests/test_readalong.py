"""Books to read and to hear: EPUB 3 with media overlays, by its rules, and as epubcheck sees them."""

from __future__ import annotations

import io
import shutil
import subprocess
import zipfile
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
import soundfile
from epubs import PNG, write_epub
from small_models import write_talkative

from bark_cli.book.compose import Section
from bark_cli.book.readalong.page import text_page
from bark_cli.book.shelf import Told
from bark_cli.book.shown import shown
from bark_cli.cli import main
from bark_cli.text.books.read import read_book

OPF, SMIL = "{http://www.idpf.org/2007/opf}", "{http://www.w3.org/ns/SMIL}"
EPUBCHECK = shutil.which("epubcheck")
PAGES = {
    "a.xhtml": "<h1>One &amp; all</h1><p>Hello my name is bark.</p><hr/>"
    "<p>I can speak. I can speak. Hello.</p>",
    "b.xhtml": "<h2>Two</h2><p>Привет.</p><blockquote><p>Hello &lt;b&gt;.</p></blockquote>"
    "<aside epub:type='footnote'>The name.</aside>",
}
ENTRIES = [("One &amp; all", "a.xhtml"), ("Two", "b.xhtml")]
MANIFEST = '<item id="c" href="c.png" media-type="image/png" properties="cover-image"/>'


@pytest.fixture(scope="module")
def made(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A book, and what `bark book` makes of it."""
    folder = tmp_path_factory.mktemp("readalong")
    model = write_talkative(tiny_model, folder / "tiny")
    source = write_epub(folder / "in.epub", PAGES, ENTRIES, manifest=MANIFEST, others={"OEBPS/c.png": PNG})
    (folder / "l.toml").write_text('[words]\nbark = "woof woof woof"\n')
    asked = [
        "book",
        str(source),
        "-o",
        str(folder / "out.epub"),
        "-m",
        str(model),
        "--precision",
        "fp32",
        "-q",
    ]
    asked += ["--max-duration", "0.1", "--top-k", "12", "--retries", "0", "--include", "footnotes"]
    assert main([*asked, "--say-as", str(folder / "l.toml")]) == 0
    return source, folder / "out.epub"


def parts(path: Path) -> tuple[zipfile.ZipFile, ElementTree.Element]:
    archive = zipfile.ZipFile(path)
    return archive, ElementTree.fromstring(archive.read("EPUB/book.opf"))


def seconds(clock: str) -> float:
    assert clock.endswith("s")
    return float(clock[:-1])


def test_its_text_is_that_of_the_book_word_for_word_in_spite_of_a_lexicon(made: tuple[Path, Path]) -> None:
    source, out = (read_book(path, extras=["footnotes"]) for path in made)
    assert out.chapters == source.chapters
    assert (out.title, out.author, out.language, out.cover) == (
        source.title,
        source.author,
        source.language,
        source.cover,
    )


def test_every_piece_of_sound_has_its_words_and_no_silence_is_lost(made: tuple[Path, Path]) -> None:
    archive, package = parts(made[1])
    items = {item.get("id"): item for item in package.iter(f"{OPF}item")}
    durations = {
        (meta.get("refines") or "").lstrip("#"): seconds(meta.text or "")
        for meta in package.iter(f"{OPF}meta")
        if meta.get("property") == "media:duration"
    }
    pages = [items[ref.get("idref")] for ref in package.iter(f"{OPF}itemref")]
    assert len(pages) == 2
    for page in pages:
        times = items[page.get("media-overlay")]
        overlay = ElementTree.fromstring(archive.read(f"EPUB/{times.get('href')}"))
        words = {
            element.get("id"): "".join(element.itertext())
            for element in ElementTree.fromstring(archive.read(f"EPUB/{page.get('href')}")).iter()
            if element.tag.endswith("span")
        }
        rows = list(overlay.iter(f"{SMIL}par"))
        texts = [row.find(f"{SMIL}text").get("src").partition("#") for row in rows]  # type: ignore[union-attr]
        assert [name for _, _, name in texts] == list(words)  # in order, each once
        assert {file for file, _, _ in texts} == {page.get("href")}
        assert all(any(map(str.isalnum, text)) for text in words.values())
        sounds = [row.find(f"{SMIL}audio") for row in rows]
        clips = [(seconds(one.get("clipBegin")), seconds(one.get("clipEnd"))) for one in sounds]  # type: ignore[union-attr, arg-type]
        assert clips[0][0] == 0
        assert all(before[1] == after[0] for before, after in pairwise(clips))
        assert all(begin < end for begin, end in clips)
        sound = soundfile.info(io.BytesIO(archive.read(f"EPUB/{sounds[0].get('src')}")))  # type: ignore[union-attr]
        assert clips[-1][1] == pytest.approx(sound.duration, abs=0.05)
        assert durations[times.get("id")] == clips[-1][1]
    assert durations[""] == pytest.approx(
        sum(durations[page.get("media-overlay")] for page in pages), abs=0.002
    )


def test_what_a_word_is_said_at_is_where_it_is_heard(made: tuple[Path, Path]) -> None:
    """The clip of a paragraph begins with sound, after the silence that ends the one before."""
    archive, _ = parts(made[1])
    samples, rate = soundfile.read(io.BytesIO(archive.read("EPUB/c1.mp3")))
    blocks = [
        e for e in ElementTree.fromstring(archive.read("EPUB/c1.xhtml")).iter() if e.tag[-2:] in ("}p", "h1")
    ]
    firsts = [next(e.get("id") for e in block if e.tag.endswith("span")) for block in blocks]
    rows = ElementTree.fromstring(archive.read("EPUB/c1.smil")).iter(f"{SMIL}par")
    begins = {row.find(f"{SMIL}text").get("src"): row.find(f"{SMIL}audio").get("clipBegin") for row in rows}  # type: ignore[union-attr]
    assert len(firsts) == 3
    for name in firsts[1:]:
        at = seconds(begins[f"c1.xhtml#{name}"] or "")
        assert abs(samples[round((at - 0.15) * rate) : round((at - 0.05) * rate)]).max() < 0.02
        assert abs(samples[round(at * rate) : round((at + 0.1) * rate)]).max() > 0.02


def test_the_package_says_what_it_is_and_that_a_machine_speaks(made: tuple[Path, Path]) -> None:
    archive, package = parts(made[1])
    first = archive.infolist()[0]
    assert (first.filename, first.compress_type, first.extra) == ("mimetype", zipfile.ZIP_STORED, b"")
    assert archive.read("mimetype") == b"application/epub+zip"
    assert {member.date_time[0] for member in archive.infolist()} == {1980}  # none has the time of its making
    metas = {
        meta.get("property"): meta.text for meta in package.iter(f"{OPF}meta") if not meta.get("refines")
    }
    assert "AI-generated speech" in (metas["media:narrator"] or "")
    assert metas["media:active-class"] in archive.read("EPUB/style.css").decode()
    assert '"seed":' in (metas["dcterms:provenance"] or "")
    hrefs = {f"EPUB/{item.get('href')}" for item in package.iter(f"{OPF}item")}
    assert hrefs == {
        name for name in archive.namelist() if name.startswith("EPUB/") and name != "EPUB/book.opf"
    }
    assert archive.read("EPUB/cover.png") == PNG


@pytest.mark.skipif(EPUBCHECK is None or shutil.which("java") is None, reason="epubcheck is not here")
def test_epubcheck_finds_nothing(made: tuple[Path, Path]) -> None:
    words = ["java", "-jar", str(EPUBCHECK), "--failonwarnings", str(made[1])]  # Debian's is a jar
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_book_that_is_read_is_never_written_over(
    made: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    before = made[0].read_bytes()
    assert main(["book", str(made[0]), "-o", str(made[0]), "--force"]) == 2
    assert "is the book that is read" in capsys.readouterr().err
    assert made[0].read_bytes() == before


@pytest.mark.parametrize(
    ("printed", "spoken", "parts"),
    [
        ("One two. Three.", ["One two. ", "Three."], ["One two. ", "Three."]),
        ("日本語。です。", ["日本語。", "です。"], ["日本語。", "です。"]),
        ("It cost £5. Bye 7.", ["It cost five pounds.", "Bye seven."], ["It cost £5. ", "Bye 7."]),
        ("7 Mr. X 8", ["Seven", "Mister X", "eight"], ["7 ", "Mr. X ", "8"]),
        ("gone", ["other", "words"], ["gone", ""]),
        ("alone", [], []),
        ("alone", ["whatever"], ["alone"]),
    ],
)
def test_printed_words_are_cut_where_the_spoken_ones_are(
    printed: str, spoken: list[str], parts: list[str]
) -> None:
    assert shown(printed, spoken) == parts


def test_long_paragraphs_lose_no_word() -> None:
    printed = " ".join(f"w{n}" for n in range(10_000))
    found = shown(printed, [f"v{n}" for n in range(9_000)])
    assert "".join(found) == printed


def test_a_language_that_is_no_name_stays_a_value_of_its_attribute() -> None:
    section = Section(number=1, title='"A" & <b>', begin=0, end=0)
    told = Told(section=section, start_s=0.0, duration_s=1.0, cues=[], paragraphs=[])
    page = ElementTree.fromstring(text_page(told, 'en"><b x="&'))
    assert page.get("lang") == 'en"><b x="&'
