"""Where settings are kept: the working directory and the environment -> two files, which may not exist."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from bark_cli.system.home import expanded, home, xdg_folder

PROJECT_FILE = "bark.toml"
_REPOSITORIES = (".git", ".hg")


def user_file() -> Path:
    """The user's own settings: $BARK_CONFIG, else config.toml in the platform's folder for them."""
    if named := os.environ.get("BARK_CONFIG"):
        return expanded(named)
    return _config_home() / "bark_cli" / "config.toml"


def _config_home() -> Path:
    if (configured := xdg_folder("XDG_CONFIG_HOME")) is not None:
        return configured
    if sys.platform == "darwin":
        return home() / "Library" / "Application Support"
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or home() / "AppData" / "Roaming")
    return home() / ".config"


def project_file() -> Path | None:
    """The nearest bark.toml from the working directory up to the repository's root or the home.

    Where neither lies above only the working directory counts: /tmp/bark.toml may be anybody's.
    """
    with suppress(OSError):  # a working directory that was removed, or may not be looked into
        return next((path for path in map(_inside, _searched(Path.cwd())) if _is_there(path)), None)
    return None


def _is_there(path: Path) -> bool:
    """Whether a project has it; a link that leads nowhere is there to be refused."""
    return path.is_file() or path.is_symlink()


def project_target() -> Path:
    """The project's file, or where it would be made."""
    return project_file() or _inside(Path.cwd())


def _inside(folder: Path) -> Path:
    return folder / PROJECT_FILE


def _searched(start: Path) -> list[Path]:
    top = Path(os.path.realpath(home()))
    places: list[Path] = []
    for folder in (start, *start.parents):
        places.append(folder)
        if folder == top or any((folder / name).exists() for name in _REPOSITORIES):
            return places
    return [start]


def shown(path: Path) -> str:
    """The shortest form of a path: relative, from the home folder, or absolute."""
    with suppress(ValueError, OSError):
        return str(path.relative_to(Path.cwd()))
    with suppress(ValueError):
        return str("~" / path.relative_to(home()))
    return str(path)


def shipped_folder() -> Path:
    """The presets that come with Bark: inside the package in a wheel, beside it in a checkout."""
    package = Path(__file__).parent.parent
    inside = package / "presets"
    beside = package.parent / "presets"
    checkout = not inside.is_dir() and (package.parent / "pyproject.toml").is_file()
    return (beside if checkout else inside) / "settings"
