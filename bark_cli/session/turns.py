"""Priorities: who of those waiting is begun, and who of those at work sits out a step."""

from __future__ import annotations

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


@dataclass(eq=False)
class Work:
    """A request on its way through the engine."""

    handle: Handle
    caller: Hashable  # who asks
    number: int  # of the utterance among those asked for together
    on_progress: Listener | None
    end: float | None  # monotonic seconds at which it is given up
    memory: Memory | None = None  # how the voices spoke; None is what the model knows
    has_sounded: bool = False
    fresh: list[Audio] = field(default_factory=list)  # made in this step, and not yet handed over

    @property
    def is_urgent(self) -> bool:
        """Whether somebody listens who has heard nothing yet."""
        return self.handle.request.streaming != "whole" and not self.has_sounded

    @property
    def is_held(self) -> bool:
        """Whether it waits for its reader."""
        return self.handle.is_full


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


def held(at_work: Collection[Work], step: int) -> set[Work]:
    """Who is left out of a step: who waits for a reader and, while somebody waits for a first sound, bulk."""
    out = {work for work in at_work if work.is_held}
    is_bulks_turn = step % URGENT == 0
    if not is_bulks_turn and any(work.is_urgent for work in at_work if work not in out):
        out.update(work for work in at_work if not work.is_urgent)
    return out
