"""An address -> a Ray cluster that this process has joined, or one that it has started on this machine."""

from __future__ import annotations

import importlib.util
import logging
import os
import secrets
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bark_cli.errors import BarkError, OptionError
from bark_cli.system.interrupts import ENDINGS

SCHEME = "ray"
# What Ray prints beside what a program does; read when it is imported. Files of its log keep all of it.
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # no usage statistics
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "1",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # every line that is printed for other processes
    "RAY_SCHEDULER_EVENTS": "0",
}
# where a user says who may talk to a cluster; one that is started here is for this command alone
_SECRETS = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


class ClusterError(BarkError):
    """The cluster cannot be reached, or does not give what it was asked for."""


def address_of(on: str) -> str | None:
    """The address in `ray:ADDRESS`; None for `ray`, which leaves it to RAY_ADDRESS or starts one here.

    Raises:
        OptionError: it is neither, Ray is not installed, or the address is of a kind that cannot be used.
    """
    scheme, colon, address = on.partition(":")
    if scheme != SCHEME or (colon and not address):
        raise OptionError(f"--on takes ray or ray:ADDRESS such as ray:10.0.0.1:6379, not {on}")
    found = address or os.environ.get("RAY_ADDRESS") or None
    if found is not None and "://" in found:
        raise OptionError(
            f"{found} is reached through a proxy, which hands over no files; run the command on a machine of "
            "the cluster, with --on ray:auto"
        )
    if importlib.util.find_spec("ray") is None:
        raise OptionError("--on ray needs Ray; run: pip install 'bark-cli[ray]'")
    return found


@contextmanager
def joined(address: str | None) -> Iterator[None]:
    """Be part of a cluster; one that was started here ends with the block.

    Raises:
        ClusterError: there is no cluster at the address, or none can be started.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    if address is None and not any(name in os.environ for name in _SECRETS):
        os.environ["RAY_AUTH_MODE"], os.environ["RAY_AUTH_TOKEN"] = "token", secrets.token_hex(32)
    import ray

    if ray.is_initialized():  # by the Python program that calls this
        yield
        return
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    how: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    if address is None:
        how |= {"include_dashboard": False}
    signals = {number: signal.getsignal(number) for number in ENDINGS}
    try:
        ray.init(address or "local", **how)
    except (OSError, RuntimeError, ValueError) as error:
        where = f"reach a Ray cluster at {address}" if address else "start Ray on this machine"
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ClusterError(f"cannot {where}: {reason}; see `ray status`") from error
    finally:
        for number, handler in signals.items():  # Ray sets its own
            if threading.current_thread() is threading.main_thread():
                signal.signal(number, handler)
    try:
        yield
    finally:
        ray.shutdown()


def machines() -> list[dict[str, Any]]:
    """The machines of the cluster that are alive: Ray's NodeID and Resources of each."""
    import ray

    nodes: Any = ray.nodes  # which has no types
    return [node for node in nodes() if node["Alive"]]
