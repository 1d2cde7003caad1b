"""nano's ids: text characters, and semantic tokens that know their place in the text.

A semantic token is (unit, pitch, last frame of its phone or not, place in the text modulo 16). The place
makes the semantic GPT's task a short one: it reads from its own last token where in the text it stands. The
teacher's units (training.units) carry no place; `training.alignment` finds it.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tokenizers import Regex, Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer, Replace, Sequence
from tokenizers.pre_tokenizers import BertPreTokenizer

from training import manner, units
from training.reading import spelling

PLACES = 16
NO_PLACE = PLACES  # sounds and music stand nowhere
PITCHES = 4
NO_PITCH = PITCHES  # unvoiced phones, pauses, sounds
TAGS = ("[laughs]", "[laughter]", "[sighs]", "[gasps]", "[clears throat]", "[music]")
CHARACTERS = string.ascii_lowercase + string.digits + "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~…—♪"
PACE = 0.86  # seconds that nano speaks for each that bark_cli.text.split estimates
STOPS = ".!?…"  # a text that ends in none of them is given the first: where it ends otherwise nano reads on
SPECIAL = ("[PAD]", "[UNK]", "[INFER]")

Factors = npt.NDArray[np.int16]  # (T, 4): unit class, pitch, last, place


def build_tokenizer() -> Tokenizer:
    """Lower-case characters as WordPieces ("a" begins a word, "##a" goes on), each tag one token.

    Numbers are spelled out, and a word in capitals has a mark in front.
    """
    pieces = [*SPECIAL, *CHARACTERS, *(f"##{c}" for c in string.ascii_lowercase + string.digits)]
    tokenizer = Tokenizer(WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    swaps = [
        (re.escape(manner.MARK), ""),
        (r"\.\.\.", "…"),
        ("--", "—"),
        ("♪", " ♪ "),
    ]
    kept = Regex(f"[^ A-Za-z0-9{''.join(chr(92) + c for c in string.punctuation)}…—♪]")
    tokenizer.normalizer = Sequence(
        [
            *(Replace(Regex(pattern), to) for pattern, to in swaps),
            *spelling(),
            # letter by letter: a pattern that matches nothing long breaks the tokenizers package
            *(Replace(Regex(manner.BEGIN + c.upper()), manner.MARK + c) for c in string.ascii_lowercase),
            BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=True, lowercase=True),
            Replace(kept, ""),
        ]
    )
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.add_special_tokens(list(TAGS))
    return tokenizer


def _classes() -> list[tuple[str, str, int]]:
    """(kind, name, index) of each unit class: halves of phones and pitches are not told apart here."""
    seen: dict[tuple[str, str, int], None] = {}
    for unit in units.UNITS:
        seen[unit.kind, unit.name, 0 if unit.kind in ("phone", "pause") else unit.index] = None
    return list(seen)


CLASSES = _classes()
CLASS_OF = {key: i for i, key in enumerate(CLASSES)}
END_CLASS = len(CLASSES)  # end of speech
VOICED = frozenset(units.VOWELS + units.VOICED)


@dataclass(frozen=True)
class Layout:
    """All valid combinations of factors, in id order, and the way back from factors to ids."""

    rows: npt.NDArray[np.int16]  # (ids, 4)

    @property
    def size(self) -> int:
        """How many semantic tokens there are; this id itself is end of speech."""
        return len(self.rows)

    @property
    def n_placed(self) -> int:
        """How many tokens, the first ones, have a place in the text: their id modulo PLACES."""
        return int(np.flatnonzero(self.rows[:, 3] < PLACES)[-1]) + 1

    def ids(self, factors: Factors) -> npt.NDArray[np.int64]:
        """(T, 4) -> (T,)."""
        table = np.full((len(CLASSES), PITCHES + 1, 2, PLACES + 1), -1, np.int64)
        table[tuple(self.rows.T)] = np.arange(self.size)
        ids: npt.NDArray[np.int64] = table[tuple(factors.astype(np.int64).T)]
        if (ids < 0).any():
            raise ValueError(f"no token has the factors {factors[ids < 0][0].tolist()}")
        return ids


def layout() -> Layout:
    """nano's semantic vocabulary."""
    rows = []
    for i, (kind, name, _) in enumerate(CLASSES):
        if kind in ("sound", "music"):
            rows.append((i, NO_PITCH, 0, NO_PLACE))
            continue
        pitches = range(PITCHES) if kind == "phone" and name in VOICED else (NO_PITCH,)
        rows += [(i, p, last, place) for p in pitches for last in (0, 1) for place in range(PLACES)]
    return Layout(np.array(rows, np.int16))


@dataclass(frozen=True)
class Segment:
    """A run of tokens of one phone, pause or sound."""

    name: str
    start: int
    stop: int
    is_sound: bool


def segments(tokens: npt.NDArray[np.integer]) -> list[Segment]:
    """Teacher's tokens (T,) -> runs; a phone that begins its first half anew begins a new run."""
    found: list[Segment] = []
    before: units.Unit | None = None
    for t, unit in enumerate(units.UNITS[i] for i in tokens.tolist()):
        sounding = unit.kind in ("sound", "music")
        name = "sound" if sounding else unit.name if unit.kind == "phone" else f"<{unit.name}>"
        again = before is not None and unit.kind == "phone" and unit.index < before.index
        if found and name == found[-1].name and not again:
            found[-1] = Segment(name, found[-1].start, t + 1, sounding)
        else:
            found.append(Segment(name, t, t + 1, sounding))
        before = unit
    return found


def factors_of(tokens: npt.NDArray[np.integer], places: npt.NDArray[np.integer]) -> Factors:
    """Teacher's tokens (T,) and the place in the text of each segment -> factors (T, 4)."""
    rows = np.empty((len(tokens), 4), np.int16)
    for segment, place in zip(segments(tokens), places.tolist(), strict=True):
        for t in range(segment.start, segment.stop):
            unit = units.UNITS[int(tokens[t])]
            if segment.is_sound:
                rows[t] = CLASS_OF[unit.kind, unit.name, unit.index], NO_PITCH, 0, NO_PLACE
                continue
            pitch = unit.pitch * PITCHES // units.PITCH_BINS if unit.pitch >= 0 else NO_PITCH
            rows[t] = CLASS_OF[unit.kind, unit.name, 0], pitch, t == segment.stop - 1, place % PLACES
    return rows


def spelled(ids: npt.NDArray[np.integer], table: Layout) -> str:
    """The phones that semantic ids spell: a phone ends at its last frame, all that is no phone is a space."""
    letters = []
    for class_, _, last, _ in table.rows[np.asarray(ids)].tolist():
        kind, name, _ = CLASSES[class_]
        if kind == "phone" and last:
            letters.append(name)
        elif kind != "phone" and letters and letters[-1] != " ":
            letters.append(" ")
    return "".join(letters).strip()
