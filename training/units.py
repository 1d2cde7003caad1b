"""nano's semantic tokens: a phoneme's half and relative pitch, a pause or a sound, per 20 ms; no speaker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SAMPLE_RATE = 24_000
TOKEN_RATE = 50
TOKEN_SAMPLES = SAMPLE_RATE // TOKEN_RATE

VOWELS = "AIOWYiuæɑɔəɛɜɪʊʌᵻɐᵊ"
VOICED = "bdvzðʒʤɡlmnŋɹwjT"
UNVOICED = "fhkpstʃʧθ"
PHONES = VOWELS + VOICED + UNVOICED
# rare symbols of the teacher's alphabet, read as their nearest neighbour
ALIASES = {"ɾ": "T", "Q": "O", "a": "æ", "ɒ": "ɑ", "e": "ɛ", "o": "ɔ", "ʔ": "t", "x": "k", "ɚ": "ɜ", "ɨ": "ᵻ"}
PAUSES = ("start", "gap", "comma", "stop", "hesitate", "end")
# octiles of log(f0 / median) over the teacher's voiced frames
PITCH_EDGES = (-0.165, -0.108, -0.058, 0.0, 0.07, 0.15, 0.255)
PITCH_BINS = len(PITCH_EDGES) + 1
# each sound is a row of phases, so that a language model can count its way through
SOUND_PHASES = {"laugh-voice": 8, "laugh-breath": 8, "sigh": 8, "gasp": 5, "throat-burst": 6, "throat-gap": 6}
NOTES = 24


@dataclass(frozen=True)
class Unit:
    """What one semantic id means; `index` is the half of a phone, or the phase or note of a sound."""

    kind: str
    name: str
    index: int = 0
    pitch: int = -1


def _all_units() -> Iterator[Unit]:
    yield from (Unit("pause", name) for name in PAUSES)
    for phone in PHONES:
        pitches = range(-1, 0) if phone in UNVOICED else range(PITCH_BINS)
        yield from (Unit("phone", phone, half, pitch) for half in (0, 1) for pitch in pitches)
    for name, phases in SOUND_PHASES.items():
        yield from (Unit("sound", name, phase) for phase in range(phases))
    yield from (Unit("music", part, note) for part in ("strike", "ring") for note in range(NOTES))


UNITS: tuple[Unit, ...] = tuple(_all_units())
IDS: dict[Unit, int] = {unit: i for i, unit in enumerate(UNITS)}


def pause(name: str) -> int:
    """The id of a pause."""
    return IDS[Unit("pause", name)]


# what may be said in a frame; neither its half nor its pitch counts
KINDS = ("pause", "sound", "music", *PHONES)
Kinds = npt.NDArray[np.int64]  # numbers in KINDS (T,)
_KIND_OF = np.array([KINDS.index(unit.name if unit.kind == "phone" else unit.kind) for unit in UNITS])


def kinds_of(tokens: npt.ArrayLike) -> Kinds:
    """The kind of each id (T,)."""
    return _KIND_OF[np.asarray(tokens)].astype(np.int64)


def pitch_bin(log_ratio: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
    """The pitch bin (0..7) of log(f0 / the voice's median f0)."""
    return np.searchsorted(np.asarray(PITCH_EDGES), log_ratio, side="right")


def phones_of(tokens: npt.ArrayLike) -> str:
    """The phonemes a row of ids spells, one character each; runs merged, pauses and sounds a space."""
    spelled = []
    last: Unit | None = None
    for unit in (UNITS[i] for i in np.asarray(tokens).tolist()):
        name = unit.name if unit.kind == "phone" else " "
        before = last.name if last is not None and last.kind == "phone" else " "
        # a phone starts anew when its first half follows its second half
        again = last is not None and unit.kind == "phone" and unit.index < last.index
        if last is None or name != before or again:
            spelled.append(name)
        last = unit
    return "".join(spelled).strip()
