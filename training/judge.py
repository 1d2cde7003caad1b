"""The judge of the package, as training uses it: WAV files -> what they say, and how much of it is wrong.

Words are compared as the package does and as Whisper's own normaliser does (numbers in digits, `Mr.` and
`mister` alike). Each misses some way to write a number, so what one of them finds alike is alike.
"""

from __future__ import annotations

import argparse
import re
from functools import cache
from pathlib import Path
from typing import Any

from bark_cli import hearing
from bark_cli.hearing import edits as edits
from bark_cli.hearing import normalised as normalised
from bark_cli.hearing.judge import PATIENT

# what Whisper's normaliser leaves apart: "3:30" and "three thirty", "pm" and "p.m."; "o'clock" is 0 to it
_ALIKE = (
    (r"(\d):00\b", r"\1"),
    (r"(\d):(\d\d)\b", r"\1\2"),
    (r"\b([ap])\.?m\b\.?", r"\1m"),
    (r"\bo'clock\b", ""),
)


class Judge(hearing.Judge):
    """On one thread, and with Whisper's own patience. Raises ImportError without the extra `judge`."""

    def __init__(self, *, device: str = "cpu", threads: int = 1):
        super().__init__(device=device, threads=threads, temperatures=PATIENT)


def word_errors(wanted: str, heard: str) -> tuple[int, int]:
    """Edit distance in words between two texts, and the words wanted; of two readings the kinder."""
    a, b = digits(wanted), digits(heard)
    same = a.replace(" ", "") == b.replace(" ", "")
    counted = (0 if same else edits(a.split(), b.split()), len(a.split()))
    return min(hearing.word_errors(wanted, heard), counted, key=lambda e: (e[0] / max(1, e[1]), -e[1]))


def digits(text: str) -> str:
    """English as Whisper's normaliser has it: lower case, no tags or punctuation, numbers in digits."""
    text = re.sub(r"\[[^\]]*\]", " ", text.lower()).replace("’", "'")
    for pattern, to in _ALIKE:
        text = re.sub(pattern, to, text)
    found: str = _normaliser()(text)
    return found.strip()


@cache
def _normaliser() -> Any:
    """Whisper's, without its list of British spellings, which lies beside its weights only."""
    from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

    return EnglishTextNormalizer({"grey": "gray", "colour": "color", "neighbours": "neighbors"})


def main() -> None:
    """Print what each WAV file says; with --text, its word error rate too."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--text", help="what every file should say")
    given = parser.parse_args()
    import soundfile

    judge = Judge()
    for file in given.files:
        wave, rate = soundfile.read(file, dtype="float32")
        mono = wave.mean(1) if wave.ndim > 1 else wave
        heard = judge.hear(mono, rate)
        score = "" if given.text is None else " {}/{} wrong".format(*word_errors(given.text, heard))
        print(f"{file}:{score} {heard}")


if __name__ == "__main__":
    main()
