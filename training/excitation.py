"""What excites a voice: an f0 curve (F,), dice -> pulses and ticks (samples,); codes (3, frames).

A small decoder that is told the spectrum alone must invent where the pulses lie, and what it invents buzzes
at the rate of the frames. So two codebooks of the codec say it outright: the phase of the pulses, on a grid
of 32, and about how high f0 is, at the end of each frame and at its middle. The teacher's voices are
rendered with phases that lie on that grid, which moves f0 by 3.1 Hz at most, so the codes lose nothing.
The noise of a voice is made of ticks, 40 a frame, up or down by a throw of dice that is a third code: without
a source of noise a decoder can only repeat itself, and if it cannot know the noise it cannot learn it either.
(At 2,000 ticks a second noise sounds smooth: Järveläinen and Karjalainen, "Reverberation modeling using
velvet noise".)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Array = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int16]

RATE = 24_000
HOP = 300  # samples between values of an f0 curve
FRAME = 480  # samples of a frame of codes
HALF = FRAME // 2
LEVELS = 32  # of phase
BINS = 15  # of f0, in equal ratios
LOW, HIGH = 62.0, 440.0  # Hz
PULSED = BINS * LEVELS  # the code of no pulses
THROWS = 640  # of the dice: as many as a codebook has entries
TICKS = 40  # a frame
FLOOR = 2e-4  # how loud noise is where there is nothing else
VOICED_HZ = 40.0
TOP_HZ = 11_000.0  # of the harmonics
DRAWN_HZ = 1_440.0  # of those that are drawn for a network; above, the teacher's voice is mostly noise


@dataclass(frozen=True, eq=False)
class Source:
    """Per sample: the pulses' phase in cycles, f0 in Hz, and whether there are pulses at all."""

    phase: npt.NDArray[np.float64]
    f0: Array
    voiced: npt.NDArray[np.bool_]


def source_of(f0: Array) -> Source:
    """An f0 curve (F,) at 80 Hz, 0 where unvoiced -> (300 F,) samples, on the grid at every half frame."""
    source = free_source(f0)
    at = np.arange(0, len(source.phase), HALF)
    away = np.round(source.phase[at] * LEVELS) / LEVELS - source.phase[at]
    return replace(source, phase=source.phase + np.interp(np.arange(len(source.phase)), at, away))


def free_source(f0: Array) -> Source:
    """The same off the grid, as hibari.dsp.pulses has it."""
    curve = _by_sample(f0)
    held = np.maximum(curve, np.float32(VOICED_HZ))
    return Source(np.cumsum(held, dtype=np.float64) / RATE, held, curve > VOICED_HZ)


def moments(source: Source) -> npt.NDArray[np.float64]:
    """When there is a pulse, in samples and parts of one."""
    after = np.flatnonzero(np.diff(np.floor(source.phase)) > 0) + 1
    after = after[source.voiced[after]]
    return after - (source.phase[after] % 1.0) * RATE / source.f0[after]


def _by_sample(f0: Array) -> Array:
    """Straight lines between the values, each of which stands at the middle of its hop."""
    at = (np.arange(len(f0) * HOP, dtype=np.float32) + 0.5) / HOP - 0.5
    return np.interp(at, np.arange(len(f0)), f0).astype(np.float32)


def pulses(source: Source) -> Array:
    """A pulse train (samples,): every harmonic below 11 kHz at amplitude 1, as hibari.dsp.pulses has it.

    The sum of cos(h t) for h <= H is sin((H + 1/2) t) / (2 sin(t / 2)) - 1/2.
    """
    t = (2 * np.pi * (source.phase % 1.0)).astype(np.float32)
    top = np.floor(TOP_HZ / source.f0) + np.float32(0.5)
    below = 2 * np.sin(t * 0.5)
    near = np.abs(below) <= 2e-3  # of a pulse's middle, where the quotient has its limit
    train = np.where(near, top, np.sin(top * t) / np.where(near, 1, below)) - 0.5
    return np.where(source.voiced, train, 0).astype(np.float32)


def thrown(frames: int, random: np.random.Generator) -> npt.NDArray[np.int16]:
    """Dice (frames,)."""
    return random.integers(THROWS, size=frames, dtype=np.int16)


