"""What a model's tokenizer cannot read of a text: collected over its pieces -> one line of warning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from bark_cli.errors import TextError
from bark_cli.model.spelling import Loss
from bark_cli.system.excerpt import excerpt
from bark_cli.text.script import Line
from bark_cli.text.split import Budget, Part

_SHOWN = 5  # of a kind; the others are counted
_WIDTH = 40  # characters of a piece that are shown


class Losses:
    """Decides piece by piece what can be said, and remembers what cannot."""

    def __init__(self, passed_over: Sequence[str] = ()) -> None:
        self._passed_over = list(passed_over)  # before there were pieces
        self._signs: Counter[str] = Counter()
        self._latinised: Counter[str] = Counter()
        self._skipped: list[str] = []  # where, and how it begins
        self._too_long: list[str] = []

    def takes(self, piece: Part, line: Line, language: str, limits: Budget) -> bool:
        """Whether a piece of a line, which is in that language, can be said."""
        words = piece.text.strip()
        loss = limits.loss(words, language) if not words.isascii() or piece.has_words else Loss()
        if not piece.has_words:
            self._signs.update(loss.left_out)
            return False
        where = f'line {_line_of(piece, line)}: "{excerpt(words, _WIDTH)}"'
        if piece.tokens > limits.max_tokens:
            self._too_long.append(where)
            return False
        if loss.is_total:
            self._skipped.append(where)
            return False
        self._signs.update(loss.left_out)
        self._latinised.update(loss.latinised)
        return True

    @property
    def told(self) -> str | None:
        """All of it in one line; None if nothing is lost."""
        left_out = list(self._passed_over)
        if self._skipped:
            left_out.append(f"what this model has no letters for ({_some(self._skipped)})")
        if self._too_long:
            left_out.append(f"what cannot be cut into pieces for this model ({_some(self._too_long)})")
        if self._signs:
            left_out.append(f"what it does not know: {_some(_counted(self._signs))}")
        told = [f"left out: {'; '.join(left_out)}"] if left_out else []
        if self._latinised:
            told.append(f"read in Latin letters: {_some(_counted(self._latinised))}")
        return "; ".join(told) or None

    def of_everything(self) -> TextError:
        """The error of a text of which nothing can be said."""
        if self._too_long:
            return TextError(
                f"{self._too_long[0]} cannot be cut into pieces that this model reads; write it in words"
            )
        if self._skipped or self._signs:
            what = self._skipped[0] if self._skipped else _some(_counted(self._signs))
            return TextError(
                f"the text holds nothing this model can read ({what}); use letters of a language it knows"
            )
        over = f" (left out: {'; '.join(self._passed_over)})" if self._passed_over else ""
        return TextError(f'there is nothing to say{over}; give some words, as in: bark say "Hello"')


def _line_of(piece: Part, line: Line) -> int:
    lead = len(piece.text) - len(piece.text.lstrip())
    return line.number + line.text.count("\n", 0, piece.start + lead)


def _counted(found: Counter[str]) -> list[str]:
    shown = ((excerpt(one, _WIDTH), times) for one, times in found.most_common())
    return [one if times == 1 else f"{one} ({times} times)" for one, times in shown]


def _some(found: Iterable[str]) -> str:
    found = list(found)
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(found[:_SHOWN]) + more
