"""Where programs of one user meet while they run: the environment -> a private folder and a socket in it.

`$XDG_RUNTIME_DIR/bark`, else a folder of ours beside the temporary files. It is used only where it is the
user's own and nobody else may look into it.
"""

from __future__ import annotations

import os
import stat
import struct
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

HAS_SOCKETS = os.name == "posix"  # Python has none of Windows's
_LONGEST = 100  # bytes of a socket's path; systems take 104 and more


def runtime_folder(*, make: bool = False) -> Path | None:
    """The folder, made where it is not there and `make` is on; None where there is none that is safe."""
    if not HAS_SOCKETS:
        return None
    folder = _place()
    with suppress(OSError):
        if make:
            with suppress(FileExistsError):
                folder.mkdir(mode=0o700)
        if _is_private(folder):
            return folder
    return None


def socket_path(*, make: bool = False) -> Path | None:
    """Where a server listens for its own user; None where it cannot."""
    folder = runtime_folder(make=make)
    path = None if folder is None else folder / "say.sock"
    return path if path is not None and len(os.fsencode(path)) <= _LONGEST else None


def peer_of(connection: socket.socket) -> tuple[int, int] | None:
    """Process and user at the other end of a local socket; None where the system does not say."""
    import socket

    if not hasattr(socket, "SO_PEERCRED"):
        return None
    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    process, user, _ = struct.unpack("3i", told)
    return process, user


def is_own(connection: socket.socket) -> bool:
    """Whether the other end is the same user's; where the system does not say, the folder's mode does."""
    peer = peer_of(connection)
    return peer is None or peer[1] == os.getuid()


def _place() -> Path:
    given = Path(os.environ.get("XDG_RUNTIME_DIR") or "")
    if given.is_absolute() and given.is_dir():
        return given / "bark"
    from tempfile import gettempdir

    return Path(gettempdir()) / f"bark-{os.getuid()}"


def _is_private(folder: Path) -> bool:
    status = folder.lstat()
    is_mine = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
    return is_mine and not stat.S_IMODE(status.st_mode) & 0o077
