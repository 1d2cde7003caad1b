"""Keys pressed at the terminal while something runs -> the actions they stand for, without Enter."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from bark_cli.cli.output import note

if TYPE_CHECKING:
    from bark_cli.audio import Player

_Actions = Mapping[str, Callable[[], object]]


@contextmanager
def keys(actions: _Actions) -> Iterator[bool]:
    """Within the block a pressed key calls its action, from another thread; yields whether keys are heard.

    There are none where standard input is not a terminal (a pipe with the text, say), where the process is
    in the background, and on systems without termios. The terminal is as before at the end, and also while
    the process is stopped by Ctrl-Z, or when SIGTERM ends it; Ctrl-C is still an interrupt.
    """
    terminal = _terminal()
    if terminal is None:
        yield False
        return
    import termios

    before = termios.tcgetattr(terminal)
    wake_up, wake = os.pipe()
    listener = threading.Thread(target=_listen, args=(terminal, wake_up, actions), daemon=True)
    try:
        with _kept_through_signals(terminal, before):
            _hear_keys(terminal, before)
            listener.start()
            yield True
    finally:
        _restore(terminal, before)
        os.close(wake)  # which ends the listener
        if listener.ident is not None and listener is not threading.current_thread():
            listener.join()
        os.close(wake_up)


@contextmanager
def player_keys(player: Player, *, quiet: bool = False) -> Iterator[None]:
    """Within the block Space pauses and resumes `player`, and q stops it, where a terminal allows."""
    with keys({" ": player.toggle, "q": player.stop}) as heard:
        if heard and not quiet:
            note("Space pauses, q stops")
        yield


def _terminal() -> int | None:
    """The file descriptor of a terminal whose keys are ours."""
    try:
        import termios  # noqa: F401  (Windows has none)

        descriptor = sys.stdin.fileno()
        # a process in the background that touches the terminal is stopped
        return descriptor if os.isatty(descriptor) and _is_in_foreground(descriptor) else None
    except (ImportError, AttributeError, OSError, ValueError):  # standard input may be closed, or none at all
        return None


def _is_in_foreground(terminal: int) -> bool:
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:  # a terminal, but not the one that controls us
        return True


def _hear_keys(terminal: int, before: list[Any]) -> None:
    """Give each key at once and do not show it; Ctrl-C and Ctrl-Z stay what they are."""
    import termios

    mode = [*before]
    mode[3] &= ~(termios.ICANON | termios.ECHO)
    mode[6] = [*before[6]]
    mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
    termios.tcsetattr(terminal, termios.TCSANOW, mode)


def _restore(terminal: int, before: list[Any]) -> None:
    import termios

    if _is_in_foreground(terminal):
        termios.tcsetattr(terminal, termios.TCSANOW, before)


def _listen(terminal: int, wake_up: int, actions: _Actions) -> None:
    """In a thread of its own: call what each key stands for, until `wake_up` is closed at its other end."""
    while True:
        ready, _, _ = select.select([terminal, wake_up], [], [])
        if wake_up in ready:
            return
        try:
            pressed = os.read(terminal, 64).decode("utf-8", "ignore")
        except OSError:  # the terminal is gone
            return
        if not pressed:
            return
        for key in pressed:
            actions.get(key, _nothing)()


def _nothing() -> None:
    pass


@contextmanager
def _kept_through_signals(terminal: int, before: list[Any]) -> Iterator[None]:
    """Leave the terminal as it was to whom a signal gives it, and take it again after Ctrl-Z and `fg`."""

    def give_back(number: int, frame: FrameType | None) -> None:
        _restore(terminal, before)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def take_again(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTSTP, give_back)
        if _is_in_foreground(terminal):
            _hear_keys(terminal, before)

    handlers = {signal.SIGTSTP: give_back, signal.SIGTERM: give_back, signal.SIGCONT: take_again}
    if threading.current_thread() is not threading.main_thread():
        handlers = {}  # only there may they be set
    old = {
        number: signal.signal(number, handler)
        for number, handler in handlers.items()
        if signal.getsignal(number) is signal.SIG_DFL
    }
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
