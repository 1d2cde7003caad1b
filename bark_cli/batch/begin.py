"""Orders of workers that place files themselves -> the same, noted in the ledger before anything is made.

So a file that is there when a run was killed is known, and may be written over by the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace

from bark_cli.batch.destination import FileFacts
from bark_cli.batch.ledger import Entry, Ledger
from bark_cli.batch.make import Failed
from bark_cli.batch.order import Order
from bark_cli.batch.room import make_room
from bark_cli.errors import BarkError

_BEGUN = FileFacts(size=-1, mtime_ns=0, sha256="")  # of a file that is not made yet, and so of none
_ENDED = FileFacts(size=-1, mtime_ns=0, sha256="-")  # of one that is not made after all


@dataclass(frozen=True, kw_only=True)
class Begun:
    """An order that may be handed out."""

    order: Order
    kept: str | None = None  # what a file is called now that had the name and was changed by somebody


def begin_all(orders: Sequence[Order], ledger: Ledger, *, overwrite: bool = False) -> list[Begun | BarkError]:
    """Note that files are about to be made and placed by a worker, and make room for them.

    Returns:
        For each order what to hand out, or why its files cannot have their names.

    Raises:
        OutputError: the ledger cannot be written.
    """
    found, entries = list[Begun | BarkError](), list[Entry]()
    for order in orders:
        outputs = order.task.outputs
        try:
            rooms = [make_room(output, ledger, overwrite=overwrite) for output in outputs]
        except BarkError as error:
            found.append(error)
            continue
        entries += [order.entry(output, _BEGUN, 0.0) for output in outputs]
        replaces = any(room.replaces for room in rooms)
        found.append(Begun(order=replace(order, replaces=replaces), kept=rooms[-1].kept))
    if entries:
        ledger.add(*entries)
    return found


def end_all(failed: Iterable[Failed], ledger: Ledger) -> None:
    """Note that files were not made after all: what has their names from now on is somebody else's.

    Raises:
        OutputError: the ledger cannot be written.
    """
    entries = [
        Entry(output=output, key="", source=one.task.item.source, seconds=0.0, seed=0, **asdict(_ENDED))
        for one in failed
        for output in one.task.outputs
        if ledger.is_begun(output)
    ]
    if entries:
        ledger.add(*entries)
