"""How words are said: CAPITALS with weight, ♪ lyrics ♪ sung; and how nano's text tells of it.

A word in capitals is said longer, higher and louder. nano's text has no capitals: its tokenizer puts a mark
in front of such a word instead, and so does the text that the teacher's sentences are made from. A word
between notes has long vowels and one note of a tune.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from training import units
from training.excitation import VOICED_HZ
from training.teacher import HOP, LAG, MEDIAN_F0, Frames

MARK = "*"
NOTE = "♪"
# said as they always are, and not by letters (training.letters)
USUAL = "AM|PM|OK|IT|PIN|NASA|NATO|AIDS"
# where such a word begins: two capitals at least and a vowel; not one who is to speak (MAN:)
BEGIN = rf"(?<![\w'’])(?=[A-Z]['’]?[A-Z][A-Z'’]*(?![A-Za-z]))(?=[A-Z'’]*[AEIOUY])(?!(?:{USUAL})\b)(?![A-Z]+:)"

STRONG_LENGTH = 1.35
STRONG_PITCH = 0.24  # log of f0
STRONG_LEVEL = np.float32(0.35)  # log magnitude: 3 dB
RAMP = 5  # frames, over which weight comes and goes
SUNG_LENGTHS = {"vowel": 2.0, "other": 1.15}
# in semitones from the voice's middle, word by word: up and down in steps that nano's four pitches can tell
TUNE = (-1.0, 1.0, 3.5, 5.5, 3.5, 1.0, -1.0, -3.0)
VIBRATO_HZ, VIBRATO = 5.5, 0.012

Lengths = npt.NDArray[np.int64]  # frames of each symbol of " " + phonemes + " "


def marked(text: str) -> str:
    """A text with a mark before each word in capitals, and no other marks."""
    return re.sub(BEGIN, MARK, text.replace(MARK, ""))


def unmarked(text: str) -> str:
    """A marked text in small letters where it was in capitals: the teacher would spell some such words."""
    return re.sub(rf"{re.escape(MARK)}([A-Z'’]*)", lambda word: word[1].lower(), text)


def strong_words(text: str, sentences: Sequence[str]) -> list[list[int]]:
    """Of each sentence's phonemes, which of its words (by number) have a mark in the text.

    None have where the text's words are not one by one the phonemes' (a word of hyphens may be two).
    """
    words = [word for word in text.split() if re.search(r"\w", word)]
    counts = [len(word_spans(phonemes)) for phonemes in sentences]
    if len(words) != sum(counts):
        return [[] for _ in counts]
    begins = np.cumsum([0, *counts])
    return [
        [i for i, word in enumerate(words[begin : begin + count]) if MARK in word]
        for begin, count in zip(begins, counts, strict=False)
    ]


def word_spans(phonemes: str) -> list[tuple[int, int]]:
    """Where the words of a phoneme string begin and end."""
    found = [match.span() for match in re.finditer(r"[^ ]+", phonemes)]
    return [(start, stop) for start, stop in found if any(c in units.PHONES for c in phonemes[start:stop])]


def emphasised(
    phonemes: str, frames: Frames, durations: Lengths, words: Sequence[int]
) -> tuple[Frames, Lengths]:
    """A sentence, frames (601, F) and durations, with weight on some of its words, by number."""
    if not words:
        return frames, durations
    spans = word_spans(phonemes)
    weight = np.zeros(len(durations))
    for start, stop in (spans[i] for i in words):
        weight[start + 1 : stop + 1] = 1.0
    moved, lengths = _stretched(frames, durations, 1 + (STRONG_LENGTH - 1) * weight)
    ramp = np.full(RAMP, 1 / RAMP)
    heavy = np.convolve(_heard(weight, lengths, len(moved.f0)), ramp, mode="same").astype(np.float32)
    higher = np.exp(np.float32(STRONG_PITCH) * heavy)
    return replace(moved.louder(STRONG_LEVEL * heavy), f0=moved.f0 * higher), lengths


def sung(phonemes: str, frames: Frames, durations: Lengths) -> tuple[Frames, Lengths]:
    """A sentence, frames (601, F) and durations, sung: long vowels, and a note of TUNE for each word."""
    note = np.full(len(durations), TUNE[0])
    for number, (start, _) in enumerate(word_spans(phonemes)):
        note[start + 1 :] = TUNE[number % len(TUNE)]
    longer = [SUNG_LENGTHS["vowel" if c in units.VOWELS else "other"] for c in f" {phonemes} "]
    moved, lengths = _stretched(frames, durations, np.array(longer))
    count = len(moved.f0)
    swing = VIBRATO * np.sin(2 * np.pi * VIBRATO_HZ * np.arange(count) * HOP / units.SAMPLE_RATE)
    tune = MEDIAN_F0 * 2 ** (_heard(note, lengths, count) / 12) * (1 + swing)
    f0 = np.where(moved.f0 > VOICED_HZ, tune, moved.f0).astype(np.float32)
    return replace(moved, f0=f0), lengths


def _stretched(
    frames: Frames, durations: Lengths, factors: npt.NDArray[np.float64]
) -> tuple[Frames, Lengths]:
    """Every symbol so many times as long."""
    ends, new_ends = np.cumsum(durations), np.rint(np.cumsum(durations * factors)).astype(np.int64)
    count = len(frames.f0) + int(new_ends[-1] - ends[-1])
    # the audio runs LAG frames ahead of the durations
    new, old = [0, *new_ends, new_ends[-1] + LAG], [0, *ends, ends[-1] + LAG]
    at = (np.interp(np.arange(count) + LAG, new, old) - LAG).astype(np.float32)
    return frames.taken(at), np.diff(new_ends, prepend=0)


def _heard(values: npt.NDArray[np.float64], durations: Lengths, count: int) -> npt.NDArray[np.float64]:
    """What belongs to each symbol, for each of `count` frames of audio."""
    each = np.repeat(values, durations)
    heard: npt.NDArray[np.float64] = each[np.minimum(np.arange(count) + LAG, len(each) - 1)]
    return heard
