"""What a Session holds under load: many callers, cancelled and failing requests -> a table of counts.

python -m benchmarks.session [MODEL]    # nano without one

Every survivor is compared with the same request said alone; the process is watched over many short requests,
with a listener who comes when all is busy, and at rest.
"""

from __future__ import annotations

import argparse
import gc
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bark_cli import Bark, SpeechRequest
from bark_cli.errors import CancelledError
from bark_cli.model.options import SamplingOptions
from bark_cli.session import Handle, Session
from bark_cli.speech import Speech
from bark_cli.stages.progress import Progress

CALLERS = 16
_TEXTS = ("Good morning.", "How are you?", "It is late.", "The door is open.", "I can speak.", "Not today.")
_PATIENCE_S = 1800.0


class FaultError(Exception):
    """What a listener raises."""


def request(number: int, **how: Any) -> SpeechRequest:
    """One of a dozen, each with a seed of its own."""
    number %= 12
    return SpeechRequest(text=_TEXTS[number % len(_TEXTS)], seed=number, **how)


def same(a: Speech, b: Speech) -> bool:
    """Whether all tokens are."""
    pairs = [(getattr(a.tokens, stage), getattr(b.tokens, stage)) for stage in ("semantic", "coarse", "fine")]
    return all(np.array_equal(one, other) for one, other in pairs)


def survivors(bark: Bark, count: int, options: SamplingOptions) -> str:
    """Requests at random times, a third cancelled and a twentieth made to raise at random moments."""
    alone, reports_of = dict[int, Speech](), Counter[int]()
    for n in range(12):
        reported = partial(reports_of.update, [n])
        alone[n] = bark.submit(
            request(n, options=options), on_progress=lambda _, told=reported: told()
        ).result()
    chance = random.Random(7)
    order = chance.sample(range(count), count)
    given_up = {
        n: chance.randint(1, reports_of[n % 12]) for n in order[: count // 3]
    }  # after so many reports
    raising = {n: chance.randint(1, reports_of[n % 12]) for n in order[count // 3 : count // 3 + count // 20]}
    handles: dict[int, Handle] = {}

    def call(session: Session, first: int) -> None:
        dice = random.Random(first)
        for n in range(first, count, CALLERS):
            time.sleep(dice.random() * 0.2)
            reports = [0]

            def watch(progress: Progress, n: int = n, reports: list[int] = reports) -> None:
                reports[0] += 1
                if reports[0] == raising.get(n):
                    raise FaultError
                if reports[0] >= given_up.get(n, 10**9) and n in handles:
                    handles[n].cancel()

            handles[n] = session.submit(request(n, options=options), on_progress=watch)

    found: Counter[str] = Counter()
    with bark.session(CALLERS) as session:
        with ThreadPoolExecutor(CALLERS) as callers:
            list(callers.map(lambda first: call(session, first), range(CALLERS)))
        for n, handle in handles.items():
            try:
                found["equal" if same(handle.result(_PATIENCE_S), alone[n % 12]) else "NOT EQUAL"] += 1
            except CancelledError:
                found["cancelled"] += 1
            except FaultError:
                found["raised"] += 1
        left = session.n_at_work + session.n_waiting
    return f"{count} requests: {dict(found)}; left in the session: {left}"


def held() -> tuple[float, int, int]:
    """MB of memory, file descriptors and threads of this process."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6, len(list(Path("/proc/self/fd").iterdir())), threading.active_count()


def flat(bark: Bark, count: int, options: SamplingOptions) -> list[str]:
    """What the process holds after each tenth of so many short requests."""
    rows = []
    with bark.session(CALLERS) as session:
        for tenth in range(10):
            handles = [session.submit(request(n, options=options)) for n in range(count // 10)]
            for handle in handles:
                handle.result(_PATIENCE_S)
            del handles, handle
            rows.append(f"| {(tenth + 1) * count // 10} | {'{:.0f} | {} | {}'.format(*held())} |")
    return rows


def newcomer(bark: Bark, options: SamplingOptions) -> str:
    """A listener who comes while so many long texts are at work: steps of the engine to the first piece."""
    steps = {"bulk": 0, "listener": 0}

    def count(who: str) -> None:
        steps[who] += 1

    with bark.session(CALLERS) as session:
        bulk = [
            session.submit(request(n, options=options), on_progress=lambda _: count("bulk"))
            for n in range(CALLERS)
        ]
        while steps["bulk"] < 10 * CALLERS:
            time.sleep(0.01)
        before = steps["bulk"]
        listener = session.submit(
            request(3, options=options, streaming="early"), on_progress=lambda _: count("listener")
        )
        listener.next_piece(_PATIENCE_S)
        own, theirs = steps["listener"], steps["bulk"] - before
        done = sum(one.done for one in bulk)
        session.close(cancel=True)
    return f"first piece after {own} reports of its own and {theirs / CALLERS:.0f} of each other; {done} done"


def idle(bark: Bark, seconds: float) -> str:
    """CPU that a session takes which has nothing to do."""
    with bark.session(CALLERS) as session:
        session.submit(request(1)).result()
        time.sleep(0.5)
        before = time.process_time()
        time.sleep(seconds)
        used = time.process_time() - before
    return f"{1e3 * used:.1f} ms of CPU in {seconds:g} s"


def main() -> None:
    """Print the counts as they are known."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.session", description=__doc__)
    parser.add_argument("model", nargs="?", default="nano")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--short", type=int, default=2_000)
    chosen = parser.parse_args()
    bark = Bark.load(chosen.model, device="cpu", precision=chosen.precision)
    short = SamplingOptions(may_end=False, max_duration_s=0.1)
    print(f"{bark.name}, {bark.precision}, {CALLERS} callers", flush=True)
    print(survivors(bark, chosen.requests, short), flush=True)
    print(newcomer(bark, SamplingOptions(may_end=False)), flush=True)
    print(idle(bark, 10.0), flush=True)
    print("\n| short requests | MB | file descriptors | threads |\n|---|---|---|---|")
    print("\n".join(flat(bark, chosen.short, short)))


if __name__ == "__main__":
    main()
