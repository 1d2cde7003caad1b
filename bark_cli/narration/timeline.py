"""The sounds of a narration's pieces in a row: silence between them, and when each is heard."""

from __future__ import annotations

from collections.abc import Sequence

from bark_cli.audio import Audio, Cue, faded, silence
from bark_cli.narration.narrate import Piece


class Timeline:
    """Where the sound of a narration is; give it the pieces' sounds in order, and write what it returns."""

    def __init__(self, pieces: Sequence[Piece], sample_rate: int) -> None:
        self.cues: list[Cue] = []  # of the pieces that are over
        self._pieces, self._rate = pieces, sample_rate
        self._end = 0  # samples so far
        self._begins: int | None = None  # where the piece that is being laid begins

    @property
    def duration_s(self) -> float:
        """Seconds of sound so far."""
        return self._end / self._rate

    def lay(self, number: int, sound: Audio | None, *, ends: bool) -> list[Audio]:
        """The next sound of piece `number`, and whether that was its last -> what is to be heard next.

        Edges where two pieces meet are faded; the sound of a text of one piece stays as it is.
        """
        piece, laid = self._pieces[number], []
        if self._begins is None:
            laid += self._wait(piece)
            self._begins = self._end
        if sound is not None:
            is_first = self._end == self._begins
            laid.append(
                faded(sound, start=is_first and number > 0, end=ends and number + 1 < len(self._pieces))
            )
            self._end += len(sound.samples)
        if ends:
            self.cues.append(Cue(self._begins / self._rate, self.duration_s, " ".join(piece.text.split())))
            self._begins = None
            laid += self._rest(piece.pause_s)
        return laid

    def _wait(self, piece: Piece) -> list[Audio]:
        """Silence until the time that the piece has; none where that has passed."""
        return [] if piece.begin_s is None else self._rest(piece.begin_s - self.duration_s)

    def _rest(self, seconds: float) -> list[Audio]:
        rest = silence(seconds, self._rate)
        self._end += len(rest.samples)
        return [rest] if len(rest.samples) else []
