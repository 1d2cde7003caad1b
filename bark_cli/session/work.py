"""One request on its way through the engine: who asked, what is made for them, and what they have heard."""

from __future__ import annotations

import time
from collections.abc import Hashable
from dataclasses import dataclass, field

from bark_cli.audio import Audio
from bark_cli.errors import CancelledError
from bark_cli.loaded_model import LoadedModel
from bark_cli.model.tokens import Samples
from bark_cli.session.handle import Handle
from bark_cli.session.job import speech_job
from bark_cli.speech import Speech
from bark_cli.stages.progress import Listener, Progress
from bark_cli.stages.steps import Job
from bark_cli.takes.usual import Memory

# A listener with less sound ahead is about to hear a gap and comes first: better that others begin later than
# that all of them stutter.
MARGIN_S = 1.5


@dataclass(eq=False)
class Work:
    """A request on its way through the engine."""

    handle: Handle
    caller: Hashable  # who asks
    number: int  # of the utterance among those asked for together
    on_progress: Listener | None
    end: float | None  # monotonic seconds at which it is given up
    memory: Memory | None = None  # how the voices spoke; None is what the model knows
    asked_at: float = field(default_factory=time.monotonic)
    sounded_at: float | None = None  # first; monotonic seconds, as the others
    sounded_s: float = 0.0  # seconds of sound handed over
    fresh: list[Audio] = field(default_factory=list)  # made in this step, and not yet handed over

    def hand_over(self) -> None:
        """Give the reader what the step made."""
        for piece in self.fresh:
            self.sounded_at = self.sounded_at or time.monotonic()
            self.sounded_s += piece.duration_s
            self.handle.put(piece)
        self.fresh.clear()

    @property
    def has_sounded(self) -> bool:
        """Whether something was heard of it."""
        return self.sounded_at is not None

    @property
    def has_listener(self) -> bool:
        """Whether somebody hears it while it is made."""
        return self.handle.request.streaming != "whole"

    @property
    def is_urgent(self) -> bool:
        """Whether it has a listener who has heard nothing yet."""
        return self.has_listener and not self.has_sounded

    @property
    def is_held(self) -> bool:
        """Whether it waits for its reader."""
        return self.handle.is_full

    def need(self, now: float) -> tuple[int, float]:
        """How much a listener needs a step, the least first."""
        if self.sounded_at is None:
            return 1, self.asked_at
        dry_at = self.sounded_at + self.sounded_s
        return (0 if dry_at < now + MARGIN_S else 2), dry_at

    def is_late(self, now: float) -> bool:
        """Whether it is out of time."""
        return self.end is not None and self.end <= now

    def job(self, model: LoadedModel) -> Job[Speech]:
        """What the engine does for it."""
        rate = model.config.codec.sample_rate

        def hear(samples: Samples) -> None:
            self.fresh.append(Audio(samples, rate))

        def watch(progress: Progress) -> None:
            self.handle.progress = progress
            if self.on_progress is not None:
                self.on_progress(progress)

        return speech_job(
            model,
            self.handle.request,
            number=self.number,
            on_progress=watch,
            on_sound=hear,
            memory=self.memory,
        )

    def give_up(self, now: float) -> None:
        """Tell who asked that it was broken off, and why."""
        why = "it took longer than it was given" if self.is_late(now) else "it was cancelled"
        self.handle.finish(CancelledError(f"the speech was broken off: {why}"))

    def finish(self, result: Speech | BaseException) -> None:
        """Give who asked what became of it."""
        if isinstance(result, Speech) and not self.has_sounded:
            self.handle.put(result.audio)  # its takes were compared, and the best is heard at once
        self.handle.finish(result)
