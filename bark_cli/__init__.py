"""Suno's Bark on your own machine: text -> speech, from Python as from the command `bark`.

    from bark_cli import Bark

    Bark.load().say("Hello, my name is Bark.").save("hello.wav")

Names are imported when first used, so that importing the package costs nothing and needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bark_cli.audio import Audio as Audio
    from bark_cli.audio import open_sink as open_sink
    from bark_cli.errors import BarkError as BarkError
    from bark_cli.model.options import SamplingOptions as SamplingOptions
    from bark_cli.model.options import StageSampling as StageSampling
    from bark_cli.model.tokens import BarkTokens as BarkTokens
    from bark_cli.narration.recite import recite as recite
    from bark_cli.pipeline import Bark as Bark
    from bark_cli.pipeline import Progress as Progress
    from bark_cli.pipeline import Speech as Speech
    from bark_cli.pipeline import SpeechRequest as SpeechRequest
    from bark_cli.session import Handle as Handle
    from bark_cli.session import Session as Session
    from bark_cli.session import SpeechStream as SpeechStream
    from bark_cli.stages.bar import ProgressBar as ProgressBar
    from bark_cli.takes.take import Attempts as Attempts
    from bark_cli.text.documents import read_document as read_document
    from bark_cli.voices.catalogue import Voice as Voice

__version__ = "0.1.0"  # where pyproject.toml finds it, too

_HOMES = {
    "Attempts": "takes.take",
    "Audio": "audio",
    "Bark": "pipeline",
    "BarkError": "errors",
    "BarkTokens": "model.tokens",
    "Handle": "session",
    "Progress": "stages.progress",
    "ProgressBar": "stages.bar",
    "SamplingOptions": "model.options",
    "Session": "session",
    "Speech": "speech",
    "SpeechRequest": "speech",
    "SpeechStream": "session",
    "StageSampling": "model.options",
    "Voice": "voices",
    "open_sink": "audio",
    "read_document": "text.documents",
    "recite": "narration.recite",
}
__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
