"""Sound faster or slower at the same pitch: samples (N,) in pieces -> about N / speed samples, in pieces.

WSOLA: overlapped frames, each taken from where it goes on best from the one before (Verhelst and Roelands,
"An overlap-add technique based on waveform similarity", ICASSP 1993).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bark_cli.errors import OptionError

SLOWEST, FASTEST = 0.25, 4.0
_FRAME_S = 0.030  # two periods or more of any voice
_SEARCH_S = 0.010  # to either side, which holds a whole period of a voice of 50 Hz

Samples = NDArray[np.float32]


class Tempo:
    """The way from one tempo to another; what comes out does not depend on how the sound is cut.

    Raises:
        OptionError: the speed is outside SLOWEST .. FASTEST.
    """

    def __init__(self, speed: float, sample_rate: int) -> None:
        if not SLOWEST <= speed <= FASTEST:
            raise OptionError(f"speed {speed:g} is outside {SLOWEST:g}..{FASTEST:g}")
        self._speed = speed
        self._hop = max(1, round(_FRAME_S * sample_rate / 2))
        self._search = round(_SEARCH_S * sample_rate)
        self._rise = (0.5 - 0.5 * np.cos(np.pi * (np.arange(self._hop) + 0.5) / self._hop)).astype(np.float32)
        self._input = np.zeros(0, np.float32)
        self._start = 0  # of the whole sound, that self._input begins at
        self._n_input = self._n_output = self._n_frames = 0
        self._at = 0  # where the last frame was taken from
        self._fall = np.zeros(self._hop, np.float32)  # the second half of the last frame, to be laid over

    def put(self, samples: Samples) -> Samples:
        """The next piece -> what is ready."""
        self._input = np.concatenate([self._input, samples])
        self._n_input += len(samples)
        ready = self._frames()
        self._n_output += len(ready)
        return ready

    def finish(self) -> Samples:
        """What is left."""
        wanted = round(self._n_input / self._speed)
        parts, n_parts = [np.zeros(0, np.float32)], 0
        while self._n_output + n_parts < wanted:  # the last frames reach beyond the end
            self._input = np.concatenate([self._input, np.zeros(4 * self._hop, np.float32)])
            parts.append(self._frames())
            n_parts += len(parts[-1])
        return np.concatenate(parts)[: wanted - self._n_output]

    def _frames(self) -> Samples:
        """All frames that the input has room for, overlapped."""
        made = []
        end = self._start + len(self._input)
        while True:
            wanted = round(self._n_frames * self._hop * self._speed)
            follows = self._at + self._hop  # what comes next where nothing is changed
            its_share = (self._n_frames + 1) * self._hop * self._speed  # or more would come out than goes in
            if max(max(wanted + self._search, follows) + 2 * self._hop, its_share) > end:
                break
            self._at = self._best(wanted, follows) if self._n_frames else 0
            frame = self._span(self._at, 2 * self._hop)
            # the first begins at once; then the fall of one frame and the rise of the next add up to one
            rising = frame[: self._hop] * self._rise if self._n_frames else frame[: self._hop]
            made.append(self._fall + rising)
            self._fall = frame[self._hop :] * self._rise[::-1]
            self._n_frames += 1
            self._forget()
        return np.concatenate(made) if made else np.zeros(0, np.float32)

    def _best(self, wanted: int, follows: int) -> int:
        """Near `wanted`, the place most like the one that would follow."""
        first = max(self._start, wanted - self._search)
        model = self._span(follows, 2 * self._hop)
        heard = self._span(first, wanted + self._search - first + 2 * self._hop)
        if not heard.any():
            return wanted
        likeness = np.correlate(heard, model, "valid")
        energy = np.concatenate([[0.0], np.cumsum(heard.astype(np.float64) ** 2)])
        loudness = np.sqrt(energy[2 * self._hop :] - energy[: -2 * self._hop] + 1e-9)
        score = likeness / loudness
        best = int(np.argmax(score))
        return first + best if score[best] > 1e-6 else wanted

    def _span(self, start: int, length: int) -> Samples:
        return self._input[start - self._start : start - self._start + length]

    def _forget(self) -> None:
        """Drop the samples that no later frame can be taken from, once there are many."""
        needed = min(self._at + self._hop, round(self._n_frames * self._hop * self._speed) - self._search)
        if needed - self._start > 2**16:
            self._input = self._input[needed - self._start :]
            self._start = needed
