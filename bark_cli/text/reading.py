"""How a text is understood: its format, encoding and cast -> a Script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bark_cli.errors import OptionError, TextError
from bark_cli.text.documents import read_document
from bark_cli.text.documents.plain import check_controls
from bark_cli.text.script import Script
from bark_cli.text.tags import TagProblem, check_tags

if TYPE_CHECKING:
    from bark_cli.text.lexicon import Lexicon
    from bark_cli.text.quotations import Dialogue


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How texts are understood."""

    format: str = "auto"  # text, markdown, srt, script, or what name and content tell
    encoding: str | None = None  # None: UTF-8, or what its byte order mark says
    cast: Mapping[str, str] = field(default_factory=dict)  # voices of a script's names
    lexicon: Lexicon | None = None  # how words are spoken
    dialogue: Dialogue | None = None  # another voice for what stands in quotation marks
    reads_numbers: bool = False  # spell them in words
    language: str | None = None  # of the text, for the lexicon
    strict: bool = False  # tags that no model knows are an error, and so are control characters

    def script(self, text: str, name: str | None = None) -> Script:
        """What is said of a text, whose file has that name.

        Raises:
            TextError: it is not what it should be, or has a tag that no model knows, or a control character,
                and must not.
        """
        script = read_document(text, self.format, name, cast=self.cast)
        if self.strict:
            try:
                check_controls(text)
            except TextError as error:
                raise TextError(f"{error}; --strict forbids it") from error
            if (problem := next(iter(unknown_tags(script)), None)) is not None:
                raise TextError(f"{problem}; --strict forbids it")
        [spoken] = self.spoken([script], self.language)
        return spoken

    def spoken(self, scripts: Sequence[Script], language: str | None) -> Sequence[Script]:
        """Scripts that follow each other, cut where voices change, and written as they are to be spoken."""
        if self.dialogue is not None:
            scripts = self.dialogue.part(scripts)
        if self.lexicon is not None:
            scripts = [self.lexicon.respell(script, language) for script in scripts]
        if self.reads_numbers:
            scripts = [_in_words(script, language) for script in scripts]
        return scripts

    def check_cast(self, script: Script, what: str) -> None:
        """Refuse a cast for what is not a script; `what` names it.

        Raises:
            OptionError: there are voices for names, and no names.
        """
        if not self.cast:
            return
        from bark_cli.text.quotations import is_dialogue

        if all(is_dialogue(name) for name in script.cast):
            raise OptionError(f"--cast is for scripts, and {what} is not one; add --input-format script")


def _in_words(script: Script, language: str | None) -> Script:
    from bark_cli.text.numbers import spell_numbers

    lines = [replace(line, text=spell_numbers(line.text, language)) for line in script.lines]
    return replace(script, lines=tuple(lines))


def unknown_tags(script: Script) -> list[TagProblem]:
    """The tags that no model knows, each once."""
    problems = (problem for line in script.lines for problem in check_tags(line.text))
    return list({problem.text: problem for problem in problems}.values())
