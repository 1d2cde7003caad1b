"""A tokenizer's rules for writing text anew -> the same rules, followed one by one within bounds.

Rules that replace letters by words are what reads numbers; forty of them can also make a text 2**40 times
as long. Each is therefore followed by itself first, and what it writes is measured before the next one.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from bark_cli.errors import ModelError

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from tokenizers.normalizers import Normalizer

_MOST_AT_ONCE = 64  # characters that a rule may write for what it finds
_TIMES, _MORE = 50, 5_000  # characters that all rules may write: so many times the text's, and so many more
_CHUNK = 5_000  # characters of text that are tried together
_GROWING = ("Replace", "Prepend", "Precompiled")
_MAY_GROW = re.compile("|".join([*_GROWING, r"\\u00[4-7]"]).encode())  # or their letters by number


class TokenizerRules:
    """The rules of one tokenizer, as far as they may make a text longer without a bound."""

    def __init__(
        self,
        normalizer: dict[str, Any] | None,
        added: Iterable[str],
        made: Sequence[Normalizer] | None = None,
    ) -> None:
        """`normalizer` is as in tokenizer.json, and `made` its rules, where they are at hand.

        Raises:
            ValueError: a single rule writes too much.
        """
        rules = check_rules(normalizer)
        can_grow = any(rule["type"] in _GROWING for rule in rules)
        self._steps = list(made or _followed(rules)) if can_grow else []
        names = sorted(filter(None, added), key=len, reverse=True)
        self._added = re.compile("|".join(map(re.escape, names)) or "(?!)")

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> TokenizerRules:
        """Those of a tokenizer that was read."""
        made: Any = tokenizer.normalizer
        told = None if made is None else json.loads(made.__getstate__())
        added = (token.content for token in tokenizer.get_added_tokens_decoder().values())
        inner = told["normalizers"] if told and told["type"] == "Sequence" else []
        is_flat = all(rule["type"] != "Sequence" for rule in inner)
        return cls(told, added, [made[n] for n in range(len(inner))] if is_flat else None)

    def check(self, texts: Sequence[str]) -> None:
        """Follow the rules over the texts, which a tokenizer would do without any bound.

        Raises:
            ModelError: they make a text far longer.
        """
        if not self._steps:
            return
        # each stretch between added tokens is written anew by itself; those are never
        joined = "\n".join("\n".join(self._added.split(text)) for text in texts)
        for begin in range(0, len(joined), _CHUNK):
            text = joined[begin : begin + _CHUNK]
            limit = _TIMES * len(text) + _MORE
            for step in self._steps:
                text = step.normalize_str(text)
                if len(text) > limit:
                    raise ModelError(
                        f"the rules of the model's tokenizer make a text more than {_TIMES} times as long, "
                        "and are not followed that far; take another model"
                    )


def check_rules(normalizer: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The rules of a normalizer (as in tokenizer.json) in their order.

    Raises:
        ValueError: a single rule writes too much.
    """
    rules = [] if normalizer is None else list(_each(normalizer))
    if (longest := max(map(_longest, rules), default=0)) > _MOST_AT_ONCE:
        raise ValueError(
            f"one of its rules writes {longest:,} characters at once, "
            f"and at most {_MOST_AT_ONCE} are followed"
        )
    return rules


def check_file(data: bytes) -> None:
    """Follow the rules of a tokenizer.json over its added tokens, which reading it would do without bound.

    Raises:
        ValueError: it is no JSON of a tokenizer, or a single rule writes too much.
        ModelError: the rules make a token far longer.
    """
    if _MAY_GROW.search(data):
        told = json.loads(data)
        added = [
            token["content"] for token in told.get("added_tokens") or () if token.get("normalized", True)
        ]
        if added:
            TokenizerRules(told.get("normalizer"), ()).check(added)


def _each(rule: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The rules in their order."""
    if rule["type"] != "Sequence":
        yield rule
        return
    for inner in rule["normalizers"]:
        yield from _each(inner)


def _followed(rules: list[dict[str, Any]]) -> list[Normalizer]:
    """What follows each of them, by way of a tokenizer that has nothing else."""
    from tokenizers import Tokenizer

    normalizer = {"type": "Sequence", "normalizers": rules}
    model = {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}
    bare: dict[str, Any] = {"version": "1.0", "added_tokens": [], "normalizer": normalizer, "model": model}
    bare |= dict.fromkeys(("pre_tokenizer", "post_processor", "decoder"))
    made: Any = Tokenizer.from_str(json.dumps(bare)).normalizer
    return [made[n] for n in range(len(rules))]


def _longest(rule: dict[str, Any]) -> int:
    """Characters that a rule writes at most for one thing that it finds."""
    if rule["type"] == "Precompiled":  # a trie, its size before it, and behind it what is written, by NULs
        charsmap = base64.b64decode(rule["precompiled_charsmap"])
        written = charsmap[4 + int.from_bytes(charsmap[:4], "little") :].split(b"\0")
        return max(map(len, written), default=0)
    return len(rule.get("content", rule.get("prepend", "")))