@lru_cache(maxsize=1)
def signs() -> Array:
    """(THROWS, TICKS): which ticks of a frame are up, 1, and which down, -1."""
    return np.random.default_rng(THROWS).choice(np.array([-1, 1], np.float32), (THROWS, TICKS))


def ticks(dice: npt.NDArray[np.int16]) -> Array:
    """Dice (frames,) -> white noise (480 frames,) of variance 1, all of it in 40 samples a frame."""
    noise = np.zeros((len(dice), TICKS, FRAME // TICKS), np.float32)
    noise[:, :, 0] = signs()[dice] * np.sqrt(np.float32(FRAME // TICKS))
    return noise.reshape(-1)


def codes_of(source: Source | None, dice: npt.NDArray[np.int16]) -> Codes:
    """(3, frames): the pulses at the end and at the middle of each frame, PULSED if there are none; dice."""
    if source is None:
        return np.stack([np.full_like(dice, PULSED), np.full_like(dice, PULSED), dice])
    at = FRAME * np.arange(len(dice)) + np.array([[FRAME], [HALF]])
    at = np.minimum(at, len(source.phase) - 1)
    place = np.log(source.f0[at] / LOW) / math.log(HIGH / LOW) * BINS
    height = np.clip(np.floor(place), 0, BINS - 1).astype(np.int64)
    phase = np.round(source.phase[at] * LEVELS).astype(np.int64) % LEVELS
    pulsed = np.where(source.voiced[at], height * LEVELS + phase, PULSED).astype(np.int16)
    return np.concatenate([pulsed, dice[None]])


def snippets(samples: int) -> Tensor:
    """(PULSED, samples): what each code's pulses look like for 20 ms around it, their low harmonics only."""
    code = torch.arange(PULSED)
    f0 = LOW * (HIGH / LOW) ** ((code // LEVELS + 0.5) / BINS)
    seconds = (torch.arange(samples) - (samples - 1) / 2) / samples * FRAME / RATE
    turn = (code % LEVELS / LEVELS)[:, None] + f0[:, None] * seconds
    highest = min(DRAWN_HZ, 0.45 * samples * RATE / FRAME)  # below half of this sampling rate
    train = sum(
        torch.where((h * f0 < highest)[:, None], torch.cos(2 * math.pi * h * turn), torch.zeros(()))
        for h in range(1, int(highest / LOW) + 1)
    )
    assert isinstance(train, Tensor)
    return train / train.std()


class Sketch:
    """Codes of the excitation (3, B, F) -> low harmonics of the pulses, and ticks (B, 480 F), each 1 loud."""

    def __init__(self, device: torch.device) -> None:
        triangle = torch.bartlett_window(FRAME)  # half a frame apart they add up to one
        self.pulses = torch.zeros(PULSED + 1, FRAME, device=device)
        self.pulses[:PULSED] = (snippets(FRAME) * triangle).to(device)
        self.ticks = torch.from_numpy(ticks(np.arange(THROWS, dtype=np.int16))).view(THROWS, FRAME).to(device)

    def __call__(self, codes: Tensor) -> Tensor:
        """No pulses where the codes say so."""
        ends, middles = self.pulses[codes[:2].clamp(max=PULSED)].flatten(2)
        late = torch.nn.functional.pad(ends, (HALF, 0))[:, : ends.shape[1]]
        return middles + late + self.ticks[codes[2]].flatten(1)


def turned(codes: npt.NDArray[np.integer], by: int) -> npt.NDArray[np.int64]:
    """Codes with all phases `by` steps of the grid later: another moment to begin, as good as the first."""
    phase = (codes + by) % LEVELS
    return np.where(codes < PULSED, codes // LEVELS * LEVELS + phase, codes).astype(np.int64)


def landmarks(size: int) -> Tensor:
    """(size, 12): where each code stands on the circle of phases, at 1 to 4 turns, and how high its f0 is.

    The others have none.
    """
    code = torch.arange(size)
    turn = 2 * math.pi * (code % LEVELS)[:, None] / LEVELS * torch.tensor([1.0, 2.0, 3.0, 4.0])
    height = math.pi * (code // LEVELS)[:, None] / BINS * torch.tensor([1.0, 2.0])
    marks = torch.cat([turn.cos(), turn.sin(), height.cos(), height.sin()], dim=1)
    return torch.where((code < PULSED)[:, None], marks, torch.zeros(()))
