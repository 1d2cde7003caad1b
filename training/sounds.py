"""Sounds made by code: a tag like [laughs] -> a piece with tokens and frames (601, F) of its own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from training import units
from training.teacher import BINS, HERTZ, HOP, MEDIAN_F0, Array, Frames, Piece, Teacher, both
from training.units import SAMPLE_RATE, TOKEN_SAMPLES

SILENT = np.float32(-9.0)
LOWEST_NOTE = 110.0  # Hz
BEAT = 8  # tokens: 160 ms
# in semitones above the key; no two notes come twice in the same order, so that each tells which is next
TUNES = (
    (0, 4, 7, 12, 9, 7, 5, 2, 12),
    (12, 11, 7, 4, 5, 9, 7, 2, 0),
    (0, 2, 4, 7, 9, 12, 14, 16, 12),
    (0, 3, 7, 10, 8, 5, 3, 2, 0),
    (7, 9, 7, 4, 0, 2, 5, 4, 12),
    (12, 7, 8, 3, 5, 0, 10, 14, 15),
)
FRAME_S = HOP / SAMPLE_RATE
TAGS = ("laughs", "laughter", "sighs", "gasps", "clears throat", "music")


def sound(tag: str, teacher: Teacher, rng: np.random.Generator) -> Piece:
    """The piece for a tag without its brackets; raises KeyError for a tag that has none."""
    if tag in ("laughs", "laughter"):
        return laugh(teacher, rng)
    return {"sighs": sigh, "gasps": gasp, "clears throat": clear_throat, "music": music}[tag](rng)


def laugh(teacher: Teacher, rng: np.random.Generator) -> Piece:
    """Four to seven "ha" at four to five a second, f0 and level falling, more breath than speech."""
    count = int(rng.integers(4, 8))
    syllable = str(rng.choice(["hˈɑ", "hˈʌ", "hˈæ"], p=[0.5, 0.3, 0.2]))
    spoken = " ".join([syllable] * 4) + "."
    frames, durations = teacher.frames(spoken)
    # one "ha" of the teacher's own, from the middle of the row, resampled to the length of each syllable
    ends = np.cumsum(durations) - 4
    second = spoken.index("h", 2) + 1
    h_from, vowel_from = int(ends[second - 1]) - 2, int(ends[second])
    vowel_to = vowel_from + 10
    period = FRAME_S**-1 / rng.uniform(4.0, 5.2)
    top = rng.uniform(1.15, 1.55)
    at: list[npt.NDArray[np.float64]] = []
    breathy: list[bool] = []
    f0: list[npt.NDArray[np.float64]] = []
    level: list[npt.NDArray[np.float64]] = []
    for k in range(count):
        length = period * (1.0 + 0.08 * k / count) * rng.uniform(0.93, 1.07)
        n_h, n_v = max(3, round(0.42 * length)), max(4, round(0.58 * length))
        at += [np.linspace(h_from, vowel_from - 1, n_h), np.linspace(vowel_from, vowel_to, n_v)]
        breathy += [True] * n_h + [False] * n_v
        pitch = MEDIAN_F0 * top * (0.62 ** (k / count)) * np.linspace(1.07, 0.93, n_v)
        f0 += [np.zeros(n_h), pitch]
        level += [np.full(n_h, -0.1 * k), np.linspace(0.1, -0.5, n_v) - 0.16 * k]
    index = np.rint(np.concatenate(at)).astype(int)
    gain = np.concatenate(level).astype(np.float32)
    breath = np.asarray(breathy)
    harmonics, noise = (part[:, index] + gain for part in (frames.harmonics, frames.noise))
    made = Frames(
        harmonics=np.where(breath, SILENT, harmonics),
        noise=np.where(breath, noise + np.float32(0.6), both(noise, harmonics - np.float32(1.9))),
        f0=np.concatenate(f0).astype(np.float32),
    )
    return _as_piece(made, lambda u, t: ("laugh-breath" if breath[t] else "laugh-voice", u))


def sigh(rng: np.random.Generator) -> Piece:
    """0.8 to 1.5 s of breath through an open mouth, falling, with a little voice at first."""
    frames = round(rng.uniform(0.8, 1.5) / FRAME_S)
    u = np.linspace(0.0, 1.0, frames)
    envelope = np.minimum(u / 0.12, 1.0) * (1.0 - u) ** 0.8
    first = rng.uniform(750, 950) * (1 - 0.25 * u)
    formants = [(first, 180.0), (1350 - 250 * u, 220.0), (2600 + 0 * u, 350.0)]
    ln = _noise(formants, envelope, rng.uniform(0.5, 0.9), tilt=-1.6)
    voice = np.clip(1.0 - u / rng.uniform(0.35, 0.6), 0.0, 1.0)
    lh = _noise(formants, envelope * voice, rng.uniform(-0.2, 0.6), tilt=-2.5)
    f0 = np.where(voice > 0.02, MEDIAN_F0 * rng.uniform(0.95, 1.2) * (1.0 - 0.35 * u), 0.0)
    return _as_piece(Frames(lh, ln, f0.astype(np.float32)), lambda v, t: ("sigh", v))


def gasp(rng: np.random.Generator) -> Piece:
    """0.35 to 0.6 s of indrawn breath, bright, rising and cut short."""
    frames = round(rng.uniform(0.35, 0.6) / FRAME_S)
    u = np.linspace(0.0, 1.0, frames)
    envelope = u**0.7 * np.minimum((1.0 - u) / 0.12, 1.0)
    formants = [(500 + 250 * u, 250.0), (rng.uniform(1500, 1800) + 500 * u, 250.0), (3000 + 300 * u, 400.0)]
    ln = _noise(formants, envelope, rng.uniform(0.6, 1.0), tilt=-1.0)
    return _as_piece(
        Frames(np.full_like(ln, SILENT), ln, np.zeros(frames, np.float32)), lambda v, t: ("gasp", v)
    )


def clear_throat(rng: np.random.Generator) -> Piece:
    """Two bursts of creaky voice and rough noise, the second one longer."""
    lengths = [rng.uniform(0.16, 0.22), rng.uniform(0.07, 0.12), rng.uniform(0.22, 0.36)]
    sizes = [round(s / FRAME_S) for s in lengths]
    burst = np.concatenate([np.full(sizes[0], True), np.full(sizes[1], False), np.full(sizes[2], True)])
    envelope = np.concatenate([_hump(sizes[0]), np.full(sizes[1], 0.02), _hump(sizes[2])])
    frames = len(burst)
    formants = [
        (np.full(frames, 620.0), 160.0),
        (np.full(frames, 1250.0), 200.0),
        (np.full(frames, 2400.0), 300.0),
    ]
    rough = envelope * rng.uniform(0.55, 1.0, frames)
    ln = _noise(formants, rough, 1.1, tilt=-1.8)
    lh = _noise(formants, rough, 2.0, tilt=-2.2)
    creak = MEDIAN_F0 * rng.uniform(0.42, 0.55) * rng.uniform(0.75, 1.25, frames)
    return _as_piece(
        Frames(lh, ln, np.where(burst, creak, 0.0).astype(np.float32)),
        lambda v, t: ("throat-burst" if burst[t] else "throat-gap", v),
    )


def music(rng: np.random.Generator) -> Piece:
    """A plucked tune of 1.6 s in one of seven keys: two tokens of a note's strike, then its ring.

    Beat and tunes are few and fixed: a network that always takes the likeliest token must be able to tell
    from what it has said when a note, and the tune, is over.
    """
    key = int(rng.integers(0, 7))
    notes = [key + step for step in TUNES[int(rng.integers(len(TUNES)))]]
    tokens: list[int] = []
    tune: list[tuple[float, int]] = []
    for k, note in enumerate(notes):
        length = BEAT if k < len(notes) - 1 else 2 * BEAT
        tokens += [units.IDS[units.Unit("music", "strike" if i < 2 else "ring", note)] for i in range(length)]
        tune.append((LOWEST_NOTE * 2 ** (note / 12), length * TOKEN_SAMPLES))
    return Piece(np.asarray(tokens, np.int16), frames=_plucked(tune), is_music=True)


def _plucked(tune: list[tuple[float, int]]) -> Frames:
    """Notes, each (Hz, samples), struck and left to ring: six partials, the higher the sooner gone."""
    begun = np.cumsum([0, *(samples for _, samples in tune)])
    at = HOP * np.arange(-(-int(begun[-1]) // HOP) + 1)
    which = np.minimum(np.searchsorted(begun, at, side="right") - 1, len(tune) - 1)
    f0 = np.array([hz for hz, _ in tune])[which]
    seconds = (at - begun[which]) / SAMPLE_RATE
    partial = np.maximum(HERTZ[:, None] / f0, 1.0)
    log = 4.2 - 1.3 * np.log(partial) - seconds * (2.2 + 1.6 * partial) - 3.0 * np.maximum(partial - 6.5, 0.0)
    harmonics = np.maximum(log, SILENT).astype(np.float32)
    return Frames(harmonics, np.full_like(harmonics, SILENT), f0.astype(np.float32))


def _hump(frames: int) -> npt.NDArray[np.float64]:
    u = np.linspace(0.0, 1.0, frames)
    return np.minimum(u / 0.15, 1.0) * np.minimum((1.0 - u) / 0.4, 1.0) + 0.02


def _noise(
    formants: list[tuple[npt.NDArray[np.float64], float]],
    envelope: npt.NDArray[np.float64],
    level: float,
    *,
    tilt: float,
) -> Array:
    """Log magnitudes (601, F) of resonances under an envelope; tilt in nepers over the whole band."""
    shape = np.full((BINS, len(envelope)), 0.02)
    for i, (centre, width) in enumerate(formants):
        distance = (HERTZ[:, None] - centre[None, :]) / width
        shape += 0.7**i / (1.0 + distance**2)
    slope = tilt * np.linspace(0.0, 1.0, BINS)[:, None]
    log = np.log(shape) + slope + np.log(np.maximum(envelope, 1e-3))[None, :] + level
    floored: Array = np.maximum(log, SILENT).astype(np.float32)
    return floored


def _as_piece(frames: Frames, name_at: Callable[[float, int], tuple[str, float]]) -> Piece:
    """Tokens whose phase runs evenly over the sound; the frames are padded to whole tokens."""
    count = int(np.ceil(len(frames.f0) * HOP / TOKEN_SAMPLES))
    last = len(frames.f0) - 1
    tokens = []
    for k in range(count):
        name, u = name_at(k / count, min(last, int((k + 0.5) * TOKEN_SAMPLES / HOP)))
        phases = units.SOUND_PHASES[name]
        tokens.append(units.IDS[units.Unit("sound", name, min(phases - 1, int(u * phases)))])
    return Piece(
        np.asarray(tokens, np.int16), frames=frames.cut(0, int(np.ceil(count * TOKEN_SAMPLES / HOP)) + 1)
    )
