"""Sound itself: float32 samples (N,) and a rate -> 16 bit samples, silence, pieces faded and joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bark_cli.errors import AudioError

FADE_S = 0.005  # long enough not to click, too short to be heard as a fade


@dataclass(frozen=True, eq=False)
class Audio:
    """Mono sound: float32 samples (N,) in -1..1, and their rate in Hz."""

    samples: NDArray[np.float32]
    sample_rate: int

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate

    def _repr_html_(self) -> str:
        """As a notebook shows it: a player."""
        from bark_cli.audio.notebook import player_html  # brings what writes a WAV

        return player_html(pcm16(self), self.sample_rate, _described(self))

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """The same for IPython, with a line where there are no players."""
        return {"text/plain": _described(self), "text/html": self._repr_html_()}


def _described(audio: Audio) -> str:
    """In a line."""
    return f"Sound, {audio.duration_s:.1f} s at {audio.sample_rate} Hz"


def clipped(audio: Audio) -> NDArray[np.float32]:
    """Samples (N,) within -1..1.

    Raises:
        AudioError: one is not a number.
    """
    if not np.isfinite(audio.samples).all():
        raise AudioError(
            "the codec returned NaN: its weights are damaged; verify or download the model again"
        )
    return np.clip(audio.samples, -1.0, 1.0).astype(np.float32, copy=False)


def pcm16(audio: Audio) -> NDArray[np.int16]:
    """Samples (N,) as 16 bit integers; louder than 1 is clipped.

    Raises:
        AudioError: a sample is not a number.
    """
    return np.round(clipped(audio) * 32_767.0).astype(np.int16)


def silence(seconds: float, sample_rate: int) -> Audio:
    """So much of nothing, to the nearest sample."""
    return Audio(np.zeros(max(0, round(seconds * sample_rate)), np.float32), sample_rate)


def faded(audio: Audio, *, start: bool = True, end: bool = True) -> Audio:
    """The sound with FADE_S of a rise at its start and of a fall at its end, so that neither clicks."""
    count = min(round(FADE_S * audio.sample_rate), len(audio.samples) // 2)
    slope = (np.arange(count, dtype=np.float32) + 0.5) / max(count, 1)
    samples = audio.samples.copy()
    if start:
        samples[:count] *= slope
    if end and count:
        samples[-count:] *= slope[::-1]
    return Audio(samples, audio.sample_rate)


def join(pieces: Sequence[Audio], pauses: float | Sequence[float] = 0.0) -> Audio:
    """The pieces in a row with `pauses` seconds between them, each edge that meets another faded.

    `pauses` is one length for all, or one for each of the len(pieces) - 1 joins. No sample is lost or
    overlaid: the result is as long as its parts together.

    Raises:
        AudioError: there are no pieces, or their rates differ.
    """
    if not pieces:
        raise AudioError("there are no sounds to join")
    rates = {piece.sample_rate for piece in pieces}
    if len(rates) > 1:
        raise AudioError(f"sounds of {' and '.join(map(str, sorted(rates)))} Hz cannot be joined")
    rate, last = rates.pop(), len(pieces) - 1
    lengths = [pauses] * last if isinstance(pauses, int | float) else [*pauses]
    parts: list[NDArray[np.float32]] = []
    for i, (piece, pause) in enumerate(zip(pieces, [*lengths, 0.0], strict=True)):
        parts += [faded(piece, start=i > 0, end=i < last).samples, silence(pause, rate).samples]
    return Audio(np.concatenate(parts), rate)
