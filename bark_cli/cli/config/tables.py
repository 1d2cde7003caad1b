"""What `bark config` prints: settings and presets -> a table, or JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from bark_cli.cli.output import one_line, print_json
from bark_cli.cli.table import aligned
from bark_cli.settings import Preset, Resolved, Value


def print_settings(resolved: Resolved, *, as_json: bool) -> None:
    """Every setting with its value and where it comes from."""
    values: dict[str, Value | None] = asdict(resolved.settings)
    if as_json:
        print_json({k: {"value": v, "source": resolved.sources[k]} for k, v in values.items()})
        return
    rows = [(name, _shown(value), one_line(resolved.sources[name])) for name, value in values.items()]
    print("\n".join(aligned([("SETTING", "VALUE", "FROM"), *rows])))


def print_presets(presets: Mapping[str, Preset], *, as_json: bool) -> None:
    """Every preset with its description and what it sets."""
    if as_json:
        print_json([asdict(preset) for preset in presets.values()])
        return
    for preset in presets.values():
        own = "" if preset.source == "bark" else f" ({one_line(preset.source)})"
        print(f"{preset.name}: {preset.description or 'no description'}{own}")
        for name, value in preset.values.items():
            print(f"  {name} = {_shown(value)}")


def _shown(value: Value | None) -> str:
    if value is None:
        return "-"
    return str(value).lower() if isinstance(value, bool) else str(value)
