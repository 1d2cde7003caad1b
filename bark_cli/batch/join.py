"""The files of a batch, one after the other -> one file more, a second of sound at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bark_cli.audio import Provenance, Sink, Tags, open_sink, open_sound, scaled, silence
from bark_cli.audio.formats import RAW
from bark_cli.audio.sink import NO_TAGS
from bark_cli.batch.identity import told
from bark_cli.batch.ledger import Entry, Ledger
from bark_cli.batch.place import NewFile, place
from bark_cli.batch.room import check_free
from bark_cli.errors import OptionError
from bark_cli.system.digest import digest
from bark_cli.system.interrupts import uninterrupted

STEM = "all"
_EXACT = 32_768 / 32_767  # 16 bits are read by the one, and written by the other


@dataclass(frozen=True, kw_only=True)
class Joint:
    """How files are joined."""

    format: str
    pause_s: float = 0.0  # of silence between two
    metadata: Provenance | None = None
    tags: Tags = NO_TAGS
    overwrite: bool = False

    @property
    def output(self) -> str:
        """The name of the one file."""
        return f"{STEM}.{self.format}"


def check_joint(format: str) -> None:
    """Find out whether files of a format can be joined.

    Raises:
        OptionError: they cannot be read again.
    """
    if format == RAW:
        raise OptionError("--join reads the files again, and raw ones cannot be; use --format wav")


def join_files(parts: Sequence[Entry], joint: Joint, ledger: Ledger, scratch: Path) -> Entry:
    """Join what was made, in the order given; nothing is done where that is done.

    Raises:
        AudioError: a part cannot be read.
        OutputError: the file cannot be written, or is somebody else's.
    """
    key = digest([part.sha256 for part in parts], joint.pause_s, joint.format, *told(joint.tags))
    if not joint.overwrite and (entry := ledger.find(joint.output, key)) is not None:
        return entry
    check_free(joint.output, ledger, overwrite=joint.overwrite)
    staged, destination = scratch / joint.output, ledger.destination
    with destination.reading(parts[0].output, scratch) as path, open_sound(path) as first:
        rate = first.sample_rate
    with open_sink(staged, joint.format, rate, joint.metadata, tags=joint.tags) as sink:
        for number, part in enumerate(parts):
            with uninterrupted(), destination.reading(part.output, scratch) as path:
                sink.put(silence(joint.pause_s if number else 0.0, rate))
                _append(path, sink)
    new = NewFile(staged, joint.output, key, "--join", round(sink.duration_s, 3), 0)
    return place(new, ledger, overwrite=joint.overwrite).entry


def _append(path: Path, sink: Sink) -> None:
    """Put all of a file into the sink."""
    with open_sound(path) as source:
        gain = _EXACT if "16 bit" in source.encoding else 1.0
        for block in source.blocks():
            sink.put(scaled(block, gain))
