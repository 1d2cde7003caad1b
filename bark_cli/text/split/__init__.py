"""Text of any length (str) -> pieces that the model can say at once, which joined are the text again.

Cut at paragraphs and sentences, then at clauses, then between words, and within a word only where it alone
is too long; never within a [tag] or a grapheme, and within lyrics, an aside or a number only where they alone
are too long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from bark_cli.model.spelling import Loss
from bark_cli.text.split.atoms import Break, atoms, break_after, finer, words_in
from bark_cli.text.split.pace import estimate_seconds
from bark_cli.text.split.pack import FITS, Unit, heavier, pack
from bark_cli.text.split.sentences import LANGUAGES, language_of, paragraphs, sentence_ends

__all__ = ["LANGUAGES", "Break", "Budget", "Part", "estimate_seconds", "language_of", "split_text"]

_NEARLY = 0.75  # of what may be: words that are read in a few letters more must not make a piece too long


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What one piece may hold."""

    max_tokens: int  # that the model reads at once
    # (words, language) -> how many tokens each has; called once or a few times for a whole text
    count_tokens: Callable[[Sequence[str], str], Sequence[int]]
    max_seconds: float = 13.0  # that the model speaks at once
    target_seconds: float = 10.0  # short sentences are joined up to here
    # (text, language) -> seconds; summed over the words of a piece
    seconds: Callable[[str, str | None], float] = estimate_seconds
    # (piece, language) -> what of it the model cannot read
    loss: Callable[[str, str], Loss] = lambda *_: Loss()


@dataclass(frozen=True)
class Part:
    """A part of a text, to be said in one breath."""

    text: str  # with the space around it, as it stands in the whole
    after: Break  # what comes behind it
    start: int  # offset of its first character in the whole
    tokens: int
    seconds: float  # an estimate

    @property
    def end(self) -> int:
        """Offset behind its last character in the whole."""
        return self.start + len(self.text)

    @property
    def has_words(self) -> bool:
        """Whether there is anything to say: a line of asterisks is better a pause."""
        return any(character.isalnum() or character in "♪[" for character in self.text)


def split_text(text: str, *, budget: Budget, language: str | None = None) -> list[Part]:
    """Cut `text` losslessly into pieces within `budget`, in time proportional to its length.

    A piece is over the budget only where a single tag or grapheme is. Without `language` (a code such as de)
    the script decides.
    """
    language = language_of(text, language)
    measure = _Measure(budget, language)
    broken = [atoms(block) for block in paragraphs(text)]
    measure.learn(atom for block in broken for atom in block)
    pieces: list[Part] = []
    for block in broken:
        pieces += _pieces_of(block, pieces[-1].end if pieces else 0, measure)
    pieces = _within(pieces, measure)
    if pieces:
        pieces[-1] = replace(pieces[-1], after=Break.END)
    return pieces


def _pieces_of(block: list[str], start: int, measure: _Measure, weight: float = 1.0) -> list[Part]:
    """The pieces of one paragraph: its sentences cut where they must be, then joined where they are short.

    It is given by its atoms and begins at `start`; each token counts as `weight` of them.
    """
    budget = measure.budget
    text = "".join(block)
    parts: list[Unit] = []
    for sentence, after in _sentences(text, block, measure.language):
        begin = parts[-1].end if parts else 0
        whole = heavier(measure.whole(sentence, begin, after), weight)
        units = (heavier(unit, weight) for unit in measure.units(sentence, begin, after))
        parts += [whole] if whole.size <= FITS else pack(units)
    pieces: list[Part] = []
    begin = 0
    for unit in pack(parts, min(1.0, budget.target_seconds / budget.max_seconds)):
        tokens, seconds = round(unit.tokens / weight * budget.max_tokens), unit.seconds * budget.max_seconds
        pieces.append(Part(text[begin : unit.end], unit.after, start + begin, tokens, seconds))
        begin = unit.end
    return pieces


def _within(pieces: list[Part], measure: _Measure) -> list[Part]:
    """The pieces, cut anew where as a whole they have more tokens than may be.

    A tokenizer that reads "5 km" as "five kilometers" has more tokens for it than for its words alone.
    """
    limit = measure.budget.max_tokens
    doubtful = [p for p in pieces if p.tokens > _NEARLY * limit or any(map(str.isdigit, p.text))]
    texts = [piece.text.strip() for piece in doubtful]
    counts = measure.budget.count_tokens(texts, measure.language) if doubtful else []
    tokens = {piece.start: count for piece, count in zip(doubtful, counts, strict=True)}
    found: list[Part] = []
    for piece in pieces:
        counted = replace(piece, tokens=tokens.get(piece.start, piece.tokens))
        parts = _cut_anew(counted, measure) if counted.tokens > max(piece.tokens, limit) else []
        found += _within(parts, measure) if len(parts) > 1 else [counted]
    return found


def _cut_anew(piece: Part, measure: _Measure) -> list[Part]:
    """The parts of a piece that has more tokens than its atoms by themselves have; each counts for more."""
    within = atoms(piece.text)
    measure.learn(within)
    apart = measure.whole(within, 0, piece.after).tokens * measure.budget.max_tokens
    parts = _pieces_of(within, piece.start, measure, weight=piece.tokens / max(1, apart))
    parts[-1] = replace(parts[-1], after=piece.after)
    return parts


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
        if not new:
            return
        for atom, tokens in zip(new, self.budget.count_tokens(new, self.language), strict=True):
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
