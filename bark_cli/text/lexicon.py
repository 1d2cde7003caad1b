"""How words are to be spoken: a lexicon (TOML) -> a Script with those words written as they sound.

[words]                       # whole words, in capitals or not
Siobhan = "Shivawn"
[exact]                       # only as they are written here
US = "U S"
[patterns]                    # regular expressions
'(\\d+) ?km\\b' = '\\1 kilometres'
[de.words]                    # for texts in German alone
Team = "Tiem"
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bark_cli.errors import OptionError
from bark_cli.system import toml
from bark_cli.text.script import Script

_KINDS = ("words", "exact", "patterns")
_MOST_BYTES, _MOST_ENTRIES, _LONGEST = 2**20, 10_000, 1_000


@dataclass(frozen=True, kw_only=True)
class Entries:
    """What is said for what."""

    words: Mapping[str, str] = field(default_factory=dict)  # by the word without capitals
    exact: Mapping[str, str] = field(default_factory=dict)
    patterns: Mapping[str, str] = field(default_factory=dict)

    def respell(self, text: str) -> str:
        """The text as it is to be spoken."""
        if self.words or self.exact:
            known = sorted({*self.words, *self.exact}, key=len, reverse=True)
            either = "|".join(map(re.escape, known))
            text = re.sub(rf"(?<!\w)(?:{either})(?!\w)", self._said, text, flags=re.IGNORECASE)
        for pattern, said in self.patterns.items():
            text = re.sub(pattern, said, text)
        return text

    def _said(self, match: re.Match[str]) -> str:
        found = match.group()
        return self.exact.get(found) or self.words.get(found.casefold()) or found


@dataclass(frozen=True, kw_only=True)
class Lexicon:
    """The entries for every language, by its code; those under "" are for all."""

    by_language: Mapping[str, Entries]

    def respell(self, script: Script, language: str | None) -> Script:
        """The script as it is to be spoken; entries of its language go before those for all."""
        codes = dict.fromkeys((language or "", ""))
        entries = [self.by_language[code] for code in codes if code in self.by_language]
        lines = []
        for line in script.lines:
            text = line.text
            for one in entries:
                text = one.respell(text)
            lines.append(replace(line, text=text))
        return replace(script, lines=tuple(lines))


def read_lexicon(path: Path) -> Lexicon:
    """The lexicon at `path`.

    Raises:
        OptionError: it cannot be read, is no TOML, or says what a lexicon cannot.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise OptionError(f"--say-as {path} has more than 1 MiB; make it shorter")
        found = toml.loads(data.decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise OptionError(f"cannot read --say-as {path}: {reason}; correct it") from error
    common = {name: value for name, value in found.items() if name in _KINDS}
    tables = {"": common, **{name: value for name, value in found.items() if name not in _KINDS}}
    lexicon = {code: _entries(table, code, path) for code, table in tables.items()}
    if sum(len(e.words) + len(e.exact) + len(e.patterns) for e in lexicon.values()) > _MOST_ENTRIES:
        raise OptionError(f"--say-as {path} has more than {_MOST_ENTRIES} entries; make it shorter")
    return Lexicon(by_language=lexicon)


def _entries(table: Any, code: str, path: Path) -> Entries:
    where = f"--say-as {path}"
    if not isinstance(table, dict) or (code and not re.fullmatch("[a-z]{2,3}", code)):
        raise OptionError(
            f"{where}: {code} is neither {', '.join(_KINDS)} nor a language such as de; rename it"
        )
    kinds: dict[str, dict[str, str]] = {}
    for kind, entries in table.items():
        if kind not in _KINDS or not isinstance(entries, dict):
            raise OptionError(f"{where}: [{kind}] is not one of {', '.join(_KINDS)}; rename it")
        for word, said in entries.items():
            if not word or not isinstance(said, str) or max(len(word), len(said)) > _LONGEST:
                raise OptionError(f'{where}: {word or kind} is no "word" = "as it is spoken"; correct it')
            if kind == "patterns":
                _check_pattern(word, said, where)
        kinds[kind] = entries
    words = {word.casefold(): said for word, said in kinds.pop("words", {}).items()}
    return Entries(words=words, **kinds)


def _check_pattern(pattern: str, said: str, where: str) -> None:
    try:
        re.sub(f"(?:{pattern})|", said, "")  # an empty match reads all of what is said for it
    except (re.error, IndexError, RecursionError, OverflowError) as error:
        raise OptionError(
            f"{where}: the pattern {pattern} is not understood ({error}); correct it"
        ) from error
