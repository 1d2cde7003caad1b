"""A settings file: TOML -> checked values and presets, each with the line it stands on."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from bark_cli.errors import OptionError, OutputError
from bark_cli.settings.known import Setting, Value, find_setting
from bark_cli.settings.paths import shown
from bark_cli.system.home import expanded
from bark_cli.system.ours import read_ours

NO_PRESET = "none"  # asks for no preset, even where a file names one
# Nobody sets so much; a parser of TOML takes time and memory by the square of the dots in a key.
_MOST_BYTES = 2**18
_MOST_IN_LINE, _MOST_DOTS = 4096, 200
_MOST_DEPTH = 8
_TABLE = re.compile(r"""\s*\[\s*presets\s*\.\s*(?:"([^"]*)"|'([^']*)'|([\w-]+))\s*\]""")
_KEY = re.compile(r"\s*[\"']?([\w-]+)[\"']?\s*=")


@dataclass(frozen=True)
class Assigned:
    """A value, and where it comes from, in the words shown to the user."""

    value: Value | None
    source: str


Layer = Mapping[str, Assigned]  # the settings given in one place
Lines = Mapping[tuple[str, str], int]  # of a preset ("" for none) and a setting ("" for the preset itself)


@dataclass(frozen=True)
class Preset:
    """A preset: named settings."""

    name: str
    description: str
    source: str  # the file that defines it, or "bark" for those that come along
    values: Mapping[str, Value]


@dataclass(frozen=True)
class SettingsFile:
    """What a file holds."""

    path: Path
    values: Layer = field(default_factory=dict)
    presets: Mapping[str, Preset] = field(default_factory=dict)


def read_file(path: Path, *, is_project: bool = False) -> SettingsFile:
    """Read a file of settings.

    Raises:
        OptionError: it cannot be read, is not TOML, or has a setting unknown or barred from projects.
    """
    return parse_file(path, read_text(path, is_project=is_project), is_project=is_project)


def parse_file(path: Path, text: str, *, is_project: bool = False) -> SettingsFile:
    """Like `read_file`, for the text of such a file."""
    tables = parse_toml(path, text)
    lines = _line_numbers(text)
    presets = tables.pop("presets", {})
    if not isinstance(presets, dict):
        raise OptionError(f"{shown(path)}: presets are tables; write [presets.NAME] above their settings")
    values = _layer(tables, path, lines, "", is_project)
    own = {name: _own_preset(name, table, path, lines, is_project) for name, table in presets.items()}
    return SettingsFile(path, values, own)


def read_text(path: Path, *, is_project: bool = False) -> str:
    """The text of a file of settings; a project's is read from no link, for others may have put it there.

    Raises:
        OptionError: it cannot be read, is far too large, or is not UTF-8.
    """
    try:
        data = _read(path, is_project)
        if len(data) > _MOST_BYTES:
            raise _too_much(path, f"{_MOST_BYTES // 1024} KiB")
        return data.decode("utf-8-sig")  # an editor of Windows may have begun it with a mark
    except UnicodeDecodeError as error:
        raise OptionError(f"{shown(path)} is not UTF-8; save it as UTF-8") from error
    except OSError as error:
        raise OptionError(f"cannot read settings from {shown(path)}: {error.strerror}") from error


def _read(path: Path, is_project: bool) -> bytes:
    """What a file holds, and a byte more where that is too much."""
    if not is_project:
        with path.open("rb") as stream:
            return stream.read(_MOST_BYTES + 1)
    try:
        data = read_ours(path, _MOST_BYTES)
    except OutputError as error:
        raise OptionError(str(error)) from error
    if data is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    return data


def parse_toml(path: Path, text: str) -> dict[str, Any]:
    """The tables of a file.

    Raises:
        OptionError: it is not TOML, or beyond what one of ours can be; the message says where.
    """
    from bark_cli.system import toml  # where there is no file, there is nothing to read

    for number, line in enumerate(text.split("\n"), start=1):
        if len(line) > _MOST_IN_LINE or line.count(".") > _MOST_DOTS:
            is_long = len(line) > _MOST_IN_LINE
            most = f"{_MOST_IN_LINE:,} characters" if is_long else f"{_MOST_DOTS} dots"
            raise _too_much(path, f"{most} in line {number}")
    try:
        values: dict[str, Any] = toml.loads(text)
    except (ValueError, RecursionError) as error:  # a number or a nest too large among them
        raise OptionError(f"{shown(path)} is not TOML: {error}; correct it there") from error
    level: list[object] = [values]
    for _ in range(_MOST_DEPTH):
        level = [inner for one in level for inner in _inside(one)]
    if level:
        raise _too_much(path, f"{_MOST_DEPTH} tables within each other")
    return values


