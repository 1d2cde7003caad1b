"""A user's settings: flags, environment, two files -> the value of every setting and where it comes from.

What is given on the command line goes before BARK_<NAME> in the environment, that before `bark.toml` of
the project, that before the user's own `config.toml`, and that before the defaults. The nearest of them that
names a preset decides which one is used, and its values lie just below those given in the same place.

A project's file may be somebody else's, and so it can do no harm: no setting names a place that is written
to, it does not decide over the network, the loudspeaker or how much memory is used, and its voices and models
have names or lie in its own folder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bark_cli.settings.known import SETTINGS, Setting, Settings, Value
from bark_cli.settings.paths import project_file, project_target, user_file
from bark_cli.settings.resolve import Resolved, list_presets, resolve
from bark_cli.settings.toml_file import NO_PRESET, Preset
from bark_cli.system.later import imported_later

if TYPE_CHECKING:
    from bark_cli.settings.edit import set_setting as set_setting
    from bark_cli.settings.edit import unset_setting as unset_setting

__getattr__ = imported_later(__name__, {"edit": ("set_setting", "unset_setting")})
__all__ = [
    "NO_PRESET",
    "SETTINGS",
    "Preset",
    "Resolved",
    "Setting",
    "Settings",
    "Value",
    "list_presets",
    "project_file",
    "project_target",
    "resolve",
    "set_setting",
    "unset_setting",
    "user_file",
]
