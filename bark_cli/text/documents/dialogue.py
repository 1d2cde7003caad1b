"""A dialogue (str) -> its Lines: who says what, and the silences between.

    ---
    cast:
      ANNA: v2/en_speaker_9
      BEN: ben.npz
    ---
    # a comment: a line that begins with #
    ANNA: Did you hear that? [gasps]
      An indented line goes on with what she says.
    [pause 1.5s]
    BEN: No.

A name stands at the beginning of a line: up to three words with a capital letter each, or any of the cast.
After a blank line the same speaker begins a new paragraph. What stands before the first name is nobody's.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice, takewhile

from bark_cli.errors import OptionError, TextError
from bark_cli.text.script import Line, Script, at_pauses

_NAME = re.compile(r"([^\W_](?:[\w'’.-]| (?=[\w'’])){0,39})[ \t]{0,9}(?::(?=\s|$)|：)\s*")
_BARKS_OWN = ("MAN", "WOMAN")  # manners of Bark's, written in prompts: names only if cast
_FENCE = "---"
_SHOWN = 5  # names, of those that have no voice


def parse_cast(options: Iterable[str]) -> dict[str, str]:
    """What was given as NAME=VOICE, by name.

    Raises:
        OptionError: one is not NAME=VOICE, or a name is given twice.
    """
    cast, known = dict[str, str](), set[str]()
    for option in options:
        name, equals, voice = (part.strip() for part in option.partition("="))
        if not (name and equals and voice):
            raise OptionError(
                f"--cast {option} is not NAME=VOICE; write, for example, --cast ANNA=v2/en_speaker_9"
            )
        if name.casefold() in known:
            raise OptionError(f"--cast {name} is given twice; give each name one voice")
        cast[name] = voice
        known.add(name.casefold())
    return cast


def read_script(text: str, cast: Mapping[str, str] | None = None, *, source: str = "the script") -> Script:
    """Who says what. Voices of `cast` go before those in the text's front matter.

    Raises:
        TextError: the front matter is not understood, or a speaker is not in the cast.
    """
    given = dict(cast or {})
    own, body, first = front_matter(text)
    known = {name.casefold(): name for name in given}
    everyone = {known.get(name.casefold(), name): voice for name, voice in own.items()} | given
    lines = [part for line in _spoken(body.splitlines(), first, everyone) for part in at_pauses(line)]
    _refuse_strangers(lines, everyone, source)
    return Script(lines=tuple(lines), cast=everyone)


def front_matter(text: str) -> tuple[dict[str, str], str, int]:
    """The cast at the head of a text, the text without its front matter, and the number of its first line.

    `NAME: voice` in a line each, under `cast:` where there are other entries, which are passed over.

    Raises:
        TextError: the front matter does not end, or a line of the cast is not understood.
    """
    lines = text.removeprefix("\ufeff").splitlines()
    if not lines or lines[0].rstrip() != _FENCE:
        return {}, text, 1
    end = next((n for n, line in enumerate(lines[1:], 1) if line.rstrip() in (_FENCE, "...")), None)
    if end is None:
        raise TextError(f"line 1 opens a front matter that no other {_FENCE} ends; add it, or remove line 1")
    return _cast_of(lines[1:end]), "\n".join(lines[end + 1 :]), end + 2


def _cast_of(head: list[str]) -> dict[str, str]:
    rows = [(number, row) for number, row in enumerate(head, 2) if row.strip() and row.lstrip()[0] != "#"]
    under = [n for n, (_, row) in enumerate(rows, 1) if re.match(r"cast\s*:\s*$", row)]
    if under:  # only what is indented below it
        rows = list(takewhile(lambda numbered: numbered[1][0].isspace(), rows[under[0] :]))
    cast: dict[str, str] = {}
    for number, row in rows:
        name, _, voice = (part.strip().strip("\"'") for part in row.partition(":"))
        if not (name and voice):
            raise TextError(
                f"line {number}: {row.strip()} is not NAME: voice; write a line like that for each name"
            )
        cast[name] = voice
    return cast


def _spoken(body: list[str], first: int, cast: Iterable[str]) -> Iterator[Line]:
    """The lines of the speakers, each with the rows that go on with it."""
    names = {name.casefold(): name for name in reversed(list(cast))}
    speaker: str | None = None
    words: list[str] = []
    begun = first
    for number, row in enumerate([*body, ""], first):
        if row.startswith("#"):
            continue
        begins, name, rest = _named(row, names)
        if words and (begins or not row.strip()):
            yield Line(text=" ".join(words), speaker=speaker, number=begun)
            words = []
        speaker = name if begins else speaker
        if rest.strip():
            begun = begun if words else number
            words.append(rest.strip())


def _named(row: str, names: Mapping[str, str]) -> tuple[bool, str | None, str]:
    """Whether the row begins somebody's line, whose it is, and what is said."""
    match = _NAME.match(row)
    if match is None:
        return False, None, row
    name = match[1].strip()
    known = names.get(name.casefold())
    if known is None and name in _BARKS_OWN:
        return True, None, row  # the model itself reads it
    words = name.split()
    if known is None and (len(words) > 3 or any(word[0].islower() for word in words)):
        return False, None, row
    return True, known or name, row[match.end() :]


def _some(names: Collection[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(islice(names, _SHOWN)) + more


def _refuse_strangers(lines: Iterable[Line], cast: Mapping[str, str], source: str) -> None:
    strangers: dict[str, int] = {}
    for line in lines:
        if line.speaker is not None and line.speaker not in cast:
            strangers.setdefault(line.speaker, line.number)
    if strangers:
        name, number = next(iter(strangers.items()))
        others = f" ({_some(strangers)} have none)" if len(strangers) > 1 else ""
        who = f"the cast is {_some(cast)}" if cast else "there is no cast"
        raise TextError(
            f"{source}, line {number}: {name} has no voice{others}; {who}; add --cast {name}=VOICE, "
            "or indent the line if that is not a name"
        )
