"""A tokenizer's rules for writing text anew -> the same rules, followed one by one within bounds.

Rules that replace letters by words are what reads numbers; forty of them can also make a text 2**40 times
as long. Each is therefore followed by itself first, and what it writes is measured before the next one.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from bark_cli.errors import ModelError

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from tokenizers.normalizers import Normalizer

_MOST_AT_ONCE = 64  # characters that a rule may write for what it finds
_TIMES, _MORE = 50, 5_000  # characters that all rules may write: so many times the text's, and so many more
_CHUNK = 5_000  # characters of text that are tried together
_GROWING = ("Replace", "Prepend", "Precompiled")


class Rules:
    """The rules of one tokenizer, as far as they may make a text longer without a bound."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Raises ValueError where a single rule writes too much."""
        rules = tokenizer.normalizer
        steps = [] if rules is None else list(_steps(json.loads(rules.__getstate__()), rules))
        for rule, _ in steps:
            if (longest := _longest(rule)) > _MOST_AT_ONCE:
                raise ValueError(
                    f"one of its rules writes {longest:,} characters at once, and at most "
                    f"{_MOST_AT_ONCE} are followed"
                )
        can_grow = any(rule["type"] in _GROWING for rule, _ in steps)
        self._steps = [step for _, step in steps] if can_grow else []
        added = sorted(
            (t.content for t in tokenizer.get_added_tokens_decoder().values()), key=len, reverse=True
        )
        self._added = re.compile("|".join(map(re.escape, filter(None, added))) or "(?!)")

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


def _steps(rule: dict[str, Any], normalizer: Any) -> Iterator[tuple[dict[str, Any], Normalizer]]:
    """The rules in their order, each with what follows it."""
    if rule["type"] != "Sequence":
        yield rule, normalizer
        return
    for n, inner in enumerate(rule["normalizers"]):
        yield from _steps(inner, normalizer[n])


def _longest(rule: dict[str, Any]) -> int:
    """Characters that a rule writes at most for one thing that it finds."""
    if rule["type"] == "Precompiled":  # a trie, its size before it, and behind it what is written, by NULs
        charsmap = base64.b64decode(rule["precompiled_charsmap"])
        written = charsmap[4 + int.from_bytes(charsmap[:4], "little") :].split(b"\0")
        return max(map(len, written), default=0)
    return len(rule.get("content", rule.get("prepend", "")))
