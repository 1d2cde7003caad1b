"""Chapters one after the other, a sound file each, and in the end all of it -> an EPUB 3 to read along."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from bark_cli.audio import Sink, open_sink
from bark_cli.book.compose import Section
from bark_cli.book.readalong.package import CONTAINER, Leaf, contents, cover_name, package
from bark_cli.book.readalong.page import CSS, overlay, text_page
from bark_cli.book.shelf import Edition, Shelf, Told, chapter_tags
from bark_cli.system.files import new_path, told_of
from bark_cli.system.folders import folder_beside

SUFFIX = ".epub"
FORMATS = ("mp3", "opus")  # that every reading system has to play (Opus since EPUB 3.3)
_DATE = (1980, 1, 1, 0, 0, 0)  # of all members: the archive holds no times of the machine


@contextmanager
def open_readalong(path: Path, edition: Edition) -> Iterator[Shelf]:
    """A shelf that becomes the EPUB at `path`; `edition.format` is one of FORMATS."""
    with new_path(path, force=edition.force) as part, folder_beside(path) as scratch:
        shelf = _ReadAlong(scratch, edition)
        yield shelf
        with told_of(path):
            shelf.write(part)


class _ReadAlong:
    """Its sounds lie in a folder of their own until all is said."""

    def __init__(self, scratch: Path, edition: Edition) -> None:
        self._scratch, self._edition = scratch, edition
        self._leaves: list[Leaf] = []

    @contextmanager
    def chapter(self, section: Section) -> Iterator[Sink]:
        """The sound of the next one."""
        edition = self._edition
        sound = self._scratch / f"{_name(section, edition)}.{edition.format}"
        tags = chapter_tags(section, edition)
        with edition.levelled(
            open_sink(sound, None, edition.sample_rate, edition.metadata, tags=tags)
        ) as sink:
            yield sink

    def finish(self, told: Sequence[Told]) -> None:
        """Take note of what was said, and when."""
        self._leaves = [Leaf(told=one, name=_name(one.section, self._edition)) for one in told]

    def write(self, target: Path) -> None:
        """Pack all of it; its type comes first, and unpacked, as readers want it."""
        edition, tags = self._edition, self._edition.tags
        now = datetime.now(timezone.utc)
        with zipfile.ZipFile(target, "w") as archive:
            _put(archive, "mimetype", "application/epub+zip", zipfile.ZIP_STORED)
            _put(archive, "META-INF/container.xml", CONTAINER)
            _put(archive, "EPUB/book.opf", package(self._leaves, tags, edition.metadata, edition.format, now))
            _put(archive, "EPUB/nav.xhtml", contents(self._leaves, tags))
            _put(archive, "EPUB/style.css", CSS)
            if tags.cover is not None:
                _put(archive, f"EPUB/{cover_name(tags.cover)}", tags.cover, zipfile.ZIP_STORED)
            for leaf in self._leaves:
                sound = leaf.sound(edition.format)
                _put(archive, f"EPUB/{leaf.page}", text_page(leaf.told, tags.fields.get("language", "und")))
                _put(archive, f"EPUB/{leaf.overlay}", overlay(leaf.told, leaf.page, sound))
                _put_file(archive, f"EPUB/{sound}", self._scratch / sound)


def _put_file(archive: zipfile.ZipFile, name: str, path: Path) -> None:
    """As it is, a little at a time: a chapter may last for hours."""
    info = zipfile.ZipInfo(name, _DATE)
    info.file_size = path.stat().st_size  # whether it needs the long form of a header
    with path.open("rb") as source, archive.open(info, "w") as target:
        shutil.copyfileobj(source, target)


def _name(section: Section, edition: Edition) -> str:
    return f"c{section.number:0{len(str(edition.total))}}"


def _put(archive: zipfile.ZipFile, name: str, data: str | bytes, method: int = zipfile.ZIP_DEFLATED) -> None:
    archive.writestr(zipfile.ZipInfo(name, _DATE), data, method)
