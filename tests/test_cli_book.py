"""`bark book`, end to end on the tiny model: chapters in every form, killed, gone on with, and misused."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import mutagen
import pytest
import soundfile
from epubs import PNG, write_epub

from bark_cli.audio import read_provenance
from bark_cli.cli import main
from bark_cli.pipeline import Bark
from bark_cli.system.parts import held

PAGES = {
    "a.xhtml": "<h1>One</h1><p>Hello my name is bark.</p><p>I can speak. I can speak.</p>",
    "b.xhtml": "<h1>Two</h1><p>The name is a bark.</p><blockquote><p>Hello.</p></blockquote>",
    "c.xhtml": "<h1>Three</h1><p>I can.</p>",
}
ENTRIES = [("One", "a.xhtml"), ("Two", "b.xhtml"), ("Three", "c.xhtml")]
COVER = {"OEBPS/c.png": PNG}
MANIFEST = '<item id="c" href="c.png" media-type="image/png" properties="cover-image"/>'


@pytest.fixture
def book(tmp_path: Path) -> Path:
    return write_epub(tmp_path / "tale.epub", PAGES, ENTRIES, manifest=MANIFEST, others=COVER)


@pytest.fixture(scope="module")
def how(talkative: Path) -> list[str]:
    return [
        "-m",
        str(talkative),
        "--precision",
        "fp32",
        "--max-duration",
        "0.05",
        "--top-k",
        "12",
        "--retries",
        "0",
    ]


def seeds_spoken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that the model is asked for from here on."""
    asked: list[str] = []
    submit = Bark.submit

    def listen(self: Bark, request: object, **options: object) -> object:
        asked.append(request.text)  # type: ignore[attr-defined]
        return submit(self, request, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Bark, "submit", listen)
    return asked


