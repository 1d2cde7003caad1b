from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import typer

from bark_cli.cli import main
from bark_cli.cli.app import COMMANDS, app
from bark_cli.cli.values import take_plainly

TEXTS = ("1", "-3", "0", "0.5", "1e3", " 2 ", "1_0", "007", "+4", "x", "", "auto", "AUTO", "int8", "٣")

# what else a text may stand for; any other metavar names a file or folder, or may do so
NO_FILES = {"TEXT", "VOICE", "NAME", "NAME...", "CODE", "XX", "LIST", "WHAT", "PATTERN", "SIZE", "TIME"}
NO_FILES |= {"NAME=VOICE", "NAME=VALUE", "FIELD=NAME", "SETTING", "VALUE", "N|auto", "ADDRESS", "ORIGIN"}
NO_FILES |= {"REV", "ray[:ADDRESS]", "[auto|cpu|cuda|mps|openvino]"}


def value_of(coerce: Any, given: object, parameter: Any, context: Any) -> object:
    try:
        return coerce(given, param=parameter, ctx=context)
    except Exception as error:  # of typer's own Click, which has no public name
        return type(error).__name__, getattr(error, "message", "").removeprefix("Value error, ")


@pytest.mark.parametrize("name", ["say", "batch", "bench"])
def test_values_taken_plainly_are_those_that_typer_makes(name: str) -> None:
    group = typer.main.get_command(app)
    command = group.get_command(None, name)  # type: ignore[attr-defined]
    context = command.make_context(name, [], resilient_parsing=True)
    seen = 0
    for parameter in command.params:
        if not hasattr(parameter, "get_runtime_param"):
            pytest.skip("this typer converts without pydantic")
        take_plainly(parameter)
        plainly = parameter.get_runtime_param()
        many = parameter.multiple or parameter.nargs == -1
        for given in (None, *((text,) for text in TEXTS), TEXTS[:2]) if many else (None, *TEXTS):
            ours = value_of(plainly.coerce, given, parameter, context)
            theirs = value_of(plainly._of_typer().coerce, given, parameter, context)
            assert ours == theirs, (parameter.name, given)
            assert type(ours) is type(theirs), (parameter.name, given)
            seen += 1
    assert name in COMMANDS
    assert seen > 150


def test_a_value_that_is_no_choice_is_told_in_plain_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["say", "hello", "--continuity", "both"]) == 2
    told = capsys.readouterr().err
    assert "Invalid value for '--continuity': 'both' is not one of 'voice'" in told


def commands(group: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All of them, with the words that name each."""
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        if hasattr(command, "list_commands"):
            yield from commands(command, (*words, name))
        else:
            yield (*words, name), command


def given(parameter: Any, value: str | None = None) -> list[str]:
    """A parameter as it is written on the command line, with a value or with anything that it takes."""
    if value is None:
        [value, *_] = [one for one in get_args(parameter.type_descriptor.annotation) if one is not str] or "x"
    return [*parameter.opts[:1], value] if parameter.param_type_name == "option" else [value]


def test_a_file_without_a_name_is_refused_by_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    tried = set()
    for words, command in commands(typer.main.get_command(app)):
        for one in command.params:
            kind = one.type_descriptor.annotation if one.name != "help" else None
            if kind is not Path and (kind not in (str, list[str]) or one.metavar in NO_FILES):
                continue
            line = list(words)
            for other in command.params:
                if other is one or other.required:
                    line += given(other, "" if other is one else None)
            assert main(line) == 2, line
            name = one.opts[0] if one.param_type_name == "option" else one.metavar
            assert capsys.readouterr().err == f"bark: {name} is empty; give it a name\n", line
            tried.add((*words, name))
    assert {("batch", "--ledger"), ("download", "--from"), ("convert", "OUT"), ("bench", "--plot")} <= tried
    assert main(["batch", "texts", "", "-o", "sounds"]) == 2
    assert capsys.readouterr().err == "bark: PATHS is empty; give it a name\n"


@pytest.mark.parametrize(
    "command",
    ["tags", "voices ls", "config show", "config presets", "cache ls", "cache verify", "cache prune"],
)
def test_json_is_a_list_where_the_help_says_so(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command.split(), "--help"]) == 0
    says_list = "Print one JSON list" in capsys.readouterr().out
    assert main([*command.split(), "--json"]) == 0
    assert isinstance(json.loads(capsys.readouterr().out), list) == says_list
