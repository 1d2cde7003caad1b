"""A recording said again: the teacher's own sound at other times, f0 and formants -> float32 (300 F,).

Pitch-synchronous overlap-add (Moulines and Charpentier, "Pitch-synchronous waveform processing techniques for
text-to-speech synthesis using diphones", 1990), with formants moved by resampling what lies around a pulse.
Where the pulses are need not be found: the teacher's follow from its f0, and the new ones are those that the
codes tell of.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from training.excitation import HOP, RATE, Source, free_source, moments
from training.teacher import Array, Recording

BREATH = 120.0  # samples from one piece of noise to the next, before formants are moved
MARGIN = 2_400  # samples: no piece reaches as far

Floats = npt.NDArray[np.float64]


def said_again(recording: Recording, source: Source, formant: float) -> Array:
    """The recording with the pulses of another source (300 F,) and formants `formant` times as high."""
    heard = np.pad(recording.wave.astype(np.float64), MARGIN)
    made = np.zeros(len(source.phase) + 2 * MARGIN)
    for pieces in (_voiced(recording, source, formant), _unvoiced(recording, source, formant)):
        for at, place, gain, period in pieces:
            _lay(made, heard, at, place, gain, period, formant)
    return made[MARGIN:-MARGIN].astype(np.float32)


def _voiced(recording: Recording, source: Source, formant: float) -> Floats:
    """(N, 4): of each pulse of the source the moment, the recording's nearest pulse, its gain and period."""
    own = free_source(recording.f0)
    new, known = moments(source), moments(own)
    if not len(known):
        return np.zeros((0, 4))
    places = _along(recording, recording.at * HOP, new)
    nearest = known[_nearest(known, places)]
    own_f0, new_f0 = (hz[np.rint(at).astype(int)] for hz, at in ((own.f0, nearest), (source.f0, new)))
    # a harmonic stays as strong, however many pulses come in a second
    gains = own_f0 / new_f0 * formant * np.exp(_along(recording, recording.level, new))
    pieces = np.stack([new, nearest, gains, RATE / own_f0], axis=1)
    return pieces[np.abs(nearest - places) < 2 * RATE / own_f0]


def _unvoiced(recording: Recording, source: Source, formant: float) -> Floats:
    """(N, 4), the same where the source has no pulses: noise is taken from where it is said."""
    step = BREATH / formant
    new = step * np.arange(int(len(source.phase) / step))
    new = new[~source.voiced[new.astype(int)]]
    places = _along(recording, recording.at * HOP, new)
    gains = np.exp(_along(recording, recording.level, new))
    return np.stack([new, places, gains, np.full_like(new, BREATH)], axis=1)


def _lay(
    made: Floats, heard: Floats, at: float, place: float, gain: float, period: float, formant: float
) -> None:
    """Add what is heard a period around a place, under Hann's window, its formants moved."""
    reach = period / formant
    first, last = int(np.ceil(at - reach)), int(np.floor(at + reach))
    away = np.arange(first, last + 1) - at
    where = np.clip(place + away * formant + MARGIN, 0, len(heard) - 2)
    low = where.astype(np.int64)
    sound = heard[low] + (where - low) * (heard[low + 1] - heard[low])
    made[first + MARGIN : last + 1 + MARGIN] += gain * sound * (0.5 + 0.5 * np.cos(np.pi * away / reach))


def _along(recording: Recording, values: Array, moments: Floats) -> Floats:
    """Values of each frame (F,) at some moments, in samples."""
    return np.interp(moments / HOP, np.arange(len(recording.at)), values)


def _nearest(values: Floats, to: Floats) -> npt.NDArray[np.int64]:
    """Which of some rising values is nearest to each of others."""
    after = np.searchsorted(values, to).clip(max=len(values) - 1)
    before = (after - 1).clip(min=0)
    return np.where(to - values[before] < values[after] - to, before, after)
