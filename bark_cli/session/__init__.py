"""One engine at work for many callers: a SpeechRequest from any thread, at any time -> a Handle on it.

session   owns the engine, on threads of its own
handle    what callers hold
work      a request on its way through the engine; job is what the engine does for it
turns     who goes first

What a caller does (reading slowly, cancelling, failing) shows in their own speech and in nobody else's.
Names are imported when first used: holding a handle needs no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bark_cli.system.later import imported_later

if TYPE_CHECKING:
    from bark_cli.session.handle import AHEAD_S as AHEAD_S
    from bark_cli.session.handle import Handle as Handle
    from bark_cli.session.handle import SpeechStream as SpeechStream
    from bark_cli.session.session import Session as Session

__getattr__ = imported_later(
    __name__, {"handle": ("AHEAD_S", "Handle", "SpeechStream"), "session": ("Session",)}
)
