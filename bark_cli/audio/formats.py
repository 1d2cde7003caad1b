"""Which formats there are: a file name or a format's name -> libsndfile's container and encoding."""

from __future__ import annotations

import os
from pathlib import Path

from bark_cli.errors import OptionError
from bark_cli.system.files import check_target

# file suffix -> libsndfile's container and encoding
FORMATS = {
    ".wav": ("WAV", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".ogg": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
}
RAW = "raw"  # 16 bit little-endian samples and nothing else; chosen by name, no suffix stands for it
FORMAT_NAMES = (*(suffix[1:] for suffix in FORMATS), RAW)


def find_format(path: str | Path | None = None, name: str | None = None) -> str:
    """One of FORMAT_NAMES: the one that is named, else what the suffix of `path` says.

    Raises:
        OptionError: it is not a known format, or there is nothing to tell it by.
    """
    if name is not None:
        wanted = name.lower().removeprefix(".")
        if wanted not in FORMAT_NAMES:
            raise OptionError(f"{name} is not a known format; use one of {', '.join(FORMAT_NAMES)}")
        return wanted
    if path is None:
        raise OptionError(f"name the format of the sound, one of {', '.join(FORMAT_NAMES)}")
    suffix = Path(path).suffix
    if suffix.lower() not in FORMATS:
        known = f"use one of {', '.join(FORMATS)}"
        if suffix.lower() == f".{RAW}":
            what = f"ends in {suffix}: --raw asks for samples without a header"
        elif suffix:
            what = f"ends in {suffix}, which is not a known format"
        else:
            what = "has no ending that says its format"
        raise OptionError(f"{path} {what}; {known}")
    return suffix.lower()[1:]


def check_sound_file(path: str | Path, *, force: bool = False, format: str | None = None) -> None:
    """Find out whether `path` can be written as sound, before any is made; `format` overrules its suffix.

    Raises:
        OptionError: the format is not known.
        OutputError: it exists and `force` is off, is a folder, or its folder is missing or read-only.
    """
    if not os.path.isdir(path):  # noqa: PTH112  (a name may be too long for pathlib); else that is what is wrong with it
        find_format(path, format)
    check_target(Path(path), force=force)
