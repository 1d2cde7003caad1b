"""Text of any length (str) -> pieces that the model can say at once, which joined are the text again.

Cut at paragraphs and sentences, then at clauses, then between words, and within a word only where it alone
is too long; never within a [tag] or a grapheme, within lyrics or a number only where they alone are too long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from bark_cli.split.atoms import Break, atoms, break_after, finer, words_in
from bark_cli.split.pace import estimate_seconds
from bark_cli.split.pack import FITS, Unit, pack
from bark_cli.split.sentences import LANGUAGES, language_of, paragraphs, sentence_ends

__all__ = ["LANGUAGES", "Break", "Budget", "Piece", "estimate_seconds", "language_of", "split_text"]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What one piece may hold."""

    max_tokens: int  # that the model reads at once
    # words -> how many tokens each has; called once or a few times for a whole text
    count_tokens: Callable[[Sequence[str]], Sequence[int]]
    max_seconds: float = 13.0  # that the model speaks at once
    target_seconds: float = 10.0  # short sentences are joined up to here
    # (text, language) -> seconds; summed over the words of a piece
    seconds: Callable[[str, str | None], float] = estimate_seconds


@dataclass(frozen=True)
class Piece:
    """A part of a text, to be said in one breath."""

    text: str  # with the space around it, as it stands in the whole
    after: Break  # what comes behind it
    start: int  # offset of its first character in the whole
    tokens: int
    seconds: float  # an estimate

    @property
    def has_words(self) -> bool:
        """Whether there is anything to say: a line of asterisks is better a pause."""
        return any(character.isalnum() or character in "♪[" for character in self.text)


def split_text(text: str, *, budget: Budget, language: str | None = None) -> list[Piece]:
    """Cut `text` losslessly into pieces within `budget`, in time proportional to its length.

    A piece is over the budget only where a single tag or grapheme is. Without `language` (a code such as de)
    the script decides.
    """
    language = language_of(text, language)
    measure = _Measure(budget, language)
    pieces: list[Piece] = []
    offset = 0
    blocks = paragraphs(text)
    broken = [atoms(block) for block in blocks]
    measure.learn(atom for block in broken for atom in block)
    for block, block_atoms in zip(blocks, broken, strict=True):
        start = 0
        for unit in _pieces_of(block, block_atoms, measure):
            size = round(unit.tokens * budget.max_tokens), unit.seconds * budget.max_seconds
            pieces.append(Piece(block[start : unit.end], unit.after, offset + start, *size))
            start = unit.end
        offset += len(block)
    if pieces:
        last = pieces[-1]
        pieces[-1] = Piece(last.text, Break.END, last.start, last.tokens, last.seconds)
    return pieces


def _pieces_of(block: str, block_atoms: list[str], measure: _Measure) -> list[Unit]:
    """The pieces of one paragraph: its sentences cut where they must be, then joined where they are short."""
    target = min(1.0, measure.budget.target_seconds / measure.budget.max_seconds)
    parts: list[Unit] = []
    for sentence, after in _sentences(block, block_atoms, measure.language):
        start = parts[-1].end if parts else 0
        whole = measure.whole(sentence, start, after)
        parts += [whole] if whole.size <= FITS else pack(measure.units(sentence, start, after))
    return pack(parts, target)


def _sentences(block: str, block_atoms: list[str], language: str) -> Iterator[tuple[list[str], Break]]:
    """The atoms of each sentence and what comes behind them; a sentence ends only between atoms."""
    ends = set(sentence_ends(block, language))
    first = end = 0
    for n, atom in enumerate(block_atoms, 1):
        end += len(atom)
        if end in ends:
            yield block_atoms[first:n], Break.SENTENCE if end < len(block) else Break.PARAGRAPH
            first = n


class _Measure:
    """How large atoms are for a model; every different one is measured once."""

    def __init__(self, budget: Budget, language: str) -> None:
        self.budget = budget
        self.language = language
        self._sizes: dict[str, tuple[float, float, float]] = {}

    def learn(self, found: Iterable[str]) -> None:
        """Measure the atoms that are new, in one call of the tokenizer."""
        new = list({atom.strip() for atom in found} - self._sizes.keys())
        for atom, tokens in zip(new, self.budget.count_tokens(new), strict=True):
            seconds = self.budget.seconds(atom, self.language) / self.budget.max_seconds
            self._sizes[atom] = tokens / self.budget.max_tokens, seconds, words_in(atom)

    def whole(self, sentence: list[str], start: int, after: Break) -> Unit:
        """The sentence that begins at `start` as one unit."""
        sizes = [self._sizes[atom.strip()] for atom in sentence]
        tokens, seconds, words = map(sum, zip(*sizes, strict=True))
        return Unit(start + sum(map(len, sentence)), tokens, seconds, words, after)

    def units(self, sentence: list[str], start: int, after: Break) -> Iterator[Unit]:
        """The atoms of a sentence as units, overlong ones as several."""
        end = start
        for atom, following in zip(sentence, [*sentence[1:], ""], strict=True):
            end += len(atom)
            yield from self._fitting(atom, end, break_after(atom, following) if following else after)

    def _fitting(self, atom: str, end: int, after: Break) -> list[Unit]:
        unit = Unit(end, *self._sizes[atom.strip()], after)
        if unit.size <= FITS or len(parts := finer(atom)) == 1:
            return [unit]
        self.learn(parts)
        units: list[Unit] = []
        at = end - len(atom)
        for part, following in zip(parts, [*parts[1:], ""], strict=True):
            at += len(part)
            inner = Break.WORD if part[-1].isspace() else Break.INSIDE
            units += self._fitting(part, at, inner if following else after)
        return units
