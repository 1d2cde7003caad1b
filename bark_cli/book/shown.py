"""A passage as it is printed and the pieces as they are spoken -> the words that each of them says.

A lexicon or spelled numbers change what is spoken; what is shown beside the sound is the book's own text.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import accumulate, pairwise

_MOST_PAIRS = 400_000  # of equal words, which are compared again and again; prose of 4,000 words has them


def shown(printed: str, spoken: Sequence[str]) -> list[str]:
    """`printed` in as many parts as there are pieces; joined, they are `printed`.

    Each begins where its piece does: to the letter where both texts are the same but for spaces, else at the
    word that stands for the first one spoken.
    """
    if len(spoken) < 2:
        return [printed] if spoken else []
    letters = [at for at, sign in enumerate(printed) if not sign.isspace()]
    said = ["".join(piece.split()) for piece in spoken]
    if "".join(said) == "".join(printed.split()):
        begins = [letters[count] for count in accumulate(map(len, said[:-1]))]
    else:
        begins = _by_words(printed, [piece.split() for piece in spoken])
    return [printed[begin:end] for begin, end in pairwise([0, *begins, len(printed)])]


def _by_words(printed: str, spoken: Sequence[Sequence[str]]) -> list[int]:
    """Where all pieces but the first begin."""
    words = [(found.start(), found.group()) for found in re.finditer(r"\S+", printed)]
    ends = list(accumulate(map(len, spoken)))
    firsts = ends[:-1]  # of the words that are spoken
    own, others = [word for _, word in words], [word for piece in spoken for word in piece]
    counts = Counter(others)
    if sum(counts[word] for word in own) > _MOST_PAIRS:
        places = [round(first * len(words) / ends[-1]) for first in firsts]
    else:
        blocks = SequenceMatcher(None, own, others, autojunk=False).get_matching_blocks()
        places = [_place(first, blocks) for first in firsts]
    starts = [*(start for start, _ in words), len(printed)]
    rising = accumulate((min(place, len(words)) for place in places), max)
    return [starts[place] for place in rising]


def _place(first: int, blocks: Sequence[tuple[int, int, int]]) -> int:
    """The printed word that stands for a spoken one."""
    number = bisect_left([spoken + size for _, spoken, size in blocks], first + 1)
    printed, spoken, _ = blocks[min(number, len(blocks) - 1)]
    if first >= spoken:
        return printed + first - spoken
    before = blocks[number - 1] if number else (0, 0, 0)
    return min(printed, before[0] + before[2] + first - before[1] - before[2])
