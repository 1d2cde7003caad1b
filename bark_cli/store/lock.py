"""One process at a time: a name -> a lock that is freed when its holder ends, however it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bark_cli.errors import ModelError
from bark_cli.store.names import model_home
from bark_cli.store.places import bark_home
from bark_cli.store.suno_voices import SUNO_VOICES_PLACE


def lock_file(name: str) -> Path:
    """The lock file; it is kept, and shows that the name was installed once."""
    place = name if name == SUNO_VOICES_PLACE else model_home(name).name
    return bark_home() / "locks" / f"{place}.lock"


def is_locked(name: str) -> bool:
    """Whether a process holds the lock now; neither creates the file nor waits."""
    from filelock import FileLock, Timeout

    file = lock_file(name)
    if not file.is_file():
        return False
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:  # nobody who can write here has asked
        return False
    lock.release()
    return False


@contextmanager
def locked(name: str, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock of the model called `name`, or of the Suno voices (SUNO_VOICES_PLACE).

    `on_wait` is called once where another process has it.
    It is the system's own lock on an open file (flock; LockFileEx on Windows), which ends with the process.

    Raises:
        ModelError: the cache cannot be written.
    """
    from filelock import FileLock, Timeout

    file = lock_file(name)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(file)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            on_wait()
            lock.acquire()
    except OSError as error:
        reason = error.strerror or error
        raise ModelError(
            f"{bark_home()} cannot be written: {reason}; set BARK_HOME to a folder that can"
        ) from error
    try:
        yield
    finally:
        lock.release()
