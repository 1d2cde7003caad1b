"""Tasks -> their files: each is ordered, made here or elsewhere, and placed here and noted in the ledger."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from bark_cli.batch.identity import Maker
from bark_cli.batch.ledger import Entry, Ledger
from bark_cli.batch.make import Failed, Finished, Make, Progress, Said, is_for_lack_of_room
from bark_cli.batch.order import Order, order
from bark_cli.batch.outputs import Task
from bark_cli.batch.place import NewFile, Placed, place_all
from bark_cli.batch.plan import Reader
from bark_cli.batch.shards.packing import Packing
from bark_cli.errors import BarkError
from bark_cli.system.interrupts import uninterrupted


@dataclass(frozen=True, kw_only=True, eq=False)
class Work:
    """What happens where the command runs: texts are read, and files are placed."""

    ledger: Ledger
    maker: Maker
    read: Reader
    overwrite: bool = False
    packing: Packing | None = None  # into shards; None: each gets a file of its own


@dataclass(frozen=True, kw_only=True)
class Made:
    """A task has its file, or its place in a shard."""

    task: Task
    entry: Entry
    kept: Path | None = None  # where a file is now that had the name and was changed by somebody


Event = Said | Made | Failed


def run(work: Work, tasks: Iterable[Task], make: Make) -> Generator[Event, None, None]:
    """Make the files, and say what becomes of each as it does; tasks are taken as there is room.

    What is on its way into a shard when this is stopped makes a smaller one.

    Args:
        work: where texts come from and files go.
        tasks: what is to be made.
        make: who makes files of orders; they have to lie on the disk of the ledger's.

    Raises:
        OutputError: the disk is full, or the ledger cannot be written; what is made by then stays.
    """
    failed: list[Failed] = []
    try:
        with closing(make(_orders(work, tasks, failed))) as progress:
            for group in progress:
                with uninterrupted():
                    events = [*_placed(work, group), *failed]
                failed.clear()
                yield from events
    except BaseException:
        with uninterrupted(), suppress(BarkError):  # what stopped it is told
            list(_last_shard(work))
        raise
    with uninterrupted():
        events = list(_last_shard(work))
    yield from events
    yield from failed


def _last_shard(work: Work) -> Iterator[Event]:
    """What waits for a shard to be full gets one that is not."""
    if work.packing is not None:
        yield from (Made(task=task, entry=entry) for task, entry in work.packing.flush())


def _orders(work: Work, tasks: Iterable[Task], failed: list[Failed]) -> Iterator[Order]:
    """What is to be made; tasks of which nothing can be made are set aside."""
    for task in tasks:
        try:
            found = order(task, work.maker, work.read)
        except BarkError as error:
            failed.append(Failed(task=task, error=error))
            continue
        yield found


def _placed(work: Work, group: Sequence[Progress]) -> Iterator[Event]:
    """Give what is finished its name; all else is told as it is.

    Raises:
        OutputError: the disk is full.
    """
    finished = [one for one in group if isinstance(one, Finished)]
    if work.packing is not None:
        yield from (one for one in group if not isinstance(one, Finished))
        yield from (Made(task=task, entry=entry) for task, entry in work.packing.put(finished))
        return
    sets = [_files(one) for one in finished]
    placed = place_all(sets, work.ledger, overwrite=work.overwrite) if sets else []
    results = iter(placed)
    for one in group:
        yield _result(one.order.task, next(results)) if isinstance(one, Finished) else one


def _result(task: Task, placed: Placed | BarkError) -> Made | Failed:
    if not isinstance(placed, BarkError):
        return Made(task=task, entry=placed.entry, kept=placed.kept)
    if is_for_lack_of_room(placed):
        raise placed
    return Failed(task=task, error=placed)


def _files(finished: Finished) -> list[NewFile]:
    """What belongs to an order: its subtitles, if there are any, and the sound, which is the sign of both."""
    order = finished.order
    task = order.task
    pairs = [(finished.subtitles, task.subtitles), (finished.sound, task.output)]
    return [
        NewFile(staged, output, order.key, task.item.source, finished.seconds, order.seed)
        for staged, output in pairs
        if staged is not None and output is not None
    ]
