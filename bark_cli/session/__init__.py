"""One engine at work for many callers: a SpeechRequest from any thread, at any time -> a Handle on it.

`session` owns the engine on a thread of its own, `handle` is what callers hold, `turns` says who goes first.
What a caller does (reading slowly, cancelling, failing) shows in its own speech and in nobody else's.
"""

from bark_cli.session.handle import AHEAD_S, Handle, SpeechStream
from bark_cli.session.session import Session

__all__ = ["AHEAD_S", "Handle", "Session", "SpeechStream"]
