"""One engine at work for many callers: a SpeechRequest from any thread, at any time -> a Handle on it.

`session` owns the engine on a thread of its own, `handle` is what callers hold, `turns` says who goes first.
What a caller does (reading slowly, cancelling, failing) shows in its own speech and in nobody else's.
Names are imported when first used: who only holds a handle needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bark_cli.session.handle import AHEAD_S as AHEAD_S
    from bark_cli.session.handle import Handle as Handle
    from bark_cli.session.handle import SpeechStream as SpeechStream
    from bark_cli.session.session import Session as Session

_HOMES = {"AHEAD_S": "handle", "Handle": "handle", "Session": "session", "SpeechStream": "handle"}
__all__ = ["AHEAD_S", "Handle", "Session", "SpeechStream"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
