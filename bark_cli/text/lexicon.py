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
import time
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import regex  # re has no limit of time, and some patterns would take for ever

from bark_cli.errors import OptionError
from bark_cli.system import toml
from bark_cli.text.script import Script

_KINDS = ("words", "exact", "patterns")
_MOST_BYTES, _MOST_ENTRIES, _LONGEST = 2**20, 10_000, 1_000
_TOO_SLOW = "takes too long; avoid repeats within repeats, such as (a+)+"
_PATIENCE_S = 5.0  # of CPU time of a thread, for a pattern and one text
_MOST_REPEATS = 10_000  # that a pattern asks for: x{100} within y{100} is compiled as 10,000 of x
# what a pattern is made of: escapes, sets, counts, what lets comments in, and single characters
_PARTS = re.compile(
    r"(?P<comments>\(\?(?:[aiLmsu]*x|#))|"
    r"\\(?:N\{[^}]*\}|.)|\[\^?\]?(?:\\.|[^\]\\])*\]|\{(?!\})(?P<least>[0-9]*),?(?P<most>[0-9]*)\}|.",
    re.DOTALL,
)


class SlowPatternError(Exception):
    """A pattern, by its text, that takes too long."""


@dataclass(frozen=True, kw_only=True)
class Entries:
    """What is said for what."""

    words: Mapping[str, str] = field(default_factory=dict)  # by the word without capitals
    exact: Mapping[str, str] = field(default_factory=dict)
    patterns: Mapping[str, str] = field(default_factory=dict)

    def respell(self, text: str) -> str:
        """The text as it is to be spoken.

        Raises:
            SlowPatternError: a pattern tries more ways to read the text than there is time for.
        """
        if self.words or self.exact:
            known = sorted({*self.words, *self.exact}, key=len, reverse=True)
            either = "|".join(map(re.escape, known))
            text = re.sub(rf"(?<!\w)(?:{either})(?!\w)", self._said, text, flags=re.IGNORECASE)
        for pattern, said in self.patterns.items():
            text = _replace(pattern, said, text)
        return text

    def _said(self, match: re.Match[str]) -> str:
        found = match.group()
        return self.exact.get(found) or self.words.get(found.casefold()) or found


@dataclass(frozen=True, kw_only=True)
class Lexicon:
    """The entries for every language, by its code; those under "" are for all."""

    by_language: Mapping[str, Entries]
    path: Path
    text: str  # of the file

    def respell(self, script: Script, language: str | None) -> Script:
        """The script as it is to be spoken; entries of its language go before those for all.

        Raises:
            OptionError: a pattern takes too long.
        """
        codes = [code for code in dict.fromkeys((language or "", "")) if code in self.by_language]
        lines = []
        for line in script.lines:
            text = line.text
            for code in codes:
                try:
                    text = self.by_language[code].respell(text)
                except SlowPatternError as slow:
                    raise OptionError(
                        f"{self._where(str(slow), code)}: the pattern {slow} {_TOO_SLOW}"
                    ) from slow
            lines.append(replace(line, text=text))
        return replace(script, lines=tuple(lines))

    def _where(self, pattern: str, code: str) -> str:
        """The file, and the line in which a pattern stands."""
        heading = ""
        for number, row in enumerate(self.text.split("\n"), 1):
            if row.lstrip().startswith("["):
                heading = row
            with suppress(ValueError, TypeError, AttributeError):  # a row that says nothing by itself
                table = toml.loads(f"{heading}\n{row}")
                if pattern in (table.get(code, {}) if code else table).get("patterns", {}):
                    return f"--say-as {self.path}, line {number}"
        return f"--say-as {self.path}"


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
        text = data.decode("utf-8")
        found = toml.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise OptionError(f"cannot read --say-as {path}: {reason}; correct it") from error
    common = {name: value for name, value in found.items() if name in _KINDS}
    tables = {"": common, **{name: value for name, value in found.items() if name not in _KINDS}}
    lexicon = {code: _entries(table, code, path) for code, table in tables.items()}
    if sum(len(e.words) + len(e.exact) + len(e.patterns) for e in lexicon.values()) > _MOST_ENTRIES:
        raise OptionError(f"--say-as {path} has more than {_MOST_ENTRIES} entries; make it shorter")
    return Lexicon(by_language=lexicon, path=path, text=text)


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
    if any(part["comments"] for part in _PARTS.finditer(pattern)):
        raise OptionError(f"{where}: the pattern {pattern} has (?x) or (?# in it; write it without comments")
    if _repeats(pattern) > _MOST_REPEATS:
        raise OptionError(f"{where}: the pattern {pattern} repeats things too often; make its {{N}} smaller")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)  # [[a] is a set for re and not for regex
            re.compile(pattern)
        _replace(f"(?:{pattern})|", said, "")  # an empty match reads all of what is said for it
    except SlowPatternError as slow:
        raise OptionError(f"{where}: the pattern {pattern} {_TOO_SLOW}") from slow
    except FutureWarning as warning:
        raise OptionError(
            f"{where}: the pattern {pattern} can be read in two ways ({warning}); "
            "write \\ before the sign there"
        ) from warning
    except (re.error, regex.error, IndexError, RecursionError, OverflowError) as error:
        raise OptionError(
            f"{where}: the pattern {pattern} is not understood ({error}); correct it"
        ) from error


def _repeats(pattern: str) -> int:
    """What its counts ask for: those of groups within each other are multiplied, of a sequence added up."""
    sums, last = [0], 0  # of each group that is open; of the group that ended just before
    for part in _PARTS.finditer(pattern):
        if part["least"] is not None:
            count = max(1, int(part["least"] or 1), int(part["most"] or 1))
            sums[-1] += count * max(last, 1) - last
        last = 0
        if part[0] == "(":
            sums.append(0)
        elif part[0] == ")" and len(sums) > 1:
            last = sums.pop()
            sums[-1] += last
    return sum(sums)


@cache
def _exact(pattern: str) -> str:
    """The pattern as `regex` has to be given it, so that no brace of it begins a fuzzy match."""
    return _PARTS.sub(lambda part: r"\{" if part[0] == "{" else part[0], pattern)


def _replace(pattern: str, said: str, text: str) -> str:
    """As `re.sub` does it, whose patterns know no fuzzy matching: in `regex` x{e} is x, or another letter.

    Raises:
        SlowPatternError: it takes more than _PATIENCE_S.
    """
    exact, patience = _exact(pattern), _PATIENCE_S
    while True:
        began = time.thread_time()
        try:
            replaced: str = regex.sub(exact, said, text, timeout=patience)
            return replaced
        except TimeoutError as error:
            if time.thread_time() - began >= _PATIENCE_S:
                raise SlowPatternError(pattern) from error
            patience *= 2  # regex counts the CPU time of all threads, and others were busy
