"""What the shell offers after Tab."""

from __future__ import annotations

import typer


def voice_names(context: typer.Context, incomplete: str) -> list[str]:
    """Voices that begin like what was typed: of the model named before, else of the best installed."""
    from bark_cli.store import resolve_model
    from bark_cli.voices.catalogue import list_voices

    try:
        found = list_voices(resolve_model(context.params.get("model")).folder)
    except Exception:  # whatever is wrong, Tab must not print it over the command line
        return []
    return [info.name for info in found if info.name.startswith(incomplete)]


def model_names(incomplete: str) -> list[str]:
    """Names of the installed models that begin like what was typed."""
    from bark_cli.store import installed_models

    try:
        return [ref.name for ref in installed_models() if ref.name.startswith(incomplete)]
    except Exception:
        return []


def cached_names(incomplete: str) -> list[str]:
    """Names in the cache that begin like what was typed, those of damaged models included."""
    from bark_cli.cache import list_models

    try:
        names = dict.fromkeys(model.name for model in list_models())
        return [name for name in names if name.startswith(incomplete)]
    except Exception:
        return []


def preset_names(incomplete: str) -> list[str]:
    """Names of the presets that begin like what was typed."""
    from bark_cli.settings import list_presets

    try:
        return [name for name in list_presets() if name.startswith(incomplete)]
    except Exception:
        return []
