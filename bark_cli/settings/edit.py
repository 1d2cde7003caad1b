"""Change a settings file: a name and a value -> the file with one line changed."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from bark_cli.errors import OptionError, OutputError
from bark_cli.settings.known import Setting, Value, find_setting
from bark_cli.settings.paths import project_target, shown, user_file
from bark_cli.settings.presets import find_preset, presets_with
from bark_cli.settings.toml_file import is_path, parse_file, parse_toml, read_file, read_text
from bark_cli.system.files import write_whole
from bark_cli.system.home import expanded

_VALUE = r"""("[^"\n]*"|'[^'\n]*'|[^#\n]*?)(?P<comment>[ \t]*(#.*)?)$"""
_ASSIGNED = re.compile(r"^[^#\n]*=.*", re.MULTILINE)


def set_setting(name: str, text: str, *, project: bool = False) -> Path:
    """Write a value, as the shell gives it, into the user's file or the project's, creating it if necessary.

    Returns:
        The file.

    Raises:
        OptionError: there is no such setting, the value is not allowed, or the file must be edited by hand.
        OutputError: the file cannot be written.
    """
    path = _target(project)
    setting = find_setting(name.replace("-", "_"), "config set")
    value = _typed(setting, text, path, project)
    _change(path, setting.name, value, project)
    return path


def unset_setting(name: str, *, project: bool = False) -> Path:
    """Take a value out of the user's file or the project's; one that is not there is no error.

    Returns:
        The file.

    Raises:
        OptionError: there is no such setting, or the file must be edited by hand.
        OutputError: the file cannot be written.
    """
    path = _target(project)
    setting = find_setting(name.replace("-", "_"), "config unset")
    if path.exists():
        _change(path, setting.name, None, project)
    return path


def _target(project: bool) -> Path:
    return project_target() if project else user_file()


def _typed(setting: Setting, text: str, path: Path, project: bool) -> Value:
    """The value; a path is seen from here when it is typed, and from the file when it is read."""
    value = setting.parse(text, setting.name)
    if setting.name == "preset":
        files = [read_file(path, is_project=project)] if path.exists() else []
        find_preset(str(value), "config set", presets_with(files))
    if not setting.is_place or not is_path(setting, str(value), Path.cwd()):
        return value
    place = expanded(str(value)).absolute()
    inside = Path(os.path.normpath(place))
    if project and inside.is_relative_to(path.parent.absolute()):
        relative = inside.relative_to(path.parent.absolute()).as_posix()
        return relative if setting.name == "voice" else f"./{relative}"
    return str(place)


def _change(path: Path, name: str, value: Value | None, project: bool) -> None:
    before = read_text(path, is_project=project) if os.path.lexists(path) else ""
    after = _edited(before, name, None if value is None else _literal(value))
    expected = {key: old for key, old in parse_toml(path, before).items() if key != name}
    if value is not None:
        expected[name] = value
    try:
        changed = parse_toml(path, after)
    except OptionError:
        changed = {}
    if changed != expected:
        raise OptionError(f"{shown(path)} is written in a way that only you can change {name}; edit it there")
    parse_file(path, after, is_project=project)
    if after != before:
        _write(path, after, project)


def _write(path: Path, text: str, project: bool) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make {shown(path.parent)} for the settings: {error.strerror}") from error
    write_whole(path, text.encode("utf-8"), force=True, follow=not project)


def _edited(text: str, name: str, literal: str | None) -> str:
    """The text with one line replaced, added behind the last before the first table, or taken away."""
    table = re.search(r"^[ \t]*\[", text, re.MULTILINE)
    split = table.start() if table else len(text)
    head, tables = text[:split], text[split:]
    line = re.compile(rf"""^[ \t]*["']?{name}["']?[ \t]*=[ \t]*{_VALUE}\n?""", re.MULTILINE)
    if line.search(head):
        new = "" if literal is None else f"{name} = {literal}"
        return line.sub(lambda m: f"{new}{m['comment']}\n" if new else "", head, count=1) + tables
    if literal is None:
        return text
    place = max((match.end() for match in _ASSIGNED.finditer(head)), default=0)
    before, after = text[:place], text[place:].lstrip("\n")
    gap = "\n" if after != text[place + 1 :] or not before else ""
    return "".join((before, "\n" if before else "", f"{name} = {literal}\n", gap if after else "", after))


def _literal(value: Value) -> str:
    """As TOML has it; what can be printed is escaped as in JSON."""
    return json.dumps(value, ensure_ascii=False)
