"""Where a sound comes from, kept in its file: Provenance <-> the comment tag of WAV, FLAC, Ogg and MP3."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from bark_cli.system.records import Bounds, parse, record

_BOUNDS = Bounds(2**16, items=1000, depth=6)
NOTICE = "AI-generated speech"  # what any player shows; the rest of the comment is ours to read


@dataclass(frozen=True)
class Provenance:
    """What made a sound. It holds no date: the same command writes the same bytes, whenever it runs.

    libsndfile reads no more than 2 KiB of a comment in WAV: `settings` should hold only what was asked for.
    """

    model: str
    voice: str | None
    seed: int | None
    text_hash: str  # from `hash_text`: tells whether a text is the same, and hides it
    version: str  # of bark_cli
    settings: Mapping[str, Any] = field(default_factory=dict)  # the options it was made with; JSON

    @property
    def software(self) -> str:
        """The tag that names the program."""
        return f"bark_cli {self.version}"

    def comment(self) -> str:
        """One line of ASCII, since libsndfile reads the tags of MP3 as Latin-1."""
        return f"{NOTICE} {json.dumps(asdict(self), sort_keys=True, separators=(',', ':'))}"


def hash_text(text: str) -> str:
    """SHA-256 of the text in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def is_notice(comment: str) -> bool:
    """Whether the comment says of itself that the speech is a machine's, even where no more can be read."""
    return comment.startswith(NOTICE)


def parse_comment(comment: str) -> Provenance | None:
    """What `Provenance.comment` wrote; None where the comment is somebody else's.

    Fields that a later version may have added are left out.
    """
    if not is_notice(comment):
        return None
    try:
        return record(Provenance, parse(comment[len(NOTICE) :], _BOUNDS))
    except ValueError:
        return None
