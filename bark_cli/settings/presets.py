"""Presets: a name -> its settings, from the project, the user's file, or the package."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from bark_cli.errors import OptionError
from bark_cli.settings.paths import shipped_folder
from bark_cli.settings.toml_file import NO_PRESET, Preset, SettingsFile, read_preset


def presets_with(files: Iterable[SettingsFile]) -> dict[str, Preset]:
    """Shipped presets and those of the files, sorted by name; the first file wins where names clash.

    Raises:
        OptionError: a shipped file is damaged.
    """
    shipped = {path.stem: read_preset(path) for path in sorted(shipped_folder().glob("*.toml"))}
    for file in reversed(list(files)):
        shipped |= file.presets
    return dict(sorted(shipped.items()))


def find_preset(name: str, where: str, presets: Mapping[str, Preset]) -> Preset | None:
    """The preset of that name; None for NO_PRESET.

    Raises:
        OptionError: there is none; the message begins with `where` and offers the nearest.
    """
    if name == NO_PRESET:
        return None
    if name in presets:
        return presets[name]
    near = difflib.get_close_matches(name, presets, n=1, cutoff=0.5)
    meant = f"did you mean {near[0]}? " if near else ""
    raise OptionError(f"{where}: there is no preset {name!r}; {meant}`bark config presets` lists them")
