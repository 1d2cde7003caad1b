"""The judge of the package, as training uses it: WAV files -> what they say, and how much of it is wrong."""

from __future__ import annotations

import argparse
from pathlib import Path

from bark_cli import hearing
from bark_cli.hearing import edits as edits
from bark_cli.hearing import normalised as normalised
from bark_cli.hearing import word_errors as word_errors
from bark_cli.hearing.judge import PATIENT


class Judge(hearing.Judge):
    """On one thread, and with Whisper's own patience. Raises ImportError without the extra `judge`."""

    def __init__(self, *, device: str = "cpu", threads: int = 1):
        super().__init__(device=device, threads=threads, temperatures=PATIENT)


def main() -> None:
    """Print what each WAV file says; with --text, its word error rate too."""
    parser = argparse.ArgumentParser(description=__doc__)
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
