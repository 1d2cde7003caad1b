"""Figures for Prometheus: what happens in the server -> its text format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from bark_cli.server.recital import RecitalFacts
    from bark_cli.server.speaker import Speaker

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_FIRST_BYTE_S = (0.05, 0.1, 0.2, 0.35, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
_FACTORS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


class Metrics:
    """All of them, of one server."""

    def __init__(self, speaker: Speaker, routes: frozenset[str]) -> None:
        self._routes = routes
        self._registry = own = CollectorRegistry()
        self._requests = Counter(
            "bark_requests", "Requests answered", ("method", "path", "status"), registry=own
        )
        self._sound = Counter("bark_audio_seconds", "Seconds of sound made", registry=own)
        self._work = Counter("bark_work_seconds", "Seconds of computing for it", registry=own)
        self._broken = Counter("bark_speech_broken_off", "Speech that did not reach its end", registry=own)
        self._first_byte = Histogram(
            "bark_first_byte_seconds",
            "From a request to its first sound",
            buckets=_FIRST_BYTE_S,
            registry=own,
        )
        self._factor = Histogram(
            "bark_real_time_factor",
            "Seconds that a speech took per second of its sound",
            buckets=_FACTORS,
            registry=own,
        )
        for name, help, value in (
            ("bark_orders", "Speech requests here, waiting and at work", lambda: speaker.n_orders),
            ("bark_pieces_waiting", "Pieces of speech that wait for a slot", lambda: speaker.n_waiting),
            ("bark_slots", "Pieces that may be at work at once", lambda: speaker.slots),
            ("bark_slots_at_work", "Pieces at work", lambda: speaker.n_at_work),
            ("bark_model_loaded", "1 while the model is in memory", lambda: speaker.state == "ready"),
        ):
            Gauge(name, help, registry=own).set_function(value)

    def count(self, method: str, path: str, status: int) -> None:
        """One request; what is not a route of ours is counted as one, whatever it is called."""
        known = method if method in ("GET", "HEAD", "POST", "OPTIONS") else "other"
        where = path if path in self._routes else "other"
        self._requests.labels(known, where, str(status)).inc()

    def count_first_byte(self, seconds: float) -> None:
        """The first sound of a speech."""
        self._first_byte.observe(seconds)

    def count_speech(self, facts: RecitalFacts, seconds: float, *, whole: bool) -> None:
        """A speech that is over."""
        self._sound.inc(facts.sound_s)
        self._work.inc(facts.work_s)
        if not whole:
            self._broken.inc()
        elif facts.sound_s:
            self._factor.observe(seconds / facts.sound_s)

    def text(self) -> bytes:
        """What Prometheus reads."""
        return generate_latest(self._registry)
