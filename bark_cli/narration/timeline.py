"""The pieces of a narration in a row: their sounds, the silence between, and when each is heard.

All of it is laid as it is spoken, and then brought to the speed that is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from bark_cli.audio import Audio, Cue, faded, silence
from bark_cli.audio.sound import FADE_S
from bark_cli.narration.narrate import Narration, Piece

if TYPE_CHECKING:
    from bark_cli.audio import Tempo


class Timeline:
    """Where the sound of a narration is; give it the pieces' sounds in order, and write what it returns.

    Raises:
        OptionError: its speed is outside what `Tempo` can do.
    """

    def __init__(self, narration: Narration, sample_rate: int) -> None:
        self.cues: list[Cue] = []  # of the pieces that are over
        self._pieces, self._speed, self._rate = narration.pieces, narration.speed, sample_rate
        self._tempo: Tempo | None = None
        if narration.speed != 1.0:
            from bark_cli.audio import Tempo

            self._tempo = Tempo(narration.speed, sample_rate)
        self._end = 0  # samples so far, as they are spoken
        self._begins: int | None = None  # where the piece that is being laid begins
        self._tail: Audio | None = None  # of it, kept back
        self._n_tail = 2 * round(FADE_S * sample_rate)  # a fade is at most half of a sound

    @property
    def duration_s(self) -> float:
        """Seconds of sound so far."""
        return self._heard_s(self._end)

    def lay(self, number: int, sound: Audio | None, *, ends: bool) -> Iterable[Audio]:
        """The next sound of piece `number`, and whether that was its last -> what is to be heard next.

        Edges where two pieces meet are faded; the sound of a text of one piece stays as it is. So a few
        milliseconds are kept back until it is known whether they are the piece's last. All that is returned
        is to be taken before the next is laid.
        """
        spoken = self._lay(number, sound, ends=ends)
        if self._tempo is None:
            return spoken
        return self._paced(self._tempo, spoken, is_last=ends and number + 1 == len(self._pieces))

    def _paced(self, tempo: Tempo, spoken: list[Audio], *, is_last: bool) -> Iterator[Audio]:
        """Made faster or slower one by one, as they are taken: together, hours of silence fill the memory."""
        for one in spoken:
            if len(part := tempo.put(one.samples)):
                yield Audio(part, self._rate)
        if is_last and len(part := tempo.finish()):
            yield Audio(part, self._rate)

    def _lay(self, number: int, sound: Audio | None, *, ends: bool) -> list[Audio]:
        """As `lay`, before it is made faster or slower."""
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
            self.cues.append(Cue(self._heard_s(self._begins), self.duration_s, " ".join(piece.text.split())))
            self._begins = None
            laid += self._rest(min(piece.pause_s, self._room(number) * self._speed))
        return laid

    def _wait(self, piece: Piece) -> list[Audio]:
        """Silence until the time that the piece has; none where that has passed."""
        return [] if piece.begin_s is None else self._rest((piece.begin_s - self.duration_s) * self._speed)

    def _heard_s(self, samples: int) -> float:
        """When the sound after that many spoken samples is heard."""
        return samples / self._rate / self._speed

    def _room(self, number: int) -> float:
        """Seconds until the next piece is to be heard: where speech is late, no pause makes it later."""
        following = self._pieces[number + 1].begin_s if number + 1 < len(self._pieces) else None
        return math.inf if following is None else max(0.0, following - self.duration_s)

    def _rest(self, seconds: float) -> list[Audio]:
        """Silence, in seconds as it is spoken."""
        minute = silence(60.0, self._rate)  # hours of it, before the first subtitle, are always the same one
        n_samples = max(0, round(seconds * self._rate))
        self._end += n_samples
        minutes, left = divmod(n_samples, len(minute.samples))
        rest = [minute] * minutes
        return [*rest, Audio(minute.samples[:left], self._rate)] if left else rest
