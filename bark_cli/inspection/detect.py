"""A sound file -> whether it says that Bark made it, bears a codec's mark, or shows no sign; and why.

None of the answers says who spoke: anybody can write a tag or strip it, a mark is a matter of statistics, and
a sound without a sign may come from anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bark_cli.audio import Provenance, open_sound
from bark_cli.errors import AudioError
from bark_cli.inspection.mark import LEAST_S, THRESHOLD, Mark, MarkMeter

Answer = Literal["says so", "bears the mark", "no sign"]
SUFFIXES = frozenset({".wav", ".flac", ".mp3", ".opus", ".ogg", ".oga", ".aiff", ".aif", ".au", ".caf"})


@dataclass(frozen=True, kw_only=True)
class Signs:
    """What was found in a file."""

    path: Path
    seconds: float
    says_ai: bool  # its tag says that the speech is a machine's
    provenance: Provenance | None  # and this of how it was made
    marks: Sequence[Mark] | None  # None where the sound is too short

    @property
    def answer(self) -> Answer:
        """The strongest sign."""
        if self.says_ai:
            return "says so"
        return "bears the mark" if any(mark.is_found for mark in self.marks or ()) else "no sign"

    @property
    def reasons(self) -> list[str]:
        """What speaks for it and against it, a line each."""
        return [self._of_tag(), *self._of_marks()]

    def _of_tag(self) -> str:
        if not self.says_ai:
            return "tag: none of ours; a tag is lost where a file is converted"
        made = self.provenance
        by = "what else it says is damaged" if made is None else f"bark {made.version}, model {made.model}"
        return f"tag: AI-generated speech ({by}); anybody can write such a tag, or strip it"

    def _of_marks(self) -> Iterator[str]:
        if self.marks is None:
            yield f"mark: {self.seconds:.1f} s is too short to tell; {LEAST_S:.0f} s is the least"
            return
        for mark in self.marks:
            codec, found = mark.codec, mark.is_found
            line = f"mark of {codec.name}, {codec.rate_hz:g} Hz: z {mark.z:.1f}, threshold {THRESHOLD:g}"
            if mark.z >= THRESHOLD and not found:
                line += "; the lines may be another frame rate's, so it counts for nothing"
            yield line + ("; experimental" if codec.is_experimental else "")


def find_signs(path: Path) -> Signs:
    """Read a sound file from its start to its end, and say what is in it.

    Raises:
        AudioError: it is missing, damaged, or no sound that libsndfile knows.
    """
    with open_sound(path) as source:
        meter = MarkMeter(source.sample_rate)
        for block in source.blocks():
            meter.put(block)
        return Signs(
            path=path,
            seconds=meter.seconds,
            says_ai=source.is_ai_generated,
            provenance=source.provenance,
            marks=meter.marks(),
        )


def sound_files(path: Path) -> Iterator[Path]:
    """The file itself, or the sound files of a folder and of those in it, in order; links are not followed.

    Raises:
        AudioError: it is a folder without any.
    """
    if not path.is_dir():
        yield path
        return
    found = sorted(file for file in path.rglob("*") if _is_sound(file))
    if not found:
        raise AudioError(f"{path} holds no sound files; give a folder with some, or a file")
    yield from found


def _is_sound(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES and file.is_file() and not file.is_symlink()
