"""`bark config`: what is set, where, and to what."""

from __future__ import annotations

from typing import Annotated

import typer

from bark_cli.cli.help import Command, CommandGroup
from bark_cli.cli.options import Json, JsonList

config = typer.Typer(
    cls=CommandGroup,
    no_args_is_help=True,
    help="See and change the settings.",
    add_completion=False,  # which is the whole program's
    rich_markup_mode=None,
)

Project = Annotated[
    bool, typer.Option("--project", help="Use the project's bark.toml instead of your own file.")
]


def setting_names(incomplete: str) -> list[str]:
    """For the shell to complete."""
    from bark_cli.settings import SETTINGS

    return [name for name in SETTINGS if name.startswith(incomplete)]


Key = Annotated[
    str, typer.Argument(metavar="SETTING", autocompletion=setting_names, help="Name of the setting.")
]


@config.callback()
def group() -> None:
    """See and change the settings.

    What is given on the command line goes before BARK_<NAME> in the environment, that before bark.toml of the
    project, that before your own file, and that before the defaults.
    """


@config.command("show", cls=Command)
def show(as_json: Json = False) -> None:
    """Show every setting, its value, and where it comes from.

    \b
    bark config show
    bark config show --json

    A dash leaves it to the model or the machine.
    """
    from bark_cli.cli.config.tables import print_settings
    from bark_cli.settings import resolve

    print_settings(resolve(), as_json=as_json)


@config.command("presets", cls=Command)
def presets(as_json: JsonList = False) -> None:
    """List the presets and what they set.

    \b
    bark config presets
    bark say "Once upon a time." --preset audiobook

    Define your own in a settings file: [presets.NAME] with any settings below, and a description.
    """
    from bark_cli.cli.config.tables import print_presets
    from bark_cli.settings import list_presets

    print_presets(list_presets(), as_json=as_json)


@config.command("path", cls=Command)
def path(project: Project = False) -> None:
    """Print where your settings are kept; the file need not exist.

    \b
    bark config path
    bark config path --project
    """
    from bark_cli.settings import project_target, user_file

    print(project_target() if project else user_file())


@config.command("set", cls=Command)
def set_value(
    name: Key,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="Its new value.")],
    project: Project = False,
) -> None:
    """Write a setting into your own file, or the project's.

    \b
    bark config set voice nano/ben
    bark config set preset audiobook --project
    """
    from bark_cli.cli.config.check import check_value
    from bark_cli.cli.output import note
    from bark_cli.settings import set_setting

    check_value(name, value)
    note(f"{name} is set in {set_setting(name, value, project=project)}")


@config.command("unset", cls=Command)
def unset_value(name: Key, project: Project = False) -> None:
    """Take a setting out of your own file, or the project's.

    \b
    bark config unset voice
    bark config unset preset --project
    """
    from bark_cli.cli.output import note
    from bark_cli.settings import project_target, unset_setting, user_file
    from bark_cli.settings.toml_file import parse_toml, read_text

    path = project_target() if project else user_file()
    held = parse_toml(path, read_text(path, is_project=project)) if path.exists() else {}
    unset_setting(name, project=project)
    was_set = name.replace("-", "_") in held
    note(f"{name} is taken out of {path}" if was_set else f"{name} was not set in {path}")
