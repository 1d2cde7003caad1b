"""Where `bark serve` listens and who may ask: what the command was given -> Rules."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bark_cli.errors import OptionError

if TYPE_CHECKING:
    from bark_cli.server.access import Rules


@dataclass(frozen=True, kw_only=True)
class Door:
    """Where it listens, and who may ask."""

    host: str
    port: int
    key_file: str | None
    insecure: bool
    allow_host: list[str]
    allow_origin: list[str]
    wyoming_port: int | None  # None: no Wyoming

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        import ipaddress

        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def address(self, port: int) -> str:
        """What a browser opens."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{'localhost' if host in ('0.0.0.0', '[::]') else host}:{port}"

    def rules(self) -> Rules:
        """Who is let in.

        Raises:
            OptionError: everybody could ask, and nobody said that they may.
        """
        import socket

        from bark_cli.server.access import LOOPBACK_NAMES, Rules
        from bark_cli.server.app import OPEN, OPEN_LISTS

        key = None if self.key_file is None else read_key(self.key_file)
        if not self.is_loopback and key is None and not self.insecure:
            raise OptionError(
                f"--host {self.host} lets other machines in; add --api-key-file FILE, or --insecure"
            )
        if not self.is_loopback and self.wyoming_port is not None and not self.insecure:
            raise OptionError(
                f"Wyoming has no keys, so --host {self.host} would let anybody in; add --insecure to do so"
            )
        names = {*LOOPBACK_NAMES, self.host, *self.allow_host}
        if not self.is_loopback:
            names.add(socket.gethostname())
        return Rules(
            key=key,
            hosts=frozenset(name.lower() for name in names),
            any_address=not self.is_loopback,
            origins=tuple(origin.rstrip("/") for origin in self.allow_origin),
            open_paths=(*OPEN, *OPEN_LISTS),
        )


def read_key(path: str) -> str:
    """The key in a file.

    Raises:
        OptionError: it cannot be read, or holds no key of some length.
    """
    from bark_cli.server.access import LEAST_KEY, MOST_KEY, is_key

    try:
        with Path(path).open("rb") as stream:
            key = stream.read(MOST_KEY + 1).decode("ascii").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it holds more than ASCII"
        raise OptionError(f"cannot read the key in {path}: {reason}") from error
    if not is_key(key):
        raise OptionError(f"{path} must hold one key of {LEAST_KEY} characters or more, without spaces")
    return key
