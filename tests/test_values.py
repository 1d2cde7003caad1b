from __future__ import annotations

import json
from typing import Any

import pytest
import typer

from bark_cli.cli import main
from bark_cli.cli.app import COMMANDS, app
from bark_cli.cli.values import take_plainly

TEXTS = ("1", "-3", "0", "0.5", "1e3", " 2 ", "1_0", "007", "+4", "x", "", "auto", "AUTO", "int8", "٣")


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


@pytest.mark.parametrize(
    ("command", "what"),
    [
        (["batch", "texts", "-o", ""], "-o"),
        (["batch", "texts", "", "-o", "sounds"], "PATHS"),
        (["book", "a.txt", "-o", ""], "-o"),
        (["book", "", "-o", "a.mp3"], "FILE"),
        (["detect", ""], "PATHS..."),
        (["say", "-f", ""], "-f"),
        (["voices", "preview", "nano/anna", "-o", ""], "-o"),
    ],
)
def test_a_file_without_a_name_is_refused(
    command: list[str], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command) == 2
    assert capsys.readouterr().err == f"bark: {what} is empty; give it a name\n"


@pytest.mark.parametrize(
    "command",
    ["tags", "voices ls", "config show", "config presets", "cache ls", "cache verify", "cache prune"],
)
def test_json_is_a_list_where_the_help_says_so(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command.split(), "--help"]) == 0
    says_list = "Print one JSON list" in capsys.readouterr().out
    assert main([*command.split(), "--json"]) == 0
    assert isinstance(json.loads(capsys.readouterr().out), list) == says_list
