"""Processes of the recipe: one at a time in a folder, and none that outlives the one that began it."""

from __future__ import annotations

import json
import multiprocessing
import os
import runpy
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def held(file: Path) -> Iterator[None]:
    """Hold the lock on a file, which is free again when the process ends, however it ends.

    Raises:
        SystemExit: another process has it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise SystemExit(
            f"{file} is another process's, which is at work there: wait for it, or end it"
        ) from None
    try:
        yield
    finally:
        lock.release()


def end_with_parent() -> None:
    """From now on this process ends where the one that began it has ended, even by kill -9.

    Otherwise a network would be trained on, unseen, beside the same one that was begun again.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)


def alone(module: str, arguments: list[str], times: Path) -> None:
    """Run a module as `python -m` does, in this process, and note how long it took."""
    end_with_parent()
    sys.argv = [module, *arguments]
    began, done = time.monotonic(), False
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        done = True
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        note(times, module, time.monotonic() - began, done)


def note(times: Path, module: str, seconds: float, done: bool) -> None:
    """Append a line: how long a step took, and this process and those it waited for in seconds of a core."""
    of_cores = round(sum(os.times()[:4]), 1)
    times.parent.mkdir(parents=True, exist_ok=True)
    step = module.rpartition(".")[2]
    row = {"step": step, "seconds": round(seconds, 1), "of_cores": of_cores, "done": done}
    with times.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(row) + "\n")