def _inside(value: object) -> Iterable[object]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _too_much(path: Path, bound: str) -> OptionError:
    return OptionError(f"{shown(path)} has more than {bound}, and no settings have; correct or rename it")


def read_preset(path: Path) -> Preset:
    """One that comes along: a file with a description and settings.

    Raises:
        OptionError: as `read_file`.
    """
    text = read_text(path)
    table, lines = parse_toml(path, text), _line_numbers(text)
    return _preset(path.stem, "bark", table, path, lines, "", False)


def _own_preset(name: str, table: object, path: Path, lines: Lines, is_project: bool) -> Preset:
    where = _where(path, lines.get((name, "")))
    if name == NO_PRESET or not name.isprintable():
        raise OptionError(f"{where}: a preset cannot be called {name!r}; give it another name")
    if not isinstance(table, dict):
        raise OptionError(f"{where}: preset {name} is not a table; write [presets.{name}] above its settings")
    return _preset(name, where, dict(table), path, lines, name, is_project)


def _preset(
    name: str, source: str, table: dict[str, Any], path: Path, lines: Lines, section: str, is_project: bool
) -> Preset:
    description = table.pop("description", "")
    if "preset" in table or not isinstance(description, str) or not description.isprintable():
        wrong = "name another one" if "preset" in table else "have such a description; write one line"
        raise OptionError(f"{_where(path, lines.get((section, '')))}: preset {name} cannot {wrong}")
    layer = _layer(table, path, lines, section, is_project)
    values = {key: entry.value for key, entry in layer.items() if entry.value is not None}
    return Preset(name, description, source, values)


def _layer(table: Mapping[str, Any], path: Path, lines: Lines, section: str, is_project: bool) -> Layer:
    """The settings of one table, checked."""
    layer: dict[str, Assigned] = {}
    for name, raw in table.items():
        where = _where(path, lines.get((section, name)))
        setting = find_setting(name, where)
        value = setting.check(raw, f"{where}: {name}")
        if is_project:
            _check_harmless(setting, value, where)
        layer[name] = Assigned(_placed(setting, value, path.parent), where)
    return layer


def _check_harmless(setting: Setting, value: Value, where: str) -> None:
    """Whether a project may decide this, which may be somebody else's.

    Raises:
        OptionError: it may not.
    """
    if setting.is_private:
        own = f"`bark config set {setting.name} {str(value).lower()}` sets it for you"
        raise OptionError(f"{where}: {setting.name} is not for a project to decide; remove it; {own}")
    if setting.is_place and _leads_out(str(value)):
        raise OptionError(
            f"{where}: {setting.name} leads out of the project's folder; put it there, or use {setting.flag}"
        )


def _leads_out(value: str) -> bool:
    """Whether it is neither a name nor a path below; a Windows network share is judged by its name alone."""
    windows = PureWindowsPath(value)
    return bool(windows.anchor) or value.startswith(("/", "~")) or ".." in windows.parts


def _placed(setting: Setting, value: Value, folder: Path) -> Value:
    """Paths of a file are meant from where the file lies; names stay names."""
    if not setting.is_place or not is_path(setting, str(value), folder):
        return value
    return str(folder.absolute() / expanded(str(value)))


def is_path(setting: Setting, value: str, folder: Path) -> bool:
    """Whether a voice or a model is given by its path: seen from `folder`, where only looking tells."""
    if setting.name == "voice":
        return value.lower().endswith(".npz")
    dotted = value.startswith((".", "~")) or PurePosixPath(value).is_absolute() or Path(value).is_absolute()
    return dotted or ("/" in value and (folder / value).is_dir())


def _line_numbers(text: str) -> Lines:
    """The line of each setting, from 1; unusual ways of writing TOML are left out."""
    found: dict[tuple[str, str], int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if table := _TABLE.match(line):
            section = next(name for name in table.groups() if name is not None)
            found.setdefault((section, ""), number)
        elif key := _KEY.match(line):
            found.setdefault((section, key[1]), number)
    return found


def _where(path: Path, line: int | None) -> str:
    return shown(path) if line is None else f"{shown(path)}:{line}"
