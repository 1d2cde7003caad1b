"""The name that an audiobook is to have -> what kind it is, and who writes it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from bark_cli.audio.tags.mp4 import SUFFIXES as MP4
from bark_cli.audio.tags.mp4 import check_ffmpeg
from bark_cli.book.readalong import SUFFIX as READ_ALONG
from bark_cli.book.readalong import open_readalong
from bark_cli.book.shelf import IN_ONE, Edition, Shelf, check_replaceable, open_folder, open_one_file
from bark_cli.errors import OptionError
from bark_cli.system.files import check_target
from bark_cli.system.folders import check_new_folder

_NO_BOOKS = (".wav", ".raw", ".aac", ".aif", ".aiff", ".caf", ".m4r", ".mka", ".mp4", ".oga", ".wma")


def check_output(path: Path, *, force: bool, subtitles: str | None = None) -> None:
    """Find out whether an audiobook can be written to `path`, before any of it is made.

    `subtitles` is srt or vtt, for a file beside it.

    Raises:
        OptionError: its suffix says nothing that we know, or ffmpeg is missing.
        OutputError: it exists and `force` is off, or holds files of others, or cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix in IN_ONE or suffix == READ_ALONG:
        if suffix in MP4:
            check_ffmpeg()
        check_target(path, force=force)
        if subtitles is not None:
            check_target(path.with_suffix(f".{subtitles}"), force=force)
    elif suffix in _NO_BOOKS:
        others = ", ".join((*IN_ONE, READ_ALONG))
        raise OptionError(f"{path}: {suffix} files hold no chapters; use one of {others}, or a folder")
    else:
        check_replaceable(path)
        check_new_folder(path, force=force)


def opener(path: Path) -> Callable[[Path, Edition], AbstractContextManager[Shelf]]:
    """What opens a shelf of the kind that a name asks for."""
    suffix = path.suffix.lower()
    if suffix == READ_ALONG:
        return open_readalong
    return open_one_file if suffix in IN_ONE else open_folder
