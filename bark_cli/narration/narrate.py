"""Texts longer than one utterance: pieces in order -> their speech in order, many at a time.

A piece that continues the one before waits for it; all others share the engine, of any narration.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from bark_cli.audio import Audio, Provenance, hash_text
from bark_cli.errors import BarkError
from bark_cli.model.options import SEED_LIMIT, SamplingOptions
from bark_cli.narration.each import Speaks, speak_each
from bark_cli.speech import Speech, SpeechRequest
from bark_cli.stages.progress import Listener
from bark_cli.takes.take import DEFAULT_ATTEMPTS, ONCE, Attempts
from bark_cli.voices.catalogue import NO_VOICE, Voice

# What a piece starts from: the voice itself, the last piece in that voice, or nothing at all.
Continuity = Literal["voice", "previous", "none"]
VoiceChoice = str | Path | Voice | None
_STRIDE = 65_537  # between the seeds of two pieces; further takes use the numbers in between
_REDO_STRIDE = 1_009  # between the seeds of a piece that is said again; more than all its takes


@dataclass(frozen=True, kw_only=True, eq=False)
class Piece:
    """What is said in one go."""

    text: str
    seed: int
    voice: VoiceChoice = None  # None is the model's default
    language: str | None = None  # such as de; as for SpeechRequest
    pause_s: float = 0.0  # of silence after it
    begin_s: float | None = None  # of a subtitle: it is not to be heard before, from the first sample on
    line: int = 0  # of its script, from 0
    tokens: int = 0  # of its text; 0 where nobody has counted
    estimate_s: float = 0.0  # of sound to expect, without its pause and before it is made faster


@dataclass(frozen=True, kw_only=True, eq=False)
class Narration:
    """A text in pieces, and how it is spoken."""

    pieces: Sequence[Piece]
    continuity: Continuity = "voice"
    options: SamplingOptions | None = None  # None is the model's own way
    attempts: Attempts = DEFAULT_ATTEMPTS
    speed: float = 1.0  # times as fast as it is spoken, pauses included
    told: str | None = None  # what of the text is left out, or not read as it stands, in a line

    @property
    def estimate_s(self) -> float:
        """Seconds of sound to expect: pauses included, and the silence until pieces that have their time."""
        end_s, pause_s = 0.0, 0.0
        for piece in self.pieces:
            if piece.begin_s is not None:  # where speech is late, no pause makes it later
                pause_s = max(0.0, piece.begin_s - end_s)
            end_s += pause_s + piece.estimate_s / self.speed
            pause_s = piece.pause_s / self.speed
        return end_s + pause_s

    @property
    def text(self) -> str:
        """All that is said, with single spaces between words."""
        return " ".join(" ".join(piece.text for piece in self.pieces).split())

    def provenance(self, model: str, voice: str | None, seed: int, settings: Mapping[str, Any]) -> Provenance:
        """What its file says of itself: spoken by that model, with these settings."""
        from bark_cli import __version__

        return Provenance(model, voice, seed, hash_text(self.text), __version__, settings)


@dataclass(frozen=True, kw_only=True, eq=False)
class PieceResult:
    """What came of a piece: its next sound, and once it is over what became of it.

    After an error nothing more comes of its narration.
    """

    narration: int = 0
    piece: int
    sound: Audio | None = None
    result: Speech | BarkError | None = None  # None: there is more of it to come

    @property
    def speech(self) -> Speech | None:
        """The whole of it, once it is over.

        Raises:
            BarkError: it cannot be said.
        """
        if isinstance(self.result, BarkError):
            raise self.result
        return self.result


def piece_seed(seed: int, piece: int, redone: int = 0) -> int:
    """The seed of a narration's piece, 0 .. 2**32 - 1; the first has the narration's own.

    `redone` is how often the piece was asked for again.
    """
    return (seed + _STRIDE * piece + _REDO_STRIDE * redone) % SEED_LIMIT


def narrate(
    bark: Speaks,
    narrations: Iterable[Narration],
    *,
    batch_size: int | None = None,
    on_progress: Listener | None = None,
) -> Generator[PieceResult, None, None]:
    """Speak every piece; those of one narration come whole and in their order, the narrations as they get on.

    Narrations are taken one by one as there is room. A piece sounds the same whatever else is spoken.
    """
    if batch_size is None and isinstance(narrations, Sized):
        batch_size = 1 if sum(len(narration.pieces) for narration in narrations) == 1 else None
    desk = _Desk(iter(narrations))
    spoken = speak_each(bark, desk.requests(), batch_size=batch_size, on_progress=on_progress)
    with closing(spoken) as results:
        for index, result in results:
            yield from desk.take_back(index, result)


def narrate_soon(
    bark: Speaks,
    narration: Narration,
    *,
    exact: bool = False,
    batch_size: int | None = None,
    on_progress: Listener | None = None,
) -> Generator[PieceResult, None, None]:
    """Speak one narration so that its first sound comes soon.

    The first piece is streamed, and then more and more are made at once, so that while they are heard the
    next ones are made together. Pieces that continue each other are all streamed. Where there are several
    takes to choose from, a piece comes when it is whole.

    Raises:
        BarkError: of the first piece that cannot be said.
    """
    line, chained = _Line(narration), narration.continuity == "previous"
    n_streamed = len(narration.pieces) if chained else 1
    if not _can_stream(narration.attempts, exact):
        n_streamed = 0
    for piece in range(n_streamed):
        request = replace(line.request(piece), attempts=ONCE, streaming="exact" if exact else "early")
        handle = bark.submit(request, number=piece, on_progress=on_progress)
        try:
            for sound in iter(handle.next_piece, None):
                yield PieceResult(piece=piece, sound=sound)
            line.keep(piece, handle.result())
            yield PieceResult(piece=piece, result=handle.result())
        finally:
            handle.cancel()
    begin = n_streamed
    group = len(narration.pieces) if chained else 1  # those wait for each other by themselves
    while begin < len(narration.pieces):
        together = replace(narration, pieces=narration.pieces[begin : begin + group])
        width, listener = 1 if chained else group, _from(begin, on_progress)
        for done in narrate(bark, [together], batch_size=width, on_progress=listener):
            yield PieceResult(piece=begin + done.piece, sound=done.sound, result=done.speech)
        begin += group
        if begin < len(narration.pieces):
            group = min(2 * group, batch_size or bark.batch_size)


def _can_stream(attempts: Attempts, exact: bool) -> bool:
    """Whether sound may be heard before its piece is whole: what is heard cannot be taken back.

    A retry replaces a piece only where something went wrong, and that is risked, unless the sound is to be
    exactly that of a file.
    """
    return attempts.takes == 1 and not (exact and attempts.retries)


def _from(piece: int, listener: Listener | None) -> Listener | None:
    """A listener to whom utterances are pieces, the first of them this one."""
    if listener is None:
        return None
    return lambda progress: listener(replace(progress, utterance=progress.utterance + piece))


@dataclass(eq=False)
class _Line:
    """A narration at work."""

    narration: Narration
    number: int = 0
    waiting: deque[int] = field(default_factory=deque)  # pieces not yet asked for
    done: dict[int, Speech | BarkError] = field(default_factory=dict)  # that an earlier one keeps waiting
    following: int = 0  # the piece to be handed over next
    at_work: int = 0
    spoken: dict[VoiceChoice, Voice] = field(default_factory=dict)  # what each voice said last

    def __post_init__(self) -> None:
        self.waiting.extend(range(len(self.narration.pieces)))

    @property
    def is_free(self) -> bool:
        """Whether a piece can be asked for now."""
        return bool(self.waiting) and not (self.narration.continuity == "previous" and self.at_work)

    def request(self, piece: int) -> SpeechRequest:
        said, how = self.narration.pieces[piece], self.narration
        voice: VoiceChoice = NO_VOICE if how.continuity == "none" else said.voice
        if how.continuity == "previous":
            voice = self.spoken.get(said.voice, said.voice)
        return SpeechRequest(
            text=said.text,
            voice=voice,
            seed=said.seed,
            options=how.options,
            attempts=how.attempts,
            language=said.language,
        )

    def keep(self, piece: int, speech: Speech) -> None:
        """Remember what a voice said, for its next piece to go on from."""
        if self.narration.continuity == "previous":
            voice = self.narration.pieces[piece].voice
            self.spoken[voice] = Voice(speech.voice or "previous", speech.tokens)

    def finish(self, piece: int, result: Speech | BarkError) -> Iterator[tuple[int, Speech | BarkError]]:
        """Take a result, and hand over those whose turn it is."""
        self.at_work -= 1
        self.done[piece] = result
        if isinstance(result, BarkError):
            self.waiting.clear()
        else:
            self.keep(piece, result)
        while self.following in self.done:
            found = self.done.pop(self.following)
            yield self.following, found
            self.following += 1
            if isinstance(found, BarkError):
                self.done.clear()
                self.following = -1  # which never comes


class _Desk:
    """Gives out the pieces of all narrations as requests, and puts what comes back in order."""

    def __init__(self, narrations: Iterator[Narration]) -> None:
        self._narrations, self._n_taken = narrations, 0
        self._lines: list[_Line] = []  # begun, and with pieces left to ask for
        self._given: dict[int, tuple[_Line, int]] = {}  # what is at work, by the number of its request

    def requests(self) -> Iterator[SpeechRequest | None]:
        """The next piece that can be said; None while all wait for one that is at work."""
        number = 0
        while True:
            line = next((line for line in self._lines if line.is_free), None) or self._begin()
            if line is None and not self._given:
                return
            if line is None:
                yield None
                continue
            piece = line.waiting.popleft()
            line.at_work += 1
            self._given[number] = (line, piece)
            self._lines = [line for line in self._lines if line.waiting]
            yield line.request(piece)
            number += 1

    def take_back(self, number: int, result: Speech | BarkError) -> Iterator[PieceResult]:
        """What can be handed over now that the request of that number has its result."""
        line, piece = self._given.pop(number)
        for index, found in line.finish(piece, result):
            sound = found.audio if isinstance(found, Speech) else None
            yield PieceResult(narration=line.number, piece=index, sound=sound, result=found)

    def _begin(self) -> _Line | None:
        """Take the next narration that has a piece."""
        for narration in self._narrations:
            line = _Line(narration, self._n_taken)
            self._n_taken += 1
            if line.waiting:
                self._lines.append(line)
                return line
        return None
