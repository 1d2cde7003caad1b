"""The command `bark`: arguments -> exit code, with one boundary where every error becomes one line on stderr.

Exit codes: 0 all done, 1 something failed, 2 bad usage, 130 interrupted, 143 terminated (129 by the end of
its terminal, 131 by its quit key). BARK_DEBUG=1 adds the traceback.
"""

from __future__ import annotations

import atexit
import io
import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType

from bark_cli.errors import BarkError
from bark_cli.system.interrupts import ENDINGS, say_parting_words

GRACE_S = 0.5  # to clean up in after Ctrl-C


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; `arguments` are the process's own when None."""
    _open_what_is_closed()
    _print_anywhere()
    _let_threads_sleep()
    interrupt = _Interrupt()
    try:
        code = _run(arguments)
    except BaseException as error:
        # what libraries make of an interrupt (an ImportError, say) is of no interest after Ctrl-C
        code = interrupt.code or _report(error)
    finally:
        interrupt.restore()
    if interrupt.code:
        code = interrupt.code
    if arguments is None:
        _leave(code, tidily=not interrupt.code)
    return code


def _open_what_is_closed() -> None:
    """Let what was started with `>&-` or `2>&-` write to nowhere.

    Else the next file opened would take the number 1 or 2, and with it what libraries print; and Python
    would print on stdout what is for a stderr that is not there.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115  (for good)


def _let_threads_sleep() -> None:
    """Let threads of libraries sleep while they wait for each other, unless the user has said how they wait.

    They read this when they are loaded. Left to themselves torch's spin, and two that have to share a core
    with another process spin for the time that it has there: a line of 3 s took over 200. numpy's, of which
    no product is asked that is worth a second one, spins while numpy is imported and after.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _print_anywhere() -> None:
    """Print what the encoding of stdout has no letter for as \\u266a, as Python does on stderr by itself."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="backslashreplace")


def _run(arguments: Sequence[str] | None) -> int:
    """The command's exit code; errors other than bad usage come through."""
    try:
        os.getcwd()  # noqa: PTH109
    except FileNotFoundError as error:  # torch's libraries would end the process
        raise BarkError("the folder that this was started in is gone; go to another one with cd") from error
    try:
        from bark_cli.cli.app import app

        app(arguments, prog_name="bark")
    except SystemExit as end:  # typer ends every command with one
        if end.code is not None and not isinstance(end.code, int):
            raise
        _flush()
        return end.code or 0
    return 0


def _report(error: BaseException) -> int:
    """Say on one line what went wrong; returns the exit code for it."""
    if os.environ.get("BARK_DEBUG") == "1":
        import traceback

        traceback.print_exception(error)
    from bark_cli.cli.output import abandon_stdout, one_line
    from bark_cli.system.files import is_disk_full

    try:
        _flush()
        is_stdout_lost = False
    except (OSError, ValueError):
        abandon_stdout()
        is_stdout_lost = True
    if isinstance(error, BrokenPipeError):
        return 1

    if isinstance(error, BarkError):
        code, message = error.exit_code, str(error)
    elif _is_out_of_memory(error):
        code, message = 1, "out of memory; use --device cpu or a smaller model" + _DEBUG_HINT
    elif isinstance(error, OSError) and is_stdout_lost:
        code, message = 1, f"cannot write to standard output: {error.strerror}"
    elif isinstance(error, OSError) and is_disk_full(error) and error.filename is None:
        # a print where Python buffers nothing, or a file whose name was not told
        code, message = 1, f"cannot write: {error.strerror}; standard output, or a file, is on a full disk"
    elif isinstance(error, OSError):
        code, message = 1, f"{error}{_DEBUG_HINT}"
    else:
        code, message = 1, f"unexpected {type(error).__name__}: {error}{_DEBUG_HINT}"
    with suppress(OSError):
        print(f"bark: {one_line(message)}", file=sys.stderr)
    return code


def _is_out_of_memory(error: BaseException) -> bool:
    """Python's own, or torch's of any device, which is told apart by its words alone."""
    words = ("out of memory", "not enough memory", "can't allocate memory")
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(phrase in str(error) for phrase in words)
    )


_DEBUG_HINT = "; set BARK_DEBUG=1 for the traceback"


class _Interrupt:
    """Turns the first Ctrl-C, or another signal to end, into KeyboardInterrupt; a second one ends at once.

    One raised inside a callback or a careless library is lost; then the process ends GRACE_S later.
    """

    def __init__(self) -> None:
        self.code = 0  # 128 and the signal's number, once one has come
        self._deadline: threading.Timer | None = None
        # a shell that starts us in the background has Ctrl-C ignored, and nohup SIGHUP; that must stay so
        theirs = (signal.default_int_handler, signal.SIG_DFL)
        is_main = threading.current_thread() is threading.main_thread()
        numbers = ENDINGS if is_main else ()
        self._before = {n: how for n in numbers if (how := signal.getsignal(n)) in theirs}
        for number in self._before:
            signal.signal(number, self._interrupt)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self.code = 128 + number
        for each in self._before:
            signal.signal(each, signal.SIG_DFL)
        sys.unraisablehook = lambda lost: None  # where it is lost, it shall not be printed either
        if _is_being_imported("torch"):
            # its C++ parts abort when an exception arrives amid their imports; nothing is written yet
            _show_cursor()
            os._exit(self.code)
        deadline = threading.Timer(GRACE_S, _end, (self.code,))
        deadline.daemon = True
        deadline.start()
        self._deadline = deadline
        raise KeyboardInterrupt

    def restore(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        # after an interrupt the process is about to end, and a second Ctrl-C may end it sooner
        if not self.code:
            for number, how in self._before.items():
                signal.signal(number, how)


def _end(code: int) -> None:
    """End the process, whatever it is at."""
    try:
        say_parting_words()
    finally:
        os._exit(code)


def _is_being_imported(name: str) -> bool:
    """Whether the import of a module has begun and not ended."""
    return bool(getattr(getattr(sys.modules.get(name), "__spec__", None), "_initializing", False))


def _show_cursor() -> None:
    """Undo what a status line did to the terminal."""
    if sys.stderr is not None and sys.stderr.isatty():
        os.write(sys.stderr.fileno(), b"\r\x1b[K\x1b[?25h")


def _leave(code: int, *, tidily: bool) -> None:
    """End the process here and now: to take Python apart first takes 40 ms, and with torch most of a second.

    `tidily` lets all do first what they have put off to the end; where a thread is still at work, the end is
    left to Python, which waits for it.
    """
    if tidily:
        if any(not one.daemon for one in threading.enumerate() if one is not threading.main_thread()):
            return
        atexit._run_exitfuncs()
    with suppress(OSError, ValueError):
        _flush()
    os._exit(code)


def _flush() -> None:
    """Write out what is buffered while an error can still be told."""
    if sys.stdout is not None:
        sys.stdout.flush()
