"""`bark serve --background | --status | --stop`: a server that stays when its terminal closes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import typer

from bark_cli.cli.output import note
from bark_cli.errors import BarkError, OptionError
from bark_cli.system.runtime import peer_of, socket_path

_LOG = "serve.log"
_START_S = 600.0  # a model may have to be converted first
_STOP_S = 30.0
_LOOK_S = 0.1
_HERE = ("background", "stop", "status")  # options that the server itself is not given


def start(context: typer.Context) -> None:
    """Start the server that the command describes as a process of its own, and wait until it can speak.

    Raises:
        BarkError: one runs already, or it ended; the message is what it said.
    """
    path = _path()
    if (found := _status(path)) is not None:
        raise BarkError(f"a server runs already: {_line(found[0])}; `bark serve --stop` ends it")
    log = path.with_name(_LOG)
    how = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with os.fdopen(os.open(log, how, 0o600), "wb") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "bark_cli", "serve", *_words(context)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        facts = _wait(child, path, log)
    except BaseException:
        child.terminate()
        child.wait()
        raise
    child.returncode = 0  # it stays, and nobody waits for it
    note(f"{_line(facts)}; `bark serve --stop` ends it")


def show() -> None:
    """Print what the running server says of itself.

    Raises:
        BarkError: none runs.
    """
    found = _status(_path())
    if found is None:
        raise BarkError("no server of yours runs here; `bark serve --background` starts one")
    print(_line(found[0]))


def stop() -> None:
    """End the running server, and wait until it has.

    Raises:
        BarkError: none runs, or it does not end.
    """
    from filelock import FileLock, Timeout

    path = _path()
    found = _status(path)
    if found is None:
        raise BarkError("no server of yours runs here")
    facts, process = found
    try:
        os.kill(process, signal.SIGTERM)
        with FileLock(path.with_suffix(".lock"), timeout=_STOP_S):
            pass
    except (OSError, Timeout) as error:
        raise BarkError(f"the server (process {process}) does not end; try: kill -9 {process}") from error
    note(f"stopped {facts.get('model')}, process {process}")


def _path() -> Path:
    """Of the socket.

    Raises:
        OptionError: there can be none here.
    """
    path = socket_path(make=True)
    if path is None:
        raise OptionError("this needs a private folder for sockets: set XDG_RUNTIME_DIR to one of yours")
    return path


def _status(path: Path) -> tuple[dict[str, Any], int] | None:
    """What the server says of itself, and its process; None without one."""
    from bark_cli.remote.reach import ask_status

    if (found := ask_status(path)) is None:
        return None
    facts, connection = found
    with closing(connection):
        peer = peer_of(connection)
    process = peer[0] if peer and peer[0] > 0 else int(facts["process"])  # 0: of another container
    return facts, process


def _line(facts: dict[str, Any]) -> str:
    n_orders = facts.get("orders", 0)
    at_work = f"{n_orders} request{'s' * (n_orders != 1)}"
    where = f"at {facts.get('address')} (process {facts.get('process')}, {at_work})"
    return f"{facts.get('model')} is {facts.get('state')} {where}"


def _wait(child: subprocess.Popen[bytes], path: Path, log: Path) -> dict[str, Any]:
    """Wait until the server can speak; what it says of itself then.

    Raises:
        BarkError: it ended, or takes too long.
    """
    end = time.monotonic() + _START_S
    while time.monotonic() < end:
        if child.poll() is not None:
            raise BarkError(_last_line(log) or f"the server ended with code {child.returncode}")
        found = _status(path)
        if found is not None and found[0].get("state") == "ready":
            return found[0]
        time.sleep(_LOOK_S)
    raise BarkError(f"the server is not ready after {_START_S:.0f} s; see {log}")


def _last_line(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").splitlines()[-1:]
    return "".join(lines).removeprefix("bark: ")


def _words(context: typer.Context) -> list[str]:
    """The options of this command as they were given; what it would tell of requests goes nowhere."""
    words = []
    for option in context.command.params:
        value = context.params.get(str(option.name))
        if option.name in _HERE or value == option.default or value is None:
            continue
        name = option.opts[-1]
        if isinstance(value, bool):
            words.append(name)
            continue
        words += [f"{name}={one}" for one in (value if isinstance(value, list | tuple) else [value])]
    return words if any(word.startswith("--log=") for word in words) else [*words, "--log=none"]
