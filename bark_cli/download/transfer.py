"""One file from a hub to this machine: RemoteFile -> the file, whole and verified, or its part, to go on."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bark_cli.download.client import network_errors, request_headers, session
from bark_cli.download.failures import AGAIN, Failure, Patience, failure_of_answer, failure_of_error, offline
from bark_cli.download.hub import RemoteFile
from bark_cli.download.partial import PartialFile, is_whole, part_path
from bark_cli.store import is_offline

__all__ = ["fetch", "part_path"]

_WORTH_BYTES = 2**14  # a try that brings this many was not in vain


def fetch(
    file: RemoteFile,
    target: Path,
    *,
    on_bytes: Callable[[int], None],
    on_wait: Callable[[str, float], None] = lambda reason, seconds: None,
    patience: Patience | None = None,
) -> None:
    """Bring `file` to `target`, from where an earlier call was cut off; one process may do so at a time.

    `on_bytes` is told how many more bytes are here; less than 0: it starts over. `on_wait` is told why it
    pauses, and for how many seconds.

    Raises:
        DownloadError: the network, the hub or what it sends is not as it should be; what has come is kept, if
            it is of use.
        OutputError: the disk does not take it (full, read-only); what has come is kept.
    """
    if is_whole(file, target):
        on_bytes(file.size)
        return
    part = PartialFile(file, target, on_bytes)
    try:
        _complete(part, on_wait, patience or Patience())
        part.finish()
    finally:
        part.close()


def _complete(part: PartialFile, on_wait: Callable[[str, float], None], patience: Patience) -> None:
    """Ask for what is missing until the part is whole and right."""
    vain, wrong, furthest = 0, 0, part.size
    while (failure := _next(part, patience)) is not None:
        if failure.kind == "wrong":  # of no use as it is; once more it is fetched from the start
            part.clear()
            wrong, furthest = wrong + 1, 0
        elif part.size >= furthest + _WORTH_BYTES:
            vain, furthest = 0, part.size
        else:
            vain += 1
        if wrong > 1 or patience.is_over(failure, vain):
            raise failure.error(f"fetch {part.file.path}")
        if pause_s := patience.wait_s(failure, vain):
            on_wait(failure.reason, pause_s)
            time.sleep(pause_s)


def _next(part: PartialFile, patience: Patience) -> Failure | None:
    """One more try; None: the part is whole and right."""
    if not part.is_full and (failure := _ask(part, patience)):
        return failure
    mismatch = part.mismatch()
    return _wrong(part.file, mismatch) if mismatch else None


def _ask(part: PartialFile, patience: Patience) -> Failure | None:
    """One request for what is missing; None: all of it came."""
    if is_offline():
        return offline()
    url = part.file.url
    page = url.partition("/resolve/")[0]
    headers = {**request_headers(url), "Accept-Encoding": "identity"}
    if part.size:
        headers["Range"] = f"bytes={part.size}-"
    try:
        with session().stream("GET", url, headers=headers, timeout=patience.timeout_s) as answer:
            return _receive(answer, part, page)
    except network_errors() as error:
        return failure_of_error(error, page)


def _receive(answer: Any, part: PartialFile, page: str) -> Failure | None:
    """Take what an answer brings; None: all of it came."""
    size = part.file.size
    if answer.status_code >= 400 and answer.status_code != 416:
        return failure_of_answer(answer, page)
    if failure := _check_answer(answer, part):
        return failure
    for data in answer.iter_bytes():
        if part.size + len(data) > size:
            return _wrong(part.file, f"more came than its {size:,} bytes")
        part.append(data)
    if part.is_full:
        return None
    reason = f"the connection ended after {part.size:,} of {size:,} bytes"
    return Failure(reason=reason, remedy=AGAIN, kind="passing")


def _check_answer(answer: Any, part: PartialFile) -> Failure | None:
    """Whether the bytes that follow are those asked for; the part is cleared where all of them follow."""
    headers, file = answer.headers, part.file
    if answer.status_code == 416:
        there = re.fullmatch(r"bytes \*/([0-9]+)", headers.get("Content-Range", ""))
        if there and there[1] != str(file.size):
            return _of_another_size(there[1], file)
        return _wrong(file, f"the server does not go on after {part.size:,} bytes (416)")
    if headers.get("Content-Type", "").startswith("text/html") and not file.path.endswith((".html", ".htm")):
        return _something_else("a web page came instead")
    if answer.status_code == 206:
        came = headers.get("Content-Range", "no range")
        found = re.fullmatch(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)", came)
        if found is None or int(found[1]) != part.size:
            return _wrong(file, f"another range of it came ({came[:60]})")
        return None if found[2] in ("*", str(file.size)) else _of_another_size(found[2], file)
    length = headers.get("Content-Length")
    if length not in (None, str(file.size)) and "Content-Encoding" not in headers:
        return _of_another_size(length, file)
    part.clear()  # the server takes no ranges
    return None


def _of_another_size(size: str, file: RemoteFile) -> Failure:
    there = f"{int(size):,}" if re.fullmatch("[0-9]{1,18}", size) else "an impossible number of"
    return _something_else(f"it has {there} bytes there, and {file.size:,} were listed")


def _something_else(reason: str) -> Failure:
    """An answer that is not even read: what has come before is kept."""
    remedy = "check HF_ENDPOINT and whether the network wants you to sign in, then run the same command again"
    return Failure(reason=reason, remedy=remedy)


def _wrong(file: RemoteFile, reason: str) -> Failure:
    host = file.url.split("/")[2]
    remedy = f"it came from {host} and was removed; run the same command later, or check HF_ENDPOINT"
    return Failure(reason=reason, remedy=remedy, kind="wrong")