def test_one_file_has_the_chapters_tags_and_cover_of_the_book(
    book: Path, how: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "tale.mp3"
    assert main(["book", str(book), "-o", str(out), "--tag", "genre=Tale", *how, "-q"]) == 0
    tags = mutagen.File(out).tags
    assert [str(tags[f"CHAP:ch{n}"].sub_frames["TIT2"]) for n in (1, 2, 3)] == ["One", "Two", "Three"]
    assert (str(tags["TIT2"]), str(tags["TPE1"]), str(tags["TCON"])) == ("A Tale", "A. Writer", "Tale")
    assert tags["APIC:"].data == PNG
    assert read_provenance(out) is not None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tale.epub", "tale.mp3"]


def test_chapters_begin_where_they_are_said_to(
    book: Path, how: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "tale.flac"
    assert main(["book", str(book), "-o", str(out), *how, "--json", "--normalize", "off"]) == 0
    told = json.loads(capsys.readouterr().out)
    tracks = mutagen.File(out).cuesheet.tracks
    starts = [chapter["start"] for chapter in told["chapters"]]
    assert [track.start_offset / 24_000 for track in tracks[:-1]] == pytest.approx(starts, abs=0.001)
    assert told["seconds"] == pytest.approx(soundfile.info(out).duration, abs=0.001)
    assert starts[1] == pytest.approx(told["chapters"][0]["seconds"], abs=0.001)
    samples, rate = soundfile.read(out)
    for start in starts[1:]:  # the pause after a chapter is before the mark
        assert abs(samples[round((start - 1) * rate) : round((start - 0.001) * rate)]).max() == 0
        assert abs(samples[round(start * rate) : round((start + 0.1) * rate)]).max() > 0


def test_a_folder_has_a_file_for_each_chapter(book: Path, how: list[str], tmp_path: Path) -> None:
    out = tmp_path / "tale"
    assert main(["book", str(book), "-o", str(out), "--chapters", "1,3", "--format", "opus", *how, "-q"]) == 0
    names = ["1 One.opus", "3 Three.opus", "cover.png", "playlist.m3u8"]
    assert sorted(path.name for path in out.iterdir()) == names
    rows = (out / "playlist.m3u8").read_text("utf-8").splitlines()
    assert [row for row in rows if not row.startswith("#")] == names[:2]
    tags = mutagen.File(out / "3 Three.opus").tags
    assert (tags["TITLE"], tags["ALBUM"], tags["TRACKNUMBER"]) == (["Three"], ["A Tale"], ["3/3"])


def test_what_was_stopped_goes_on_and_sounds_as_if_it_had_not_been(
    talkative: Path, book: Path, how: list[str], tmp_path: Path
) -> None:
    whole, out = tmp_path / "whole.flac", tmp_path / "out.flac"
    asked = ["book", str(book), *how, "--seed", "7", "--batch-size", "1", "--normalize", "off"]
    assert main([*asked, "-o", str(whole), "-q"]) == 0
    kept = tmp_path / ".out.flac.pieces"
    for least in (1, 3):
        running = subprocess.Popen(
            [sys.executable, "-m", "bark_cli", *asked, "-o", str(out)], stderr=subprocess.PIPE
        )
        deadline = time.monotonic() + 100
        while (
            len(list(kept.glob("*.npz"))) < least and running.poll() is None and time.monotonic() < deadline
        ):
            time.sleep(0.01)
        os.kill(running.pid, signal.SIGKILL)
        running.communicate()
    before = {path.name: path.stat().st_mtime_ns for path in kept.glob("*.npz")}
    assert before
    assert main([*asked, "-o", str(out), "--keep-pieces"]) == 0
    assert {name: (kept / name).stat().st_mtime_ns for name in before} == before
    assert out.read_bytes() == whole.read_bytes()


def test_a_changed_paragraph_makes_only_its_pieces_anew_and_a_chapter_can_be_said_again(
    book: Path, how: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "tale.flac"
    asked = ["book", str(book), "-o", str(out), "--keep-pieces", "-q", *how]
    assert main(asked) == 0
    first, spoken = out.read_bytes(), seeds_spoken(monkeypatch)
    changed = {**PAGES, "a.xhtml": PAGES["a.xhtml"].replace("is bark", "is the bark")}
    write_epub(book, changed, ENTRIES, manifest=MANIFEST, others=COVER)
    assert main([*asked, "--force"]) == 0
    assert spoken
    assert all(text.strip() in "Hello my name is the bark." for text in spoken)
    assert out.read_bytes() != first
    spoken.clear()
    second = out.read_bytes()
    assert main([*asked, "--redo", "3"]) == 0
    assert [text.strip(" .") for text in spoken] == ["Three", "I can"]
    assert out.read_bytes() != second
    third = out.read_bytes()
    spoken.clear()
    assert main([*asked, "--force"]) == 0  # what was chosen stays
    assert spoken == []
    assert out.read_bytes() == third


def test_a_folder_that_holds_anything_else_is_never_replaced(
    book: Path, how: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "tale"
    asked = ["book", str(book), "-o", str(out), "--chapters", "3", "--subtitles", "srt", "-q", *how]
    assert main(asked) == 0
    (out / ".DS_Store").touch()
    assert main([*asked, "--force"]) == 0
    before = sorted(path.name for path in out.iterdir())
    (out / "mine.txt").write_text("mine")
    for force in ([], ["--force"], ["--redo", "3"]):
        assert main([*asked, *force]) == 1
        assert f"{out} holds 'mine.txt'" in capsys.readouterr().err
    assert sorted(path.name for path in out.iterdir()) == sorted([*before, "mine.txt"])


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ({"01 a.mp3": "", "playlist.m3u8": "#EXTM3U\n01 a.mp3\n"}, "01 a.mp3"),
        ({"playlist.m3u8": "#EXTM3U\n"}, "playlist.m3u8"),
        ({"cover.jpg": ""}, "cover.jpg"),
        ({"1 a.mp3/thesis.txt": "", "playlist.m3u8": "#EXTM3U\n#BARK\n1 a.mp3\n"}, "1 a.mp3"),
    ],
)
def test_only_plain_files_that_a_playlist_of_ours_names_are_replaced(
    files: dict[str, str],
    named: str,
    book: Path,
    how: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, text in files.items():
        (tmp_path / "Album" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "Album" / name).write_text(text)
    for force in ("--force", "--redo=3"):
        assert main(["book", str(book), "-o", str(tmp_path / "Album"), force, *how]) == 1
        assert f"Album holds {named!r}, which is no part" in capsys.readouterr().err
    assert {name: (tmp_path / "Album" / name).read_text() for name in files} == files


def test_what_is_put_into_the_old_folder_meanwhile_is_kept_and_so_is_the_work(
    book: Path,
    how: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "tale"
    asked = ["book", str(book), "-o", str(out), "--chapters", "3", "--seed", "1", *how]
    assert main([*asked, "-q"]) == 0
    submit = Bark.submit

    def put_beside(self: Bark, request: object, **options: object) -> object:
        (out / "mine.txt").write_text("mine")
        return submit(self, request, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Bark, "submit", put_beside)
        assert main([*asked, "--force"]) == 1
    told = capsys.readouterr().err
    assert f"{out} holds 'mine.txt', which is no part" in told
    assert "pieces are kept; run the same command again" in told
    (out / "mine.txt").rename(tmp_path / "mine.txt")
    spoken = seeds_spoken(monkeypatch)
    assert main([*asked, "--force"]) == 0
    assert spoken == []
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_the_folder_that_one_is_in_is_never_replaced(
    book: Path,
    how: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "here" / "inner").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here" / "inner")
    assert main(["book", str(book), "-o", ".", *how]) == 1
    assert ". is the folder that you are in, and would be replaced; give" in capsys.readouterr().err
    assert main(["book", str(book), "-o", "..", *how, "--force"]) == 1
    assert ".. holds 'inner', which is no part of an audiobook" in capsys.readouterr().err
    assert main(["convert", how[1], "..", "--to", "native", "--force"]) == 1
    assert ".. holds the folder that you are in, and would be replaced; give" in capsys.readouterr().err
    assert (tmp_path / "here" / "inner").samefile(".")


def test_the_dry_run_lists_the_chapters_and_loads_no_model(
    book: Path,
    how: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Bark, "load", lambda *_, **__: pytest.fail("the model was loaded"))
    out = str(tmp_path / "tale.opus")
    assert main(["book", str(book), "-o", out, "--dry-run", *how[:2]]) == 0
    printed, told = capsys.readouterr()
    assert [row.split()[::3] for row in printed.splitlines()] == [
        *(["CHAPTER", "TITLE"], ["1", "One"], ["2", "Two"], ["3", "Three"])
    ]
    assert "A Tale by A. Writer" in told
    assert main(["book", str(book), "-o", out, "--dry-run", "--json", "--chapters", "2-", *how[:2]]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [chapter["title"] for chapter in found["chapters"]] == ["Two", "Three"]
    assert [text.strip(" .") for text in found["chapters"][1]["pieces"]] == ["Three", "I can"]
    assert not (tmp_path / "tale.opus").exists()


def test_the_dry_run_shows_who_says_what_and_numbers_in_words(
    how: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "b.md").write_text('# Chapter IV\n\n"Hello," says the bark. "Speak."\n\nI am 3.\n')
    asked = ["book", str(tmp_path / "b.md"), "-o", str(tmp_path / "x.mp3"), "--dry-run", *how[:2]]
    asked += ["--dialogue-voice", "none", "--read-numbers"]
    assert main([*asked, "--json"]) == 0
    [chapter] = json.loads(capsys.readouterr().out)["chapters"]
    said = dict.fromkeys((None, "none"), "")
    for text, voice in zip(chapter["pieces"], chapter["voices"], strict=True):
        said[voice] += text
    assert "".join(said["none"].split()).strip('."') == 'Hello,""Speak'
    assert "saysthebark.Iamthree." in "".join((said[None] or "").split())
    assert main(asked) == 0
    assert "none says" in capsys.readouterr().err
    assert main([*asked, "--dialogue-voice", "nobody"]) == 2


@pytest.mark.parametrize(
    ("words", "says", "code"),
    [
        (["-o", "x.wav"], "hold no chapters", 2),
        (["-o", "x.aac"], "x.aac: .aac files hold no chapters; use one of .opus", 2),
        (["-o", "x.epub", "--format", "flac"], "every reader plays", 2),
        (["-o", "x.m4b", "--format", "opus"], "give -o x.opus", 2),
        (["-o", "x.ogg", "--format", "mp3"], "the format of one file is that of its name", 2),
        (["-o", "x.mp3", "--dialogue-voice", "nobody"], "no voice 'nobody'", 2),
        (["-o", "-"], "bark say", 2),
        (["-o", "x.mp3", "--chapters", "9"], "the book has chapters 1 to 3", 2),
        (["-o", "x.mp3", "--chapters", "a"], "not understood", 2),
        (["-o", "x.mp3", "--include", "jokes"], "footnotes", 2),
        (["-o", "x.mp3", "--redo", "1"], "not kept", 2),
        (["-o", "x.mp3", "--redo", "9"], "--redo 9: the book has chapters 1 to 3", 2),
        (["-o", "x.mp3", "--tag", "tilte=x"], "--tag", 2),
        (["-o", "taken.mp3"], "--force", 1),
        (["-o", "no/folder/x.mp3"], "does not exist", 1),
    ],
)
def test_mistakes_are_one_line_and_nothing_is_lost(
    words: list[str],
    says: str,
    code: int,
    book: Path,
    how: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken.mp3").write_text("mine")
    assert main(["book", str(book), *words, *how]) == code
    told = capsys.readouterr().err.strip()
    assert says in told
    assert told.count("\n") == 0
    assert (tmp_path / "taken.mp3").read_text() == "mine"


def test_subtitles_lie_beside_it_and_tell_the_times_of_the_whole(
    book: Path, how: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "tale.flac"
    asked = ["book", str(book), "-o", str(out), *how, "--subtitles", "srt"]
    assert main([*asked, "--json"]) == 0
    third = json.loads(capsys.readouterr().out)["chapters"][2]
    rows = (tmp_path / "tale.srt").read_text("utf-8").splitlines()
    clocks = [row.split(" --> ")[0].replace(",", ".").split(":") for row in rows if " --> " in row]
    begins = [int(hours) * 3600 + int(minutes) * 60 + float(seconds) for hours, minutes, seconds in clocks]
    assert begins == sorted(begins)
    assert min(abs(begin - third["start"]) for begin in begins) < 0.002
    assert main([*asked[:2], "-o", str(tmp_path / "x.flac"), *asked[4:]]) == 0
    assert main([*asked[:2], "-o", str(tmp_path / "tales"), *asked[4:], "--format", "opus"]) == 0
    assert (tmp_path / "tales" / "3 Three.srt").is_file()
    assert main([*asked[:2], "-o", str(tmp_path / "x.epub"), *asked[4:]]) == 2
    (tmp_path / "y.srt").write_text("mine")
    capsys.readouterr()
    assert main([*asked[:2], "-o", str(tmp_path / "y.flac"), *asked[4:]]) == 1
    assert "y.srt exists" in capsys.readouterr().err


def test_a_script_is_said_by_its_cast_and_strict_refuses_unknown_tags(
    book: Path, how: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "play.txt").write_text("ANNA: Hello. [wobbles]\nBEN: I can.\n")
    asked = [
        "book",
        str(tmp_path / "play.txt"),
        "-o",
        str(tmp_path / "x.mp3"),
        "--dry-run",
        "--json",
        *how[:2],
    ]
    cast = ["--cast", "ANNA=none", "--cast", "BEN=none"]
    assert main([*asked, *cast]) == 0
    assert set(json.loads(capsys.readouterr().out)["chapters"][0]["voices"]) == {"none"}
    assert main([*asked, *cast, "--strict"]) == 2
    assert "--strict forbids it" in capsys.readouterr().err
    assert main([*asked[:1], str(book), *asked[2:], *cast]) == 2
    assert "--cast is for scripts" in capsys.readouterr().err


def test_two_runs_do_not_write_one_book(
    book: Path, how: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "tale.flac"
    folder = tmp_path / ".tale.flac.pieces"
    with held(folder) as is_ours:
        assert is_ours
        assert main(["book", str(book), "-o", str(out), *how]) == 1
        told = capsys.readouterr().err
        assert "another run is writing" in told
        assert not out.exists()
    assert not folder.exists()
    assert main(["book", str(book), "-o", str(out), "-q", *how]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tale.epub", "tale.flac"]


def test_without_ffmpeg_an_m4b_is_one_line(
    book: Path,
    how: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if shutil.which("ffmpeg"):
        out = tmp_path / "tale.m4b"
        assert main(["book", str(book), "-o", str(out), *how, "-q", "--chapters", "2-3"]) == 0
        assert [chapter.title for chapter in mutagen.File(out).chapters] == ["Two", "Three"]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["book", str(book), "-o", str(tmp_path / "x.m4b"), *how]) == 2
    assert "written by ffmpeg" in capsys.readouterr().err


def test_say_tags_its_file_and_nothing_else(
    how: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.png").write_bytes(PNG)
    asked = ["say", "Hello.", *how, "-q", "--tag", "title=Hi", "--cover", str(tmp_path / "c.png")]
    assert main([*asked, "-o", str(tmp_path / "a.opus")]) == 0
    tags = mutagen.File(tmp_path / "a.opus").tags
    assert tags["TITLE"] == ["Hi"]
    assert tags["METADATA_BLOCK_PICTURE"]
    for words in (["-o", "-"], [], ["-o", str(tmp_path / "a.wav")]):
        assert main([*asked, *words]) == 2
        assert "cover" in capsys.readouterr().err


def test_a_lexicon_changes_what_a_book_says(
    book: Path, how: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "l.toml").write_text('[en.words]\nbark = "speak"\n')
    asked = ["book", str(book), "-o", str(tmp_path / "x.mp3"), "--dry-run", "--json", *how[:2]]
    assert main([*asked, "--say-as", str(tmp_path / "l.toml")]) == 0
    chapters = json.loads(capsys.readouterr().out)["chapters"]
    text = "".join("".join(chapter["pieces"]) for chapter in chapters).replace(" ", "")
    assert "bark" not in text
    assert "speak" in text


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("sheet.csv", "sheet.csv is a table, not a text; `bark batch"),
        ("data.json", "data.json is data in JSON, not a text"),
        ("-", "a book is read from a file or a folder; for a text from a pipe, `bark say -f -`"),
    ],
)
def test_what_is_no_book_is_not_read_aloud(
    name: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for path in ("sheet.csv", "data.json"):
        Path(path).write_text("text,voice\nHello,anna\n")
    assert main(["book", name, "-o", "x.mp3", "--dry-run"]) == 2
    assert capsys.readouterr().err.startswith(f"bark: {says}")
