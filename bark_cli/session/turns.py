"""Priorities: which waiting requests are begun, and which of those at work sit out a step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from bark_cli.session.work import Work

# How many listeners that have heard nothing yet are begun beyond the batch. While one of them is at work, the
# others take part in one step out of this many: a single sequence steps faster than many do.
URGENT = 4


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
    """Which of those waiting are begun now: listeners first, then the callers with the fewest at work.

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
    """Which works are left out of a step: those that wait for a reader; of more than `most_listeners`, those
    with the most sound ahead; and bulk, while a listener waits for a sound.
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


def seconds_left(works: Collection[Work], now: float) -> float | None:
    """Seconds until the first is out of time; None where none has a limit."""
    ends = [work.end for work in works if work.end is not None]
    return max(0.0, min(ends) - now) if ends else None
