"""Which value counts: values from five places -> one value for each setting, and where it comes from."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from bark_cli.errors import OptionError
from bark_cli.settings.known import SETTINGS, Settings
from bark_cli.settings.paths import project_file, shown, user_file
from bark_cli.settings.presets import find_preset, presets_with
from bark_cli.settings.toml_file import Assigned, Layer, Preset, SettingsFile, read_file
from bark_cli.system.variables import is_on

# a temperature that was asked for counts, whatever a file or preset below says of stages or liveliness
_BROADER = {
    "temperature": ("semantic_temperature", "coarse_temperature", "liveliness"),
    "semantic_temperature": ("liveliness",),
}
_DEFAULT = "default"
NO_PROJECT = "BARK_NO_PROJECT"  # a variable: 1 leaves bark.toml alone


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """A value for every setting, and where each comes from."""

    settings: Settings
    sources: Mapping[str, str]  # "--voice", "BARK_VOICE", "bark.toml:3", "preset audiobook", "default"

    def was_set(self, name: str) -> bool:
        """Whether anybody has set it."""
        return self.sources[name] != _DEFAULT

    def was_flag(self, name: str) -> bool:
        """Whether it was given on the command line."""
        return self.sources[name] == SETTINGS[name].flag


def resolve(
    flags: Mapping[str, object] | None = None, *, whole: Collection[str] = (), usual: str | None = None
) -> Resolved:
    """Find the value of every setting.

    Args:
        flags: what was given on the command line, by the settings' names; None means that it was not.
        whole: settings that the command line alone decides, and a preset that it names.
        usual: the preset where none is named.

    Raises:
        OptionError: a value is outside its range, a file is damaged or says what it may not, or there is no
            such preset; the message names the place.
    """
    files = _files()
    given = [_from_flags(flags or {}), _from_environment(), *(file.values for file in files)]
    if usual is not None:
        given.append({"preset": Assigned(usual, _DEFAULT)})
    layers = _with_preset(given, files)
    first_below = 2 if "preset" in given[0] else 1
    below = [{name: layer[name] for name in layer if name not in whole} for layer in layers[first_below:]]
    merged = _merged([*layers[:first_below], *below])
    values = {name: entry.value for name, entry in merged.items()}
    sources = {name: entry.source for name, entry in merged.items()}
    return Resolved(settings=Settings(**values), sources=sources)  # type: ignore[arg-type]


def list_presets() -> dict[str, Preset]:
    """All presets that --preset accepts here, sorted by name.

    Raises:
        OptionError: a file of settings is damaged.
    """
    return presets_with(_files())


def _files() -> list[SettingsFile]:
    """The project's and the user's, where they are; a file that $BARK_CONFIG names has to be."""
    found = []
    if (project := None if is_on(NO_PROJECT) else project_file()) is not None:
        try:
            found.append(read_file(project, is_project=True))
        except OptionError as error:  # it may be another program's, or somebody else's
            raise OptionError(f"{error}; {NO_PROJECT}=1 goes on without {shown(project)}") from error
    user = user_file()
    if os.path.lexists(user):
        found.append(read_file(user))
    elif os.environ.get("BARK_CONFIG"):
        raise OptionError(f"BARK_CONFIG names {user}, which is not there; create it, or unset BARK_CONFIG")
    return found


def _from_flags(flags: Mapping[str, object]) -> Layer:
    given = {SETTINGS[name]: value for name, value in flags.items() if value is not None}
    return {s.name: Assigned(s.check(value, s.flag), s.flag) for s, value in given.items()}


def _from_environment() -> Layer:
    """What BARK_<NAME> says; empty ones count as unset, and those that name no setting are ignored."""
    given = {s: text for s in SETTINGS.values() if (text := os.environ.get(s.variable, "").strip())}
    return {s.name: Assigned(s.parse(text, s.variable), s.variable) for s, text in given.items()}


def _with_preset(layers: Sequence[Layer], files: Sequence[SettingsFile]) -> list[Layer]:
    """The layers, highest first, with the preset just below the highest that names one."""
    for place, layer in enumerate(layers):
        if (asked := layer.get("preset")) is None:
            continue
        preset = find_preset(str(asked.value), asked.source, presets_with(files))
        source = f"preset {asked.value}"
        values = {} if preset is None else {k: Assigned(v, source) for k, v in preset.values.items()}
        return [*layers[: place + 1], values, *layers[place + 1 :]]
    return list(layers)


def _merged(layers: Sequence[Layer]) -> Layer:
    """One entry for every setting, from layers with the highest first."""
    defaults = {name: Assigned(setting.default, _DEFAULT) for name, setting in SETTINGS.items()}
    merged = dict(defaults)
    for layer in reversed(layers):
        for name in layer:
            merged |= {narrow: defaults[narrow] for narrow in _BROADER.get(name, ())}
        merged |= layer
    return merged
