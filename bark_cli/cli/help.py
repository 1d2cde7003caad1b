"""Plain and quick `--help`, with the options in named groups."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup


class _Quick:
    """Unset flags are False, not None: to convert a None, typer imports pydantic, which takes 0.1 s."""

    def get_params(self, ctx: Any) -> list[Any]:
        parameters: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for parameter in parameters:
            if getattr(parameter, "is_bool_flag", False) and parameter.default is None:
                parameter.default = False
        return parameters


class Group(_Quick, TyperGroup):
    """A group of commands."""


class Command(_Quick, TyperCommand):
    """A command that shows its options under their `rich_help_panel`, as typer does only with rich."""

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
