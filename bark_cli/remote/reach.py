"""This user's server on this machine, if it speaks as we would: the path of its socket -> a RemoteBark."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bark_cli.known_model import KnownModel
from bark_cli.remote import wire
from bark_cli.remote.client import OwnBark, RemoteBark
from bark_cli.remote.identity import Identity, config_digest
from bark_cli.remote.wire import WireError, receive
from bark_cli.system.runtime import is_own

_ANSWER_S = 2.0  # for the first answer
_WAKING_S = 120.0  # for a model that has to be read again
_SILENCE_S = 15.0  # after which it is given up: it says every few seconds that it is there


class RefusedError(Exception):
    """The server is not to be used, or does not want to be; the words say why."""


def reach(
    path: Path,
    who: Identity,
    model: Callable[[], KnownModel],
    load: Callable[[], OwnBark],
    tell: Callable[[str], None],
) -> RemoteBark:
    """The server that listens at `path`, if it would say everything just as we would.

    Args:
        path: of its socket.
        who: what decides a sound here.
        model: what is known of the model here; called once the server has agreed.
        load: loads a Bark of our own, should the server be lost.
        tell: told in words if it is.

    Raises:
        RefusedError: it would not, or does not answer as it should.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(_ANSWER_S)
        connection.connect(os.fspath(path))
        if not is_own(connection):
            raise RefusedError("it is somebody else's")
        connection.sendall(wire.packed("hello", {"who": who}))
        answer = receive(connection)
        if answer.kind == "waking":
            connection.settimeout(_WAKING_S)
            answer = receive(connection)
        if answer.kind != "welcome":
            raise RefusedError(str(answer.facts.get("why", "it does not say why")))
        known = model()
        if answer.facts.get("config") != config_digest(known.config):
            raise RefusedError("the model says something else of itself")
        connection.settimeout(_SILENCE_S)
        return RemoteBark(known, connection, answer, load, tell)
    except (OSError, WireError, EOFError, KeyError, TypeError, ValueError) as error:
        connection.close()
        raise RefusedError(str(error) or type(error).__name__) from error
    except BaseException:
        connection.close()
        raise


def ask_status(path: Path) -> tuple[dict[str, Any], socket.socket] | None:
    """What the server at `path` says of itself, and the connection, which ends with it; None without one."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(_ANSWER_S)
        connection.connect(os.fspath(path))
        if is_own(connection):
            connection.sendall(wire.packed("status"))
            return receive(connection).facts, connection
    except (OSError, WireError, EOFError):
        pass
    connection.close()
    return None
