"""A sound file, Tags and chapters -> an MP4 (.m4b, .m4a), by ffmpeg, which has to be there."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from bark_cli.audio.provenance import Provenance
from bark_cli.audio.tags.model import FIELDS, Tags, picture_type
from bark_cli.errors import AudioError, OptionError

SUFFIXES = (".m4b", ".m4a")
_BIT_RATE = "64k"  # of one voice, in AAC


def check_ffmpeg() -> str:
    """The path of ffmpeg.

    Raises:
        OptionError: it is not there.
    """
    found = shutil.which("ffmpeg")
    if found is None:
        raise OptionError(".m4b is written by ffmpeg, which is not here; install it, or use -o NAME.opus")
    return found


def write_mp4(
    sound: Path, target: Path, tags: Tags, duration_s: float, scratch: Path, provenance: Provenance | None
) -> None:
    """Write `target` from a sound file; `scratch` is a folder for what ffmpeg reads besides.

    Raises:
        OptionError: ffmpeg is not there.
        AudioError: ffmpeg fails.
    """
    facts = scratch / "metadata.txt"
    facts.write_text(_metadata(tags, duration_s, provenance), "utf-8")
    words = [
        check_ffmpeg(),
        "-nostdin",
        "-v",
        "error",
        "-y",
        "-i",
        str(sound),
        "-f",
        "ffmetadata",
        "-i",
        str(facts),
    ]
    if tags.cover is not None:
        cover = scratch / ("cover.png" if picture_type(tags.cover) == "image/png" else "cover.jpg")
        cover.write_bytes(tags.cover)
        words += ["-i", str(cover), "-map", "2:v", "-c:v", "copy", "-disposition:v:0", "attached_pic"]
    words += ["-map", "0:a", "-map_metadata", "1", "-map_chapters", "1", "-c:a", "aac", "-b:a", _BIT_RATE]
    words += [
        "-fflags",
        "+bitexact",
        "-flags:a",
        "+bitexact",
        "-movflags",
        "+faststart",
        "-f",
        "ipod",
        str(target),
    ]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode:
        why = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise AudioError(f"ffmpeg could not write {target.name}: {why[-1] if why else done.returncode}")


def _metadata(tags: Tags, duration_s: float, provenance: Provenance | None) -> str:
    """What ffmpeg reads tags and chapters from."""
    rows = [";FFMETADATA1"]
    rows += [f"{FIELDS[name].mp4}={_escaped(value)}" for name, value in tags.fields.items()]
    if provenance is not None:
        rows += [f"comment={_escaped(provenance.comment())}", f"encoder={_escaped(provenance.software)}"]
    ends = [*(mark.start_s for mark in tags.marks[1:]), duration_s]
    for mark, end_s in zip(tags.marks, ends, strict=True) if tags.marks else ():
        times = [f"START={round(mark.start_s * 1000)}", f"END={round(end_s * 1000)}"]
        rows += ["[CHAPTER]", "TIMEBASE=1/1000", *times, f"title={_escaped(mark.title)}"]
    return "\n".join(rows) + "\n"


def _escaped(value: str) -> str:
    for sign in "\\=;#\n":
        value = value.replace(sign, f"\\{sign}")
    return value
