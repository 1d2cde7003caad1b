from __future__ import annotations

import json
from typing import Any

import pytest
from tokenizers import Tokenizer

from bark_cli.model.bounded import BoundedTokenizer, SparingTokenizer, has_many_rules
from bark_cli.model.needed_rules import DIGIT, may_match, needed
from bark_cli.store import nano_folder

NANO = nano_folder() / "tokenizer.json"
TEXTS = """Hello, my name is Bark. I can speak.
It cost $5.50, £3.20 or 7 € at 10:30 a.m. on 2 May 1984.
Dr. Smith of 12 Elm St. lives on 5th Ave., No. 7; call 555-123-4567.
NASA's U.S. budget rose 3.5% (½ of it by 2nd June), i.e. 1,234,567 kWh.
Chapter IV, pp. 12-14, vs. the 1990s and 100,000 km/h.
“Quotes”, ‘marks’ and dashes — also -5 °C, 6x9 and ~10.
[laughs] ♪ la la ♪ ... www.example.com, a@b.co
HELLO IT WORLD, A.B.C. é ñ 日本 \ue00a7 ٣٤
x""".splitlines()


@pytest.mark.parametrize(
    ("pattern", "signs", "can"),
    [
        ("--", "a-", True),
        (r"[.\-,]x", "-x", True),
        (r"[a\-z]", "-", True),
        (r"[a\-z]", "b", False),
        ("--", "ab", False),
        ("ab?", "a", True),
        ("ab?", "b", False),
        ("lbs?", "lb", True),
        ("a{0,3}b{2}", "b", True),
        ("a{0,3}b{2}", "a", False),
        ("(?<=x)y(?!z)", "xy", True),
        ("(?<=x)y", "y", False),
        ("(?<!x)y", "y", True),
        ("a(?:b|c)", "ac", True),
        ("a(?:b|c)", "ad", False),
        ("a(?:b|)", "a", True),
        ("a(?:bc)*", "a", True),
        ("a|b", "b", True),
        ("a|b", "c", False),
        (r"\d\.", DIGIT + ".", True),
        (r"\d\.", "a.", False),
        (r"\w\(", "(", True),
        ("[a-cx]y", "by", True),
        ("[a-cx]y", "dy", False),
        (r"[\d\u00bd]m", "½m", True),
        ("[^a]y", "y", True),
        ("[ab]", "c", False),
        (r"[\wa]", "c", True),
        # what is not understood may match
        ("(?i)a", "A", True),
        ("(?i:a)", "A", True),
        ("(?<name>a)", "b", True),
        (r"\x41", "b", True),
        (r"[[:alpha:]]", "1", True),
        ("a[b", "c", True),
        ("(a", "b", True),
        ("a)", "b", True),
    ],
)
def test_a_pattern_that_cannot_match_in_a_text_of_these_signs(pattern: str, signs: str, can: bool) -> None:
    assert may_match(pattern, {DIGIT, *signs[2:]} if signs.startswith(DIGIT) else set(signs)) is can


def test_what_a_rule_writes_may_be_found_by_the_next_and_a_rule_of_another_kind_ends_what_is_known() -> None:
    rules: list[dict[str, Any]] = [
        {"type": "Replace", "pattern": {"String": "&"}, "content": "1"},
        {"type": "Replace", "pattern": {"Regex": r"\d"}, "content": "one"},
        {"type": "Replace", "pattern": {"Regex": "o"}, "content": "0"},
        {"type": "Replace", "pattern": {"Regex": "q"}, "content": "k"},
        {"type": "Lowercase"},
        {"type": "Replace", "pattern": {"Regex": "q"}, "content": "k"},
    ]
    assert needed(rules, set("a&")) == [*rules[:3], *rules[4:]]
    assert needed(rules, set("ab")) == rules[4:]


def test_a_text_read_with_the_rules_it_needs_is_read_as_with_all() -> None:
    everything = BoundedTokenizer(Tokenizer.from_file(str(NANO)))
    told = json.loads(NANO.read_bytes())
    assert has_many_rules(told)
    fewest = len(needed(told["normalizer"]["normalizers"], set(TEXTS[0])))
    assert fewest < len(told["normalizer"]["normalizers"]) / 5
    for text in TEXTS:  # each by itself
        [alone], [expected] = SparingTokenizer(told).encode([text]), everything.encode([text])
        assert alone.ids == expected.ids, text
    sparing = SparingTokenizer(told)
    assert sparing.n_ids == everything.n_ids
    for text in TEXTS:  # and more signs with each
        assert sparing.encode([text, "a"])[0].ids == everything.encode([text])[0].ids, text
    assert sparing._made[0] is None  # by now all rules are read
