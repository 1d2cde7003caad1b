"""Where the chapters of an audiobook go: one file that has chapters, or a folder with a file for each."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from bark_cli.audio import Audio, Cue, Level, LevelledSink, Provenance, Sink, Tags, open_sink
from bark_cli.audio.subtitles import subtitles
from bark_cli.audio.tags.mp4 import SUFFIXES as MP4
from bark_cli.audio.tags.mp4 import write_mp4
from bark_cli.book.compose import Paragraph, Section
from bark_cli.errors import OutputError
from bark_cli.system.files import new_path, told_of, write_whole
from bark_cli.system.folders import folder_beside, new_folder
from bark_cli.system.ours import read_ours

IN_ONE = (".opus", ".ogg", ".mp3", ".flac", *MP4)  # formats that have chapters
_MOST_NAME = 80  # characters of a chapter's title in the name of its file
_MOST_BYTES = 200  # of the same: systems take 255, and number and suffix are to come
_PLAYLIST, _LONGEST_PLAYLIST = "playlist.m3u8", 2**22  # bytes
_MARK = "#BARK"  # a row of each playlist of ours, which players skip: other programs write playlists, too
_COVERS, _SUBTITLES = ("cover.jpg", "cover.png"), (".srt", ".vtt")
_OF_DESKTOPS = (".DS_Store", "Thumbs.db", "desktop.ini")  # which put them into every folder that is looked at


@dataclass(frozen=True, kw_only=True)
class Told:
    """A chapter that is done."""

    section: Section
    start_s: float  # in the one file; in one of its own it is 0
    duration_s: float
    cues: Sequence[Cue]  # of its pieces, from its own start
    paragraphs: Sequence[Paragraph]  # all that stands in it


@dataclass(frozen=True, kw_only=True, eq=False)
class Edition:
    """All that the files of an audiobook share."""

    tags: Tags
    metadata: Provenance | None
    sample_rate: int
    level: Level
    total: int  # chapters
    format: str  # of the files in a folder
    subtitles: str | None  # srt or vtt, beside each file
    force: bool

    def levelled(self, sink: Sink) -> Sink:
        """The sink, at the level that every chapter is brought to."""
        return sink if self.level == "off" else LevelledSink(sink, self.sample_rate, self.level)

    def write_subtitles(self, sound: Path, cues: Sequence[Cue]) -> None:
        """Beside a sound, where they are asked for."""
        if self.subtitles is not None:
            text = subtitles(cues, self.subtitles)  # type: ignore[arg-type]  # one of its choices
            write_whole(sound.with_suffix(f".{self.subtitles}"), text.encode(), force=self.force)


class Shelf(Protocol):
    """Takes one chapter after the other."""

    def chapter(self, section: Section) -> AbstractContextManager[Sink]:
        """Where the sound of the next one goes; leaving it ends the chapter."""

    def finish(self, told: Sequence[Told]) -> None:
        """Take what is said of all chapters, now that they are done."""


@contextmanager
def open_one_file(path: Path, edition: Edition) -> Iterator[Shelf]:
    """One file with chapters."""
    if path.suffix.lower() in MP4:
        with new_path(path, force=edition.force) as part, folder_beside(path) as scratch:
            sound = scratch / "book.flac"
            with open_sink(sound, None, edition.sample_rate) as sink:
                yield _OneFile(path, sink, edition)
            tags = replace(edition.tags, marks=sink.marks)
            with told_of(path):
                write_mp4(sound, part, tags, sink.duration_s, scratch, edition.metadata)
        return
    with open_sink(
        path, None, edition.sample_rate, edition.metadata, tags=edition.tags, force=edition.force
    ) as sink:
        yield _OneFile(path, sink, edition)


class _OneFile:
    """Chapters in a row."""

    def __init__(self, path: Path, sink: Sink, edition: Edition) -> None:
        self._path, self._sink, self._edition = path, sink, edition

    @contextmanager
    def chapter(self, section: Section) -> Iterator[Sink]:
        self._sink.mark(section.title)
        with self._edition.levelled(_Part(self._sink)) as sink:
            yield sink

    def finish(self, told: Sequence[Told]) -> None:
        """Write the subtitles of all of it."""
        self._edition.write_subtitles(
            self._path, [cue.later(one.start_s) for one in told for cue in one.cues]
        )


class _Part(Sink):
    """A sink whose end is not that of the file."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def put(self, audio: Audio) -> None:
        """Write the next piece; raises as the other sink does."""
        self._sink.put(audio)

    def close(self) -> None:
        """Leave the file open."""

    def abandon(self) -> None:
        """The same; whoever has opened it gives it up."""


