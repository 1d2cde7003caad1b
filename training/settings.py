"""settings.toml -> the options of one step; no torch, so that the steps without a network start at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
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


def check_settings() -> None:
    """Refuse a file of settings that a step would stumble over, hours from now.

    Raises:
        SystemExit: it, or its base, cannot be read, or lacks what settings.toml says.
    """
    file = _chosen()
    try:
        values = read_settings(file)
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise SystemExit(f"{file}, or the base that it names, cannot be read: {error}; correct it") from None
    if lacking := next(_lacking(read_toml(HERE / "settings.toml"), values), None):
        raise SystemExit(
            f'{file} has no {lacking}, nor has its base; write base = "training/settings.toml" above its '
            "tables, and what it does not say is taken from there"
        )


def _lacking(everything: dict[str, Any], values: dict[str, Any], table: str = "") -> Iterator[str]:
    """What of `everything` is not there: [coarse], or steps in [coarse]."""
    for name, value in everything.items():
        whole = f"{table}.{name}" if table else name
        if isinstance(value, dict) and isinstance(values.get(name), dict):
            yield from _lacking(value, values[name], whole)
        elif isinstance(value, dict):
            yield f"[{whole}]"
        elif name not in values:
            yield f"{name} in [{table}]"


def _chosen() -> Path:
    """settings.toml, or the file that BARK_TRAINING_SETTINGS names."""
    return Path(os.environ.get("BARK_TRAINING_SETTINGS", HERE / "settings.toml"))


def settings(step: str) -> dict[str, Any]:
    """The table [step] of settings.toml (or of the file that BARK_TRAINING_SETTINGS names) over [common].

    Folders are read from the root of the checkout.
    """
    values = read_settings(_chosen())
    merged: dict[str, Any] = {**values["common"], **values.get(step, {})}
    for name in ("data", "runs", "assets"):
        merged[name] = HERE.parent / merged[name]
    return merged
