"""What is to be said -> a Narration: lines cut into pieces a model can say, with voices, seeds, pauses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from bark_cli.model.config import BarkConfig
from bark_cli.model.options import SamplingOptions
from bark_cli.model.spelling import Loss
from bark_cli.narration.losses import Losses
from bark_cli.narration.narrate import Continuity, Narration, Piece, VoiceChoice, piece_seed
from bark_cli.takes.attempt import ONCE, Attempts
from bark_cli.text.script import Script
from bark_cli.text.split import Break, Budget, split_text
from bark_cli.text.split import Piece as Part
from bark_cli.text.split.digits import all_apart, digits_apart

_USABLE = 0.85  # of the seconds that the model can speak at once: the estimate may be wrong
_TARGET = 0.45  # of those: short sentences are joined up to here, for Bark speaks single ones best


@dataclass(frozen=True, kw_only=True)
class Line:
    """Some text in one voice."""

    text: str
    voice: VoiceChoice = None  # None is the manner's
    pause_s: float | None = None  # after it; None: what the manner says of paragraphs
    begin_s: float | None = None  # of a subtitle: not before this time
    number: int = 1  # of its first line in the source, from 1


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How a text is read."""

    seed: int
    voice: VoiceChoice = None  # None is the model's default
    language: str | None = None  # such as de; None: the voice's or the script's
    pause_s: float = 0.25  # after a piece that ends a sentence
    paragraph_pause_s: float = 0.5
    continuity: Continuity = "voice"
    options: SamplingOptions | None = None  # None is the model's own way
    attempts: Attempts = ONCE


@dataclass(frozen=True, kw_only=True, eq=False)
class Composition:
    """What will be said, and an estimate of how long it takes to say it."""

    narration: Narration
    tokens: Sequence[int]  # of each piece
    seconds: Sequence[float]  # of each piece, without its pause
    told: str | None = None  # what of the text is left out, or not read as it stands, in a line

    @property
    def estimate_s(self) -> float:
        """Seconds of sound to expect, pauses included."""
        return sum(self.seconds) + sum(piece.pause_s for piece in self.narration.pieces)


def lines_of(script: Script) -> list[Line]:
    """The lines of a document, each with the voice of who speaks it."""
    return [
        Line(
            text=line.text,
            voice=None if line.speaker is None else script.cast[line.speaker],
            pause_s=line.pause_after_s,
            begin_s=line.begin_s,
            number=line.number,
        )
        for line in script.lines
    ]


def budget(
    config: BarkConfig,
    count_tokens: Callable[[Sequence[str]], Sequence[int]],
    loss: Callable[[str], Loss] = lambda _: Loss(),
) -> Budget:
    """What the model can say at once; `loss` is what it cannot read of a piece."""
    longest_s = config.semantic.max_new_tokens / config.semantic.rate_hz * _USABLE
    return Budget(
        max_tokens=config.semantic.max_text_tokens,
        count_tokens=count_tokens,
        loss=loss,
        max_seconds=longest_s,
        target_seconds=longest_s * _TARGET,
    )


def compose(
    lines: Iterable[Line], manner: Manner, limits: Budget, *, left_out: Sequence[str] = ()
) -> Composition:
    """Cut every line into pieces; what holds no words becomes a pause, and so does what cannot be read.

    The pieces' seeds follow from the manner's, in order; that of a text of one piece is the manner's own.
    `left_out` is what was passed over when the text was read, and is told with the rest.

    Raises:
        TextError: nothing of it can be said.
    """
    lines, pieces, parts, losses = list(lines), list[Piece](), list[Part](), Losses(left_out)
    for line, part in _parts(lines, manner.language, limits):
        pause_s = _pause_s(line, part, manner)
        if losses.takes(part, line.text, line.number, limits):
            pieces.append(_piece(line, part, manner, len(pieces), pause_s))
            parts.append(part)
        elif pieces:
            pieces[-1] = replace(pieces[-1], pause_s=max(pieces[-1].pause_s, pause_s))
    if not pieces:
        raise losses.of_everything()
    if lines[-1].pause_s is None:  # what is only there to keep two paragraphs apart
        pieces[-1] = replace(pieces[-1], pause_s=0.0)
    if lead_s := sum(line.pause_s or 0.0 for line in takewhile(_is_blank, lines)):
        pieces[0] = replace(pieces[0], begin_s=max(lead_s, pieces[0].begin_s or 0.0))
    narration = Narration(
        pieces=tuple(pieces),
        continuity=manner.continuity,
        options=manner.options,
        attempts=manner.attempts,
        language=manner.language,
    )
    tokens, seconds = (tuple(part.tokens for part in parts), tuple(part.seconds for part in parts))
    return Composition(narration=narration, tokens=tokens, seconds=seconds, told=losses.told)


def _is_blank(line: Line) -> bool:
    return not line.text.strip()


def _parts(lines: Iterable[Line], language: str | None, limits: Budget) -> Iterator[tuple[Line, Part]]:
    """The pieces of every line, with the line as it is read: overlong numbers digit by digit."""
    for line in lines:
        text = digits_apart(line.text, limits.max_tokens, limits.count_tokens)
        parts = split_text(text, budget=limits, language=language)
        if any(part.tokens > limits.max_tokens for part in parts):
            text = "".join(all_apart(p.text) if p.tokens > limits.max_tokens else p.text for p in parts)
            parts = split_text(text, budget=limits, language=language)
        for part in parts:
            yield replace(line, text=text), part


def _piece(line: Line, part: Part, manner: Manner, number: int, pause_s: float) -> Piece:
    return Piece(
        text=part.text,
        seed=piece_seed(manner.seed, number),
        voice=manner.voice if line.voice is None else line.voice,
        pause_s=pause_s,
        begin_s=line.begin_s if part.start == 0 else None,
    )


def _pause_s(line: Line, part: Part, manner: Manner) -> float:
    """Seconds of silence after a part of a line."""
    if part.after == Break.END and line.pause_s is not None:
        return line.pause_s
    if part.after >= Break.PARAGRAPH:
        return manner.paragraph_pause_s
    return manner.pause_s if part.after == Break.SENTENCE else 0.0
