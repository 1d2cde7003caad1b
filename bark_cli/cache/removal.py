"""Take a model away: a name -> what that removes, and its removal in one step.

The model's folder is renamed first, so that a process that is killed amid a removal leaves no half model.
"""

from __future__ import annotations

import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from bark_cli import store
from bark_cli.cache.listing import bytes_of, find_cached
from bark_cli.errors import ModelError, OptionError
from bark_cli.store.manifest import stray_folders
from bark_cli.store.places import downloads_home

REMOVING = ".removing-"
_OWNERS = {
    "package": "is part of bark_cli and goes with it",
    "huggingface": "is in the cache of huggingface_hub, which is not Bark's to change; see `hf cache rm`",
    "suno": "was put there by suno-ai/bark, which may need it; remove the folder yourself",
    "elsewhere": "is your own folder; remove it yourself",
}


@dataclass(frozen=True, kw_only=True)
class Removal:
    """What is to be removed."""

    name: str
    home: Path | None  # the model's own folder, where there is one
    made: tuple[Path, ...]  # conversions, and what a download has left
    bytes: int
    is_users: bool  # the model was put there by the user, and cannot be downloaded again
    stays: tuple[str, ...]  # in a line each, what of that name is not touched

    @property
    def paths(self) -> tuple[Path, ...]:
        """Files and folders that will be gone."""
        return (*([self.home] if self.home else ()), *self.made)


def plan_removal(name: str) -> Removal:
    """What `remove` would take away: a model in the cache, its conversions, and what its downloads left.

    Raises:
        ModelError: there is no such model, or nothing of it is Bark's to remove.
        OptionError: the name could lead out of the cache.
    """
    remains = _remains(name)
    try:
        models = find_cached(name)
    except ModelError:
        if not remains:
            store.check_name(name)
            raise
        models = []
    ours = next((model for model in models if model.place in ("bark", "own")), None)
    home = ours.root if ours else next((path for path in remains if path.parent == store.models_home()), None)
    made = [one.folder for model in models for one in model.conversions]
    made += [path for path in remains if path != home]
    stays = [f"{model.folder} {_OWNERS[model.place]}" for model in models if model.place in _OWNERS]
    if home is None and not made:
        raise ModelError(f"{name} cannot be removed: {stays[0]}")
    return Removal(
        name=name,
        home=home,
        made=tuple(made),
        bytes=bytes_of(*([home] if home and not home.is_symlink() else []), *made),
        is_users=ours.place == "own" if ours else home is not None and _has_more(home),
        stays=tuple(stays),
    )


def remove(removal: Removal) -> None:
    """Remove what was planned; a model is whole until it is gone.

    Raises:
        ModelError: another process is installing it, or the disk refuses.
    """
    if removal.home is None and not any(path.parent == downloads_home() for path in removal.made):
        _remove_all(removal)
        return
    with store.locked(removal.name, lambda: _in_use(removal.name)):
        _remove_all(removal)


def _remove_all(removal: Removal) -> None:
    try:
        if removal.home is not None:
            _put_away(removal.home)
        for path in removal.made:
            if path.exists():
                shutil.rmtree(path)
    except OSError as error:
        reason = error.strerror or error
        raise ModelError(f"{error.filename} cannot be removed: {reason}; fix that and try again") from error


def _put_away(home: Path) -> None:
    if home.is_symlink():  # the user's folder lies elsewhere, and stays
        home.unlink()
    elif home.exists():
        aside = home.with_name(f"{REMOVING}{secrets.token_hex(6)}")
        home.rename(aside)
        shutil.rmtree(aside)


def _remains(name: str) -> list[Path]:
    """What a download of that name has left, or is just writing."""
    try:
        home = store.model_home(name)
    except OptionError:
        return []
    return [path for path in (home, downloads_home() / home.name) if path.is_dir()]


def _has_more(home: Path) -> bool:
    """Whether a folder without a model holds anything that no installation has put there."""
    return len(stray_folders(home, None)) < sum(1 for _ in home.iterdir())


def _in_use(name: str) -> NoReturn:
    raise ModelError(f"{name} is in use by another process, which installs it; try again when that is done")
