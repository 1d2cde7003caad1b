"""Tags, covers and chapters are where other programs look for them: mutagen and ffprobe read them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import mutagen
import numpy as np
import pytest
import soundfile
from epubs import PNG

from bark_cli.audio import (
    Audio,
    LevelledSink,
    Provenance,
    Tags,
    check_tags_fit,
    open_sink,
    parse_tags,
    read_cover,
    read_provenance,
)
from bark_cli.audio.tags.model import FIELDS, ChapterMark
from bark_cli.audio.tags.mp4 import write_mp4
from bark_cli.audio.tags.vorbis import read_comments
from bark_cli.errors import OptionError

RATE = 24_000
FIELD = {"title": "Ein Büch", "artist": "A. Writer", "album": "Saga", "track": "3/12", "genre": "Audiobook"}
FIELD |= {
    "date": "1897",
    "language": "de",
    "albumartist": "A. Writer",
    "composer": "Anna",
    "series": "S 日本",
}
MADE = Provenance("nano", "nano/anna", 7, "0" * 64, "0.1.0", {"speed": 1.5})
NOWHERE = ["-map", "0:a", "-f", "null", "-"]
CHAPTERS = [(0.0, "One"), (1.25, "Two — zwei"), (2.5, "Three")]


def written(path: Path, *, cover: bytes | None = PNG, marks: bool = True, **how: Any) -> Path:
    rng = np.random.default_rng(1)
    with open_sink(path, None, RATE, MADE, tags=Tags(fields=FIELD, cover=cover), **how) as sink:
        for _, title in CHAPTERS:
            if marks:
                sink.mark(title)
            sink.put(Audio(rng.normal(0, 0.1, round(1.25 * RATE)).astype(np.float32), RATE))
    return path


def probed(path: Path) -> dict[str, Any]:
    """What ffprobe says."""
    ffprobe = shutil.which("ffprobe")
    if ffprobe is None:
        pytest.skip("ffprobe is not here (tests/apt-packages.txt)")
    asked = [
        ffprobe,
        "-v",
        "error",
        "-of",
        "json",
        "-show_chapters",
        "-show_format",
        "-show_streams",
        str(path),
    ]
    found: dict[str, Any] = json.loads(subprocess.run(asked, capture_output=True, check=True).stdout)
    return found


@pytest.mark.parametrize("suffix", [".opus", ".ogg", ".flac", ".mp3"])
def test_ffprobe_reads_chapters_tags_and_cover(tmp_path: Path, suffix: str) -> None:
    found = probed(written(tmp_path / f"b{suffix}"))
    chapters = [(float(c["start_time"]), c["tags"]["title"]) for c in found["chapters"]]
    assert [title for _, title in chapters] == [title for _, title in CHAPTERS]
    assert all(abs(a - b) < 0.05 for (a, _), (b, _) in zip(chapters, CHAPTERS, strict=True))
    kinds = [stream["codec_type"] for stream in found["streams"]]
    assert kinds == ["audio", "video"]
    tags = {**found["format"].get("tags", {}), **found["streams"][0].get("tags", {})}
    tags = {name.lower(): value for name, value in tags.items()}
    assert (tags["title"], tags["artist"], tags["album"], tags["genre"]) == (
        "Ein Büch",
        "A. Writer",
        "Saga",
        "Audiobook",
    )
    assert tags["track"] == "3/12"
    assert tags["comment"].startswith("AI-generated speech")
    assert float(found["format"]["duration"]) == pytest.approx(3.75, abs=0.1)


@pytest.mark.parametrize("suffix", [".opus", ".ogg", ".flac"])
def test_mutagen_reads_comments_and_cover(tmp_path: Path, suffix: str) -> None:
    found = mutagen.File(written(tmp_path / f"b{suffix}"))
    for name, value in FIELD.items():
        assert found.tags[FIELDS[name].vorbis] == [value]
    assert found.tags["CHAPTER002NAME"] == ["Two — zwei"]
    assert found.tags["CHAPTER002"] == ["00:00:01.250"]
    if suffix == ".flac":
        assert found.pictures[0].data == PNG
        assert [track.start_offset for track in found.cuesheet.tracks] == [0, 30_000, 60_000, 90_000]
    else:
        assert found.tags["METADATA_BLOCK_PICTURE"]


def test_mutagen_reads_the_frames_of_an_mp3(tmp_path: Path) -> None:
    found = mutagen.File(written(tmp_path / "b.mp3")).tags
    assert found.version == (2, 4, 0) or found.version == (2, 3, 0)
    assert str(found["TIT2"]) == "Ein Büch"
    assert str(found["TLAN"]) == "deu"
    assert str(found["TXXX:SERIES"]) == "S 日本"
    assert found["APIC:"].data == PNG
    assert found["CTOC:toc"].child_element_ids == ["ch1", "ch2", "ch3"]
    chapter = found["CHAP:ch2"]
    assert (chapter.start_time, chapter.end_time) == (1250, 2500)
    assert str(chapter.sub_frames["TIT2"]) == "Two — zwei"


@pytest.mark.parametrize("suffix", [".opus", ".ogg", ".flac", ".mp3", ".wav"])
def test_the_sound_and_how_it_was_made_stay_as_they_are(tmp_path: Path, suffix: str) -> None:
    marked = suffix != ".wav"
    tagged = written(tmp_path / f"b{suffix}", cover=PNG if marked else None, marks=marked)
    with open_sink(tmp_path / f"plain{suffix}", None, RATE, MADE) as sink:
        rng = np.random.default_rng(1)
        for _ in CHAPTERS:
            sink.put(Audio(rng.normal(0, 0.1, round(1.25 * RATE)).astype(np.float32), RATE))
    assert np.array_equal(soundfile.read(tagged)[0], soundfile.read(tmp_path / f"plain{suffix}")[0])
    assert read_provenance(tagged) == MADE
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    if suffix == ".wav":
        assert soundfile.info(tagged).extra_info is not None
        assert b"IART\x0a\0\0\0A. Writer\0" in tagged.read_bytes()


@pytest.mark.parametrize("suffix", [".opus", ".ogg"])
def test_a_cover_of_many_pages_leaves_every_page_whole(tmp_path: Path, suffix: str) -> None:
    cover = PNG + bytes(np.random.default_rng(2).integers(0, 256, 300_000, dtype=np.uint8))
    path = written(tmp_path / f"b{suffix}", cover=cover)
    found = probed(path)
    assert [stream["codec_type"] for stream in found["streams"]] == ["audio", "video"]
    assert soundfile.info(path).frames == 90_000
    if ffmpeg := shutil.which("ffmpeg"):
        words = [ffmpeg, "-v", "warning", "-err_detect", "crccheck+explode", "-i", path, *NOWHERE]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0
        assert "ogg" not in done.stderr.lower()


def test_three_hundred_chapters_are_all_listed(tmp_path: Path) -> None:
    for suffix in (".mp3", ".opus", ".flac"):
        with open_sink(tmp_path / f"b{suffix}", None, RATE, MADE) as sink:
            for number in range(300):
                sink.mark(f"Chapter {number}")
                sink.put(Audio(np.zeros(240, np.float32), RATE))
        assert len(probed(tmp_path / f"b{suffix}")["chapters"]) == 300
    tags = mutagen.File(tmp_path / "b.mp3").tags
    assert sum(len(tags[f"CTOC:toc{n}"].child_element_ids) for n in (1, 2)) == 300


def test_a_levelled_file_has_its_chapters_too(tmp_path: Path) -> None:
    with LevelledSink(open_sink(tmp_path / "b.flac", None, RATE), RATE, "peak") as sink:
        for _, title in CHAPTERS:
            sink.mark(title)
            sink.put(Audio(np.full(round(1.25 * RATE), 0.1, np.float32), RATE))
    found = probed(tmp_path / "b.flac")["chapters"]
    assert [c["tags"]["title"] for c in found] == [title for _, title in CHAPTERS]


def test_an_m4b_has_chapters_tags_and_cover(tmp_path: Path) -> None:
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not here (tests/apt-packages.txt)")
    sound = written(tmp_path / "b.flac")
    tags = Tags(fields=FIELD, cover=PNG, marks=[ChapterMark(*chapter) for chapter in CHAPTERS])
    write_mp4(sound, tmp_path / "b.m4b", tags, 3.75, tmp_path, MADE)
    found = probed(tmp_path / "b.m4b")
    assert [c["tags"]["title"] for c in found["chapters"]] == ["One", "Two — zwei", "Three"]
    assert [float(c["start_time"]) for c in found["chapters"]] == [0.0, 1.25, 2.5]
    read = mutagen.File(tmp_path / "b.m4b")
    assert read.tags["\xa9nam"] == ["Ein Büch"]
    assert bytes(read.tags["covr"][0]) == PNG
    assert read.tags["\xa9cmt"][0].startswith("AI-generated speech")
    assert [chapter.title for chapter in read.chapters] == ["One", "Two — zwei", "Three"]


def test_tags_are_checked_before_anything_is_made(tmp_path: Path) -> None:
    assert parse_tags(["title=A=B", "Artist = C "]) == {"title": "A=B", "artist": "C"}
    for wrong in (["title"], ["title="], ["tilte=x"], ["title=a", "title=b"], ["title=\x1b[2J"]):
        with pytest.raises(OptionError):
            parse_tags(wrong)
    (tmp_path / "c.gif").write_bytes(b"GIF89a")
    for name in ("c.gif", "gone.png"):
        with pytest.raises(OptionError, match="--cover"):
            read_cover(tmp_path / name)
    with pytest.raises(OptionError, match="holds no cover"):
        check_tags_fit("wav", Tags(cover=PNG))
    with pytest.raises(OptionError, match="no tags"):
        check_tags_fit("raw", Tags(fields={"title": "x"}))


def test_comments_that_end_too_soon_are_no_comments() -> None:
    for block in (b"", b"\1\0\0\0", b"\0\0\0\0\5\0\0\0"):
        with pytest.raises(ValueError, match="too soon"):
            read_comments(block)
