"""A text with tags and hesitations -> the row of pieces that says it; their tokens are even in number."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from training import units
from training.manner import MARK, NOTE, emphasised, marked, strong_words, sung, unmarked
from training.reading import spelled_out
from training.sounds import TAGS, sound
from training.teacher import Piece, Teacher, piece_of, plain, silence

TAG = re.compile(r"\[(" + "|".join(TAGS) + r")\]")
# what stands between stretches of speech. A dash or an ellipsis that more words follow is a hesitation
BREAK = re.compile(rf"({TAG.pattern.replace('(', '(?:', 1)}|{NOTE}|(?:…|\.\.\.|—|--)\s*(?=[\w{MARK}]))")
BETWEEN_SENTENCES = (4, 10)
AROUND_SOUNDS = (2, 6)
HESITATION_TOKENS = (12, 20)


def compose(text: str, teacher: Teacher, rng: np.random.Generator) -> list[Piece]:
    """The pieces of a text in order; none where nothing is said.

    Numbers, CAPITALS and ♪ lyrics ♪ are read as the tokenizer reads them.
    """
    pieces: list[Piece] = []
    is_sung, pause = False, None
    for i, part in enumerate(BREAK.split(marked(spelled_out(text)))):
        if i % 2 == 0:
            for phonemes, strong in _sentences(part, teacher):
                pieces += _pause_before(pieces, *pause, rng) if pause else []
                said = teacher.frames(phonemes)
                said = sung(phonemes, *said) if is_sung else emphasised(phonemes, *said, strong)
                pieces.append(piece_of(phonemes, *said))
                pause = BETWEEN_SENTENCES, "stop"
        elif tag := TAG.fullmatch(part):
            pieces += _pause_before(pieces, AROUND_SOUNDS, "gap", rng)
            pieces += [sound(tag[1], teacher, rng), silence(int(rng.integers(*AROUND_SOUNDS)), "gap")]
            pause = None
        elif part == NOTE:
            is_sung, pause = not is_sung, (BETWEEN_SENTENCES, "stop")
        else:
            pause = HESITATION_TOKENS, "hesitate"
    return _finished(pieces)


def _sentences(text: str, teacher: Teacher) -> list[tuple[str, list[int]]]:
    """Phonemes of each sentence, and which of its words have weight."""
    sentences = teacher.sentences(plain(unmarked(text)))
    return list(zip(sentences, strong_words(text, sentences), strict=True))


def tokens_of(pieces: list[Piece]) -> npt.NDArray[np.int16]:
    """The tokens (T,) of a row of pieces."""
    return np.concatenate([piece.tokens for piece in pieces])


def _pause_before(
    pieces: list[Piece], length: tuple[int, int], name: str, rng: np.random.Generator
) -> list[Piece]:
    return [silence(int(rng.integers(*length)), name)] if pieces else []


def _finished(pieces: list[Piece]) -> list[Piece]:
    """Inner starts and ends renamed after the pause they lie in; an even number of tokens."""
    if not pieces:
        return []
    row = tokens_of(pieces)
    start, end, gap = units.pause("start"), units.pause("end"), units.pause("gap")
    is_pause = row < len(units.PAUSES)
    i = 0
    while i < len(row):
        j = i
        while j < len(row) and is_pause[j]:
            j += 1
        inside = row[i:j]
        if 0 < i < j < len(row):
            named = [t for t in inside.tolist() if t not in (start, end)]
            row[i:j] = np.where(np.isin(inside, (start, end)), named[0] if named else gap, inside)
        i = max(j, i + 1)
    if row[-1] != end:
        pieces = [*pieces, silence(6, "end")]
        row = np.concatenate([row, pieces[-1].tokens])
    if len(row) % 2:
        pieces = [*pieces, silence(1, "end")]
        row = np.concatenate([row, pieces[-1].tokens])
    cuts = np.cumsum([len(piece.tokens) for piece in pieces])[:-1]
    parts = np.split(row, cuts)
    return [replace(piece, tokens=tokens) for tokens, piece in zip(parts, pieces, strict=True)]
