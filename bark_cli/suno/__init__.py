"""suno-ai/bark's Python interface over our engine: text, a history prompt -> samples (N,) float32 at 24 kHz.

    from bark_cli.suno import SAMPLE_RATE, generate_audio, preload_models

What was written for `bark` runs with its imports changed: `bark` -> `bark_cli.suno`, `bark.api` and
`bark.generation` -> the modules of that name here. docs/coming-from/suno.md says what is different.
After suno-ai/bark, bark/__init__.py.
"""

from bark_cli.suno.api import generate_audio, save_as_prompt, semantic_to_waveform, text_to_semantic
from bark_cli.suno.generation import SAMPLE_RATE, preload_models

__all__ = [
    "SAMPLE_RATE",
    "generate_audio",
    "preload_models",
    "save_as_prompt",
    "semantic_to_waveform",
    "text_to_semantic",
]
