"""The pieces of a narration in a row: their sounds, the silence between, and when each is heard."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from bark_cli.audio import Audio, Cue, faded, silence
from bark_cli.audio.sound import FADE_S
from bark_cli.narration.narrate import Piece


class Timeline:
    """Where the sound of a narration is; give it the pieces' sounds in order, and write what it returns."""

    def __init__(self, pieces: Sequence[Piece], sample_rate: int) -> None:
        self.cues: list[Cue] = []  # of the pieces that are over
        self._pieces, self._rate = pieces, sample_rate
        self._end = 0  # samples so far
        self._begins: int | None = None  # where the piece that is being laid begins
        self._tail: Audio | None = None  # of it, kept back
        self._n_tail = 2 * round(FADE_S * sample_rate)  # a fade is at most half of a sound

    @property
    def duration_s(self) -> float:
        """Seconds of sound so far."""
        return self._end / self._rate

    def lay(self, number: int, sound: Audio | None, *, ends: bool) -> list[Audio]:
        """The next sound of piece `number`, and whether that was its last -> what is to be heard next.

        Edges where two pieces meet are faded; the sound of a text of one piece stays as it is. So a few
        milliseconds are kept back until it is known whether they are the piece's last.
        """
        piece, laid = self._pieces[number], []
        if self._begins is None:
            laid += self._wait(piece)
            self._begins = self._end
        kept = [part for part in (self._tail, sound) if part is not None]
        samples = np.concatenate([part.samples for part in kept]) if kept else np.zeros(0, np.float32)
        meets_another = number + 1 < len(self._pieces)
        n_now = len(samples) if ends or not meets_another else max(0, len(samples) - self._n_tail)
        self._tail = Audio(samples[n_now:], self._rate)
        if n_now:
            is_first = self._end == self._begins
            now = Audio(samples[:n_now], self._rate)
            laid.append(faded(now, start=is_first and number > 0, end=ends and meets_another))
            self._end += n_now
        if ends:
            self.cues.append(Cue(self._begins / self._rate, self.duration_s, " ".join(piece.text.split())))
            self._begins = None
            laid += self._rest(min(piece.pause_s, self._room(number)))
        return laid

    def _wait(self, piece: Piece) -> list[Audio]:
        """Silence until the time that the piece has; none where that has passed."""
        return [] if piece.begin_s is None else self._rest(piece.begin_s - self.duration_s)

    def _room(self, number: int) -> float:
        """Seconds until the next piece is to be heard: where speech is late, no pause makes it later."""
        following = self._pieces[number + 1].begin_s if number + 1 < len(self._pieces) else None
        return math.inf if following is None else max(0.0, following - self.duration_s)

    def _rest(self, seconds: float) -> list[Audio]:
        rest = silence(seconds, self._rate)
        self._end += len(rest.samples)
        return [rest] if len(rest.samples) else []
