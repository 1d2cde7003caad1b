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


def settings(step: str) -> dict[str, Any]:
    """The table [step] of settings.toml (or of the file that BARK_TRAINING_SETTINGS names) over [common].

    Folders are read from the root of the checkout.
    """
    values = read_toml(Path(os.environ.get("BARK_TRAINING_SETTINGS", HERE / "settings.toml")))
    merged: dict[str, Any] = {**values["common"], **values.get(step, {})}
    for name in ("data", "runs", "assets"):
        merged[name] = HERE.parent / merged[name]
    return merged
