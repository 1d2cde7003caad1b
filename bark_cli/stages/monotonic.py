"""Reading a text once, from start to end: logits (V,) and tokens as they are drawn -> those that count.

A semantic model can lose its place, say the end of a text twice, or go back to a place that looks alike.
Where its tokens tell which part of the text they say (`ReadingConfig`), a step back or beyond the end is
never taken, and what is read a second time is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bark_cli.model.config import ReadingConfig
from bark_cli.model.tokens import Logits, Tokens

_SURE = (
    4  # runs of one token that are the same a cycle before: by chance that never happened in 600 sentences
)
_HELD = 32  # tokens that are held back, for a second reading is known a few runs after it began


@dataclass(frozen=True)
class Place:
    """Where in a text a reader is, as a backend needs it to know what may be drawn, and where that leads.

    A token t < `rules.n_placed` goes on by (t - at) modulo `rules.cycle`: at most by `rules.reach`, and not
    beyond `last`.
    """

    rules: ReadingConfig
    at: int
    last: int


class Reader:
    """Follows the reading of one text (N,) in a model that has a `ReadingConfig`."""

    def __init__(self, text_ids: Tokens, rules: ReadingConfig, n_ids: int) -> None:
        self._rules, self._n_ids = rules, n_ids
        self._text = text_ids.tolist()
        self._at = 0  # in the text
        self._runs: list[tuple[int, int]] = []  # (place, token), a run of one token once
        self._said: dict[int, list[int]] = {}  # the same by place
        self._held: list[int] = []
        self._same = 0  # of the last runs, how many came a cycle before; more of them than not
        self._began = (0, 0)  # the run and the held token with which that began
        self._until: int | None = None  # the place up to which all is said already

    def allowed(self, logits: Logits) -> Logits:
        """Logits (V,) with -inf for tokens of other parts of the text than the next ones."""
        reach = min(self._rules.reach, len(self._text) - 1 - self._at)
        barred = _barred(self._rules, self._n_ids, self._at % self._rules.cycle, reach)
        return np.where(barred, np.float32(-np.inf), logits)

    @property
    def place(self) -> Place:
        """Where it is."""
        return Place(self._rules, self._at, len(self._text) - 1)

    def until_return(self, drawn: Sequence[int]) -> int:
        """How many of these tokens come until it would go back in the text, that one included; or all.

        Nothing is taken in: `heard` is still to be told.
        """
        ahead = copy(self)
        ahead._runs, ahead._held = list(self._runs), list(self._held)
        ahead._said = {place: list(tokens) for place, tokens in self._said.items()}
        for count, token in enumerate(drawn, 1):
            before = ahead._at
            ahead._take(token)
            if ahead._at < before:
                return count
        return len(drawn)

    def heard(self, drawn: Sequence[int], is_over: bool) -> list[int]:
        """Go on by the tokens that were drawn; returns those that by now are certain to be heard."""
        for token in drawn:
            self._take(token)
        sure = self._held[: len(self._held) if is_over else max(0, len(self._held) - _HELD)]
        del self._held[: len(sure)]
        self._began = (self._began[0], self._began[1] - len(sure))
        return sure

    def _take(self, token: int) -> None:
        if token < self._rules.n_placed:
            self._at += (token - self._at) % self._rules.cycle
            if self._is_said(token):
                return
            if not self._runs or self._runs[-1][1] != token:
                self._run(token, self._rules.cycle)
        if self._until is None:
            self._held.append(token)

    def _is_said(self, token: int) -> bool:
        """Whether a second reading has not yet come to where the first one was left."""
        if self._until is None:
            return False
        if self._at < self._until or (self._at == self._until and token in self._said[self._at]):
            return True
        self._until = None
        return False

    def _run(self, token: int, cycle: int) -> None:
        """Take in that another token begins, and see whether it begins a second reading."""
        before = self._said.get(self._at - cycle)
        if before and self._text[self._at] != self._text[self._at - cycle]:
            if not self._same:
                self._began = (len(self._runs), len(self._held))
            self._same = max(0, self._same + (1 if token in before else -1))
        self._runs.append((self._at, token))
        self._said.setdefault(self._at, []).append(token)
        if self._same == _SURE:
            self._go_back(cycle)

    def _go_back(self, cycle: int) -> None:
        """Leave out what is read again, up to where the first reading was left."""
        run, held = self._began
        for place, token in self._runs[run:]:
            self._said[place].remove(token)
        del self._runs[run:], self._held[max(0, held) :]
        self._same, self._at = 0, self._at - cycle
        self._until = self._runs[-1][0]


def unread(tokens: Tokens, text_ids: Tokens, rules: ReadingConfig) -> int:
    """How many ids of a text (N,) come after the last one that semantic tokens (T,) tell of."""
    placed = tokens[tokens < rules.n_placed]
    return len(text_ids) - 1 - int((np.diff(placed, prepend=0) % rules.cycle).sum())


@lru_cache(maxsize=512)  # more than there are of one model
def _barred(rules: ReadingConfig, n_ids: int, place: int, reach: int) -> NDArray[np.bool_]:
    """Which ids (n_ids,) stand for a place that is not one of the `reach` next."""
    ids = np.arange(n_ids)
    return (ids < rules.n_placed) & ((ids - place) % rules.cycle > reach)
