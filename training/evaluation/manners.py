"""Whether CAPITALS and notes are heard: semantic tokens of a sentence said with them and without.

What is compared are the tokens, which hold lengths and pitch: a word with weight is longer and no lower than
without, and what is sung is drawn out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from training.manner import NOTE
from training.phrases import WORD
from training.vocabulary import NO_PITCH, NO_PLACE, PLACES, Layout

LONGER = 1.12  # times: a word in capitals, at the least; the teacher's are 1.35 times as long
SUNG = 1.25  # times: a line that is sung
BACK = 4  # characters that a token's place may go back: the others go on


@dataclass(frozen=True)
class Weighed:
    """A sentence, the same with a word in capitals, and which characters of each are the word's."""

    plain: str
    strong: str
    span: tuple[int, int]


def weighed(sentences: Sequence[str], tokenizer: Tokenizer) -> list[Weighed]:
    """Each sentence with a word of four letters or more, the first in one and the second in the next."""
    found: list[Weighed] = []
    for text in sentences:
        words = text.split()
        fit = [i for i, word in enumerate(words) if WORD.fullmatch(word) and len(word.strip(",.!?;")) > 3]
        if not fit:
            continue
        i = fit[len(found) % len(fit)]
        strong = " ".join([*words[:i], words[i].upper(), *words[i + 1 :]])
        before, after = (
            len(tokenizer.encode(" ".join(words[:n]), add_special_tokens=False).ids) for n in (i, i + 1)
        )
        found.append(Weighed(" ".join(words), strong, (before, after)))
    return found


def sung(text: str) -> str:
    """A sentence between notes."""
    return f"{NOTE} {text} {NOTE}"


def characters(places: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """Places modulo PLACES (T,), of tokens that have one -> which character of the text each belongs to."""
    steps = (np.diff(places.astype(np.int64), prepend=0) + BACK) % PLACES - BACK
    return np.cumsum(steps)


def of_word(ids: npt.NDArray[np.integer], span: tuple[int, int], table: Layout) -> tuple[int, float]:
    """How many of some semantic tokens (T,) are those of a word's characters, and mean pitch, 0 to 3."""
    rows = table.rows[np.asarray(ids)]
    rows = rows[rows[:, 3] != NO_PLACE]
    at = characters(rows[:, 3])
    mine = rows[(at >= span[0]) & (at < span[1])]
    pitches = mine[mine[:, 1] != NO_PITCH, 1]
    return len(mine), float(pitches.mean()) if len(pitches) else 0.0


def has_weight(
    item: Weighed, plain: npt.NDArray[np.integer], strong: npt.NDArray[np.integer], table: Layout
) -> bool:
    """Whether the word is longer and no lower in the tokens (T,) of the sentence with capitals."""
    length, pitch = of_word(plain, item.span, table)
    begin, end = item.span
    longer, higher = of_word(strong, (begin + 1, end + 1), table)
    return longer >= LONGER * length and higher >= pitch - 0.1
