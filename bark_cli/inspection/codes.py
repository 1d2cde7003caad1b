"""The tokens of each stage -> how many there are, how varied, how repetitive; and when they are heard."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bark_cli.errors import OptionError
from bark_cli.model.config import BarkConfig
from bark_cli.model.tokens import BarkTokens, Tokens

LONGEST_LOOP_S = 5.0  # one round of it


@dataclass(frozen=True, kw_only=True)
class StageFacts:
    """What was found of one stage's tokens (books, n)."""

    stage: str
    books: int  # sequences side by side
    length: int  # of each
    rate_hz: float  # of each
    distinct: int  # kinds of token, each book's own
    vocabulary: int  # of as many
    repetition_s: float  # the longest stretch that repeats what came just before it; 0: there is none
    round_s: float  # what is repeated there


@dataclass(frozen=True, kw_only=True, eq=False)
class TokenTrack:
    """Tokens, and when their sound begins."""

    tokens: BarkTokens
    config: BarkConfig
    start_s: float = 0.0

    @property
    def duration_s(self) -> float:
        """Seconds of the sound they stand for."""
        return len(self.tokens.coarse[0]) / self.config.coarse.rate_hz

    def stages(self) -> dict[str, tuple[Tokens, float, int]]:
        """The tokens (books, n) of each stage, how many a second, and how many kinds a book has."""
        return {
            "semantic": (
                self.tokens.semantic[None],
                self.config.semantic.rate_hz,
                self.config.semantic.vocab_size,
            ),
            "coarse": (self.tokens.coarse, self.config.coarse.rate_hz, self.config.coarse.codebook_size),
            "fine": (self.tokens.fine, self.config.coarse.rate_hz, self.config.fine.codebook_size),
        }


def token_facts(track: TokenTrack) -> list[StageFacts]:
    """What there is to say of each stage, in their order."""
    return [_facts(stage, *found) for stage, found in track.stages().items()]


def place(track_s: float, sound_s: float, frame_s: float) -> float:
    """When in a sound its tokens begin: they may be those of its last piece alone.

    Raises:
        OptionError: they stand for more sound than there is.
    """
    if track_s > sound_s + 2 * frame_s:
        raise OptionError(
            f"the tokens stand for {track_s:.1f} s and the sound has {sound_s:.1f} s; give its own tokens"
        )
    return max(0.0, sound_s - track_s) if sound_s - track_s > 2 * frame_s else 0.0


def _facts(stage: str, tokens: Tokens, rate_hz: float, kinds: int) -> StageFacts:
    stretch, lag = longest_repetition(tokens, round(LONGEST_LOOP_S * rate_hz))
    return StageFacts(
        stage=stage,
        books=len(tokens),
        length=tokens.shape[1],
        rate_hz=rate_hz,
        distinct=sum(len(np.unique(book)) for book in tokens),
        vocabulary=len(tokens) * kinds,
        repetition_s=stretch / rate_hz,
        round_s=lag / rate_hz,
    )


def longest_repetition(tokens: Tokens, longest_round: int) -> tuple[int, int]:
    """Length of the longest stretch of tokens (books, n) that goes round three times or more, and of a round.

    (0, 0) if there is none. A held token is a round of one.
    """
    best = (0, 0)
    for lag in range(1, min(longest_round, tokens.shape[1] // 3) + 1):
        same = np.all(tokens[:, lag:] == tokens[:, :-lag], axis=0)
        edges = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]]).astype(np.int8)))
        run = int(np.max(edges[1::2] - edges[::2], initial=0))
        if run >= 2 * lag and run + lag > best[0]:
            best = (run + lag, lag)
    return best