@contextmanager
def open_folder(path: Path, edition: Edition) -> Iterator[Shelf]:
    """A file for each chapter, a playlist and the cover.

    Raises:
        OutputError: as `new_folder`, or as `check_replaceable`, now that all chapters are made.
    """
    with new_folder(path, force=edition.force, check=lambda: check_replaceable(path)) as folder:
        yield Folder(folder, edition)


def check_replaceable(path: Path) -> None:
    """Find out whether a folder, if there is one, holds an audiobook of ours and nothing else.

    Raises:
        OutputError: it holds what would be lost with it.
    """
    with told_of(path):
        found = list(os.scandir(path)) if path.is_dir() else []
        files = {_composed(one.name) for one in found if one.is_file(follow_symlinks=False)}
        playlist = read_ours(path / _PLAYLIST, _LONGEST_PLAYLIST) if _PLAYLIST in files else None
    rows, ours = _composed((playlist or b"").decode("utf-8", "replace")).splitlines(), {*_OF_DESKTOPS}
    if _MARK in rows:
        ours |= {*rows, _PLAYLIST, *_COVERS}
        ours |= {sound.rpartition(".")[0] + suffix for sound in rows for suffix in _SUBTITLES}
    if foreign := sorted({_composed(one.name) for one in found} - (ours & files)):
        raise OutputError(
            f"{path} holds {foreign[0]!r}, which is no part of an audiobook by Bark, and would be replaced "
            "as a whole; move that elsewhere, or give -o the name of a new folder"
        )


def _composed(name: str) -> str:
    """The name with its accents composed: file systems of Macs take them apart."""
    return unicodedata.normalize("NFC", name)


class Folder:
    """Chapters as files in a folder that is not yet in its place."""

    def __init__(self, folder: Path, edition: Edition) -> None:
        self._folder, self._edition = folder, edition
        self._names: list[str] = []

    @contextmanager
    def chapter(self, section: Section) -> Iterator[Sink]:
        """The file of the next one."""
        edition, width = self._edition, len(str(self._edition.total))
        name = f"{section.number:0{width}} {file_name(section.title)}.{edition.format}"
        tags = chapter_tags(section, edition)
        self._names.append(name)
        sink = open_sink(self._folder / name, None, edition.sample_rate, edition.metadata, tags=tags)
        with edition.levelled(sink) as levelled:
            yield levelled

    def finish(self, told: Sequence[Told]) -> None:
        """Write the playlist, and the cover."""
        rows = ["#EXTM3U", _MARK, f"#PLAYLIST:{self._edition.tags.fields.get('album', '')}"]
        for name, one in zip(self._names, told, strict=True):
            rows += [f"#EXTINF:{round(one.duration_s)},{one.section.title}", name]
            self._edition.write_subtitles(self._folder / name, one.cues)
        with told_of(self._folder):
            (self._folder / _PLAYLIST).write_text("\n".join(rows) + "\n", "utf-8")
            if (cover := self._edition.tags.cover) is not None:
                suffix = "png" if cover.startswith(b"\x89PNG") else "jpg"
                (self._folder / f"cover.{suffix}").write_bytes(cover)


def chapter_tags(section: Section, edition: Edition) -> Tags:
    """What the file of one chapter says of itself."""
    fields = {**edition.tags.fields, "title": section.title, "track": f"{section.number}/{edition.total}"}
    return replace(edition.tags, fields=fields)


def file_name(title: str) -> str:
    """A title as a name that every system's files can have."""
    plain = re.sub(r'[\x00-\x1f<>:"/\\|?*]', " ", title)
    short = " ".join(plain.split())[:_MOST_NAME].encode("utf-8", "replace")[:_MOST_BYTES]
    return short.decode("utf-8", "ignore").strip(" .") or "Chapter"
