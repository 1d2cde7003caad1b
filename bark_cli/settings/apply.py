"""Settings over a model's own way of drawing: Settings, SamplingOptions -> SamplingOptions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bark_cli.model.options import SamplingOptions
from bark_cli.settings.known import Settings

_HOTTEST = 10.0


def sampling_options(settings: Settings, defaults: SamplingOptions) -> SamplingOptions:
    """The model's defaults with what was set in their place.

    Raises:
        OptionError: a value is outside its range.
    """
    s = settings
    shared: dict[str, Any] = _given(temperature=s.temperature, top_p=s.top_p)
    if s.top_k is not None:
        shared["top_k"] = s.top_k or None  # 0 switches the model's own off
    semantic = replace(defaults.semantic, **shared | _given(temperature=s.semantic_temperature))
    lively = min(_HOTTEST, semantic.temperature * s.liveliness)
    return replace(
        defaults,
        semantic=replace(semantic, temperature=lively),
        coarse=replace(defaults.coarse, **shared | _given(temperature=s.coarse_temperature)),
        fine=replace(defaults.fine, **_given(temperature=s.fine_temperature)),
        **_given(min_eos_p=s.min_eos_p, max_duration_s=s.max_duration, fine_codebooks=s.fine_codebooks),
    )


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
