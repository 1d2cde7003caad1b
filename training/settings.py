"""settings.toml -> the options of one step; no torch, so that the steps without a network start at once."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover
    import tomli as tomllib

HERE = Path(__file__).parent


def read_toml(file: Path) -> dict[str, Any]:
    """What a TOML file holds."""
    return tomllib.loads(file.read_text(encoding="utf-8"))


def read_settings(file: Path) -> dict[str, Any]:
    """Every table of a file of settings, over those of the file that it names as its `base`, if it does."""
    values = read_toml(file)
    if "base" not in values:
        return values
    return _over(read_settings(HERE.parent / values.pop("base")), values)


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = {**below, **above}
    for name in below.keys() & above.keys():
        if isinstance(below[name], dict) and isinstance(above[name], dict):
            merged[name] = _over(below[name], above[name])
    return merged


def settings(step: str) -> dict[str, Any]:
    """The table [step] of settings.toml (or of the file that BARK_TRAINING_SETTINGS names) over [common].

    Folders are read from the root of the checkout.
    """
    values = read_settings(Path(os.environ.get("BARK_TRAINING_SETTINGS", HERE / "settings.toml")))
    merged: dict[str, Any] = {**values["common"], **values.get(step, {})}
    for name in ("data", "runs", "assets"):
        merged[name] = HERE.parent / merged[name]
    return merged
