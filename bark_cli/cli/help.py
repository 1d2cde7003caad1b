"""Plain and quick `--help`, with the options in named groups."""

from __future__ import annotations

import re
from itertools import dropwhile, islice
from typing import Any

from typer.core import TyperCommand, TyperGroup

from bark_cli.cli.values import take_plainly
from bark_cli.errors import OptionError

# a dash, and then what no option begins with, or an option's name with more words behind it
_TEXT = re.compile(r"-(?:[^\w-]|[0-9]|-[^\w]|-?[\w-]*\s)")
# words of the metavars that stand for a file or folder, whose name is never ""
_FILES = {"FILE", "FOLDER", "DIR", "PATH", "PATHS", "OUT", "MODEL", "NPZ", "PICTURE", "gguf"}


class _Quick:
    """Unset flags are False, and what needs no converting is not converted (values.py)."""

    def get_params(self, ctx: Any) -> list[Any]:
        parameters: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for parameter in parameters:
            if getattr(parameter, "is_bool_flag", False) and parameter.default is None:
                parameter.default = False
            take_plainly(parameter)
        return parameters


class CommandGroup(_Quick, TyperGroup):
    """A group of commands, for which `help` and `help COMMAND` are --help."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As usual, once what many type first is written as an option."""
        if args[:1] == ["help"]:
            args = [*dropwhile("help".__eq__, args), "--help"]
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed


class Command(_Quick, TyperCommand):
    """A command that shows its options under their `rich_help_panel`, as typer does only with rich."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As usual, but text that begins with a dash is text where the command takes any."""
        parameters = self.get_params(ctx)
        takes_text = any(one.name == "text" and one.param_type_name == "argument" for one in parameters)
        if takes_text:
            args = _texts_last(args, {name for one in parameters for name in one.opts if _takes_value(one)})
        given = list(args)
        try:
            parsed: list[str] = super().parse_args(ctx, args)
        except Exception as error:  # of typer's own Click, which has no public name
            is_unknown = hasattr(error, "possibilities") and not error.possibilities  # nor any like it
            if takes_text and is_unknown:
                error.message += "; text that begins with a dash goes behind --"  # type: ignore[attr-defined]
            raise
        may_be_empty = any(not arg or arg.endswith("=") for arg in given)
        if may_be_empty and not ctx.resilient_parsing:  # as Tab parses
            self._check_names(ctx, given)
        return parsed

    def _check_names(self, ctx: Any, args: list[str]) -> None:
        """Refuse "" for a file: a variable of the shell that was never set, and pathlib's working folder.

        Raises:
            OptionError: a file or folder was given as "".
        """
        texts = self.make_parser(ctx).parse_args(args=args)[0]  # a Path no longer tells "" from "."
        for one in filter(_names_a_file, self.get_params(ctx)):
            text = texts.get(one.name)
            if "" in (text if isinstance(text, (list, tuple)) else [text]):
                raise OptionError(f"{_called(one)} is empty; give it a name")

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write one section per group, in the order of the signature."""
        groups: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                usual = "Arguments" if parameter.param_type_name == "argument" else "Options"
                title = getattr(parameter, "rich_help_panel", None) or usual
                groups.setdefault(title, []).append(record)
        for title, records in groups.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


def _called(parameter: Any) -> str:
    """What a message calls it: -o, PATHS."""
    return str(parameter.opts[0] if parameter.param_type_name == "option" else parameter.metavar)


def _names_a_file(parameter: Any) -> bool:
    return not _FILES.isdisjoint(re.split(r"\W", parameter.metavar or ""))


def _takes_value(parameter: Any) -> bool:
    return parameter.param_type_name == "option" and not parameter.is_flag


def _texts_last(args: list[str], with_value: set[str]) -> list[str]:
    """The arguments, with all words behind `--`, in their order, where one is -30 or "- No."."""
    if "--" in args:
        return args
    options, words, rest = list[str](), list[str](), iter(args)
    for arg in rest:
        if arg == "-" or not arg.startswith("-") or _TEXT.match(arg):
            words.append(arg)
        else:
            options += [arg, *islice(rest, _awaits_value(arg, with_value))]
    return [*options, "--", *words] if any(map(_TEXT.match, words)) else args


def _awaits_value(option: str, with_value: set[str]) -> bool:
    """Whether the next argument is an option's value: that of -o, --output or -qo; not of --output=x, -ox."""
    flags = [f"-{letter}" for letter in option[1:]]
    is_cluster = not option.startswith("--") and with_value.isdisjoint(flags[:-1])
    return option in with_value or (is_cluster and flags[-1] in with_value)
