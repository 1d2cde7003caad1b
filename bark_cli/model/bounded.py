"""Texts -> their encodings, by a tokenizer whose rules are followed within bounds.

Where it has many rules, only those are read that the signs of the texts so far call for.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bark_cli.model.needed_rules import MANY, needed
from bark_cli.model.rules import TokenizerRules, check_rules

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

_MOST_OFTEN = 4  # that a tokenizer is made anew for more signs, before all rules are read


class BoundedTokenizer:
    """A tokenizer as it was read.

    Raises:
        ValueError: a single rule writes too much.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer, self._rules = tokenizer, TokenizerRules.of(tokenizer)

    @property
    def n_ids(self) -> int:
        """The largest id and one; ids may leave gaps."""
        return max(self._tokenizer.get_vocab().values(), default=-1) + 1

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        """What it makes of each text.

        Raises:
            ModelError: the rules make a text far longer.
        """
        self._rules.check(texts)
        if len(texts) == 1:  # which several threads do no sooner
            return [self._tokenizer.encode(texts[0], add_special_tokens=False)]
        return self._tokenizer.encode_batch(list(texts), add_special_tokens=False) if texts else []


class SparingTokenizer(BoundedTokenizer):
    """A tokenizer.json (parsed) of many rules, read with those that are needed, and more of them as they are.

    Raises:
        ValueError: a single rule writes too much.
    """

    def __init__(self, told: dict[str, Any]) -> None:
        check_rules(told["normalizer"])
        self._told, self._times = told, 0
        self._added = frozenset[str]().union(*(token["content"] for token in told.get("added_tokens") or ()))
        # the signs that a tokenizer was made for, and it; None: all there are
        self._made: tuple[frozenset[str] | None, BoundedTokenizer] = frozenset(), self._read_with([])

    @property
    def n_ids(self) -> int:
        """As `BoundedTokenizer.n_ids`."""
        return self._made[1].n_ids

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        """As `BoundedTokenizer.encode`."""
        signs, tokenizer = self._made  # both at once: other threads' texts may have changed them
        if signs is not None and not signs.issuperset("".join(texts)):
            self._times += 1
            signs = None if self._times > _MOST_OFTEN else signs.union(self._added, *texts)
            rules = self._told["normalizer"]["normalizers"]
            tokenizer = self._read_with(rules if signs is None else needed(rules, signs))
            self._made = signs, tokenizer
        return tokenizer.encode(texts)

    def _read_with(self, rules: list[dict[str, Any]]) -> BoundedTokenizer:
        from tokenizers import Tokenizer

        kept = {"type": "Sequence", "normalizers": rules}
        return BoundedTokenizer(Tokenizer.from_str(json.dumps({**self._told, "normalizer": kept})))


def has_many_rules(told: dict[str, Any]) -> bool:
    """Whether leaving some out pays: of a tokenizer.json (parsed), whose rules follow each other."""
    normalizer = told.get("normalizer") or {}
    rules = normalizer.get("normalizers", [])
    return normalizer.get("type") == "Sequence" and sum(rule["type"] == "Replace" for rule in rules) >= MANY
