"""Priorities: who of those waiting is begun, and who of those at work sits out a step."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Hashable
from dataclasses import dataclass, field

from bark_cli.audio import Audio
from bark_cli.session.handle import Handle
from bark_cli.stages.progress import Listener
from bark_cli.takes.usual import Memory

# Listeners who have heard nothing yet: so many are begun beyond the batch, and while one is at work the
# others take part in one step of so many. A single sequence steps faster than many do.
URGENT = 4
# A listener with less sound ahead is about to hear a gap. He comes first: better that others begin later than
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
        """Whether somebody listens who has heard nothing yet."""
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


def sharing(speeds: Collection[float], batch_size: int) -> int:
    """How many listeners share a step, where its time grows with them: as many as hear no gap.

    While a piece of sound is heard, all of them have their next one made, which may be twice as long: so half
    as many as the engine makes seconds of speech in a second. Where even one would hear gaps, what counts is
    when all of it is there, and URGENT share.

    Args:
        speeds: of the latest speeches, seconds of work for a second of each, its part of what it shared.
        batch_size: no more than these.
    """
    if not speeds or (speed := sorted(speeds)[len(speeds) // 2]) >= 1.0:  # the median
        return min(URGENT, batch_size)
    return max(1, min(batch_size, int(0.5 / speed)))


def admitted(waiting: Collection[Work], at_work: Collection[Work], batch_size: int) -> list[Work]:
    """Who of those waiting is begun now: listeners first, then whose caller has the fewest at work.

    A job that is held for a slow reader takes nobody's place, as long as there are not too many of them.
    """
    room = min(batch_size - sum(not work.is_held for work in at_work), 2 * batch_size - len(at_work))
    busy = Counter(work.caller for work in at_work)
    n_urgent = sum(work.is_urgent for work in at_work)
    ready = [work for work in waiting if not work.is_held]
    begun: list[Work] = []
    while ready:
        following = min(ready, key=lambda work: (not work.is_urgent, busy[work.caller]))
        if len(begun) >= room and not (following.is_urgent and n_urgent < URGENT):
            break
        ready.remove(following)
        begun.append(following)
        busy[following.caller] += 1
        n_urgent += following.is_urgent
    return begun


def held(at_work: Collection[Work], step: int, now: float, most_listeners: int) -> set[Work]:
    """Who is left out of a step: who waits for a reader, who has the most to hear yet of more than
    `most_listeners` and, while somebody waits for a sound, bulk.
    """
    out = {work for work in at_work if work.is_held}
    listeners = [work for work in at_work if work.has_listener and work not in out]
    listeners.sort(key=lambda work: work.need(now))
    out.update(listeners[most_listeners:])
    urgent = [work for work in listeners[:most_listeners] if work.need(now)[0] < 2]
    is_bulks_turn = step % URGENT == 0
    if urgent and not is_bulks_turn:
        out.update(work for work in at_work if work not in urgent)
    return out
