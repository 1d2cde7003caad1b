from __future__ import annotations

from typing import Any

import pytest
import typer

from bark_cli.cli.app import COMMANDS, app
from bark_cli.cli.values import take_plainly

TEXTS = ("1", "-3", "0", "0.5", "1e3", " 2 ", "1_0", "007", "+4", "x", "", "auto", "AUTO", "int8", "٣")


def value_of(coerce: Any, given: object, parameter: Any, context: Any) -> object:
    try:
        return coerce(given, param=parameter, ctx=context)
    except Exception as error:  # of typer's own Click, which has no public name
        return type(error).__name__, getattr(error, "message", "")


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
