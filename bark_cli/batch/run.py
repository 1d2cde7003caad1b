"""Tasks -> their files: each is ordered, made here or elsewhere, and placed here and noted in the ledger."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import chain, islice

from bark_cli.batch.begin import begin_all, end_all
from bark_cli.batch.ledger import Entry
from bark_cli.batch.make import Delivered, Failed, Finished, Make, Progress, Said, is_for_all
from bark_cli.batch.order import Order, order
from bark_cli.batch.outputs import Task
from bark_cli.batch.place import NewFile, Placed, place_all
from bark_cli.batch.plan import Batch
from bark_cli.batch.shards.packing import Packing
from bark_cli.errors import BarkError
from bark_cli.system.interrupts import uninterrupted

_TOGETHER = 16  # orders that are noted with one wait for the disk


@dataclass(frozen=True, kw_only=True)
class Made:
    """A task has its file, or its place in a shard."""

    task: Task
    entry: Entry
    kept: str | None = None  # what a file is called now that had the name and was changed by somebody


Event = Said | Made | Failed


def run(
    batch: Batch,
    tasks: Iterable[Task],
    make: Make,
    packing: Packing | None = None,
    *,
    delivers: bool = False,
) -> Generator[Event, None, None]:
    """Make the files, and say what becomes of each as it does; tasks are taken as there is room.

    What is on its way into a shard when this is stopped makes a smaller one.

    Args:
        batch: where texts come from and files go.
        tasks: what is to be made.
        make: who makes files of orders; they have to lie on the disk of the ledger's.
        packing: puts them into shards; None: each gets a file of its own.
        delivers: files are placed where they are made.

    Raises:
        OutputError: the disk is full, or the ledger cannot be written; what is made by then stays.
    """
    failed, kept = list[Failed](), dict[str, str]()
    orders = _orders(batch, tasks, failed)
    if delivers:
        orders = _begun(batch, orders, failed, kept)
    try:
        with closing(make(orders)) as progress:
            for group in progress:
                with uninterrupted():
                    events = [*_placed(batch, group, kept, packing), *failed]
                failed.clear()
                yield from events
    except BaseException:
        with uninterrupted(), suppress(BarkError):  # what stopped it is raised already
            list(_last_shard(packing))
        raise
    with uninterrupted():
        events = list(_last_shard(packing))
    yield from events
    yield from failed


def _last_shard(packing: Packing | None) -> Iterator[Event]:
    """What waits for a shard to be full gets one that is not."""
    if packing is not None:
        yield from (Made(task=task, entry=entry) for task, entry in packing.flush())


def _orders(batch: Batch, tasks: Iterable[Task], failed: list[Failed]) -> Iterator[Order]:
    """What is to be made; tasks of which nothing can be made are set aside."""
    for task in tasks:
        try:
            found = order(task, batch)
        except BarkError as error:
            failed.append(Failed(task=task, error=error))
            continue
        yield found


def _begun(
    batch: Batch, orders: Iterator[Order], failed: list[Failed], kept: dict[str, str]
) -> Iterator[Order]:
    """Note what is handed out, some at a time; `kept` learns what has become of files that were changed."""
    while group := list(islice(orders, _TOGETHER)):
        with uninterrupted():
            begun = begin_all(group, batch.ledger, overwrite=batch.overwrite)
        for one, asked in zip(begun, group, strict=True):
            if isinstance(one, BarkError):
                failed.append(Failed(task=asked.task, error=one))
                continue
            if one.kept is not None:
                kept[asked.task.output] = one.kept
            yield one.order


def _placed(
    batch: Batch, group: Sequence[Progress], kept: dict[str, str], packing: Packing | None
) -> Iterator[Event]:
    """Give what is finished its name, and note what has it already; other events are passed on.

    Raises:
        OutputError: the disk is full.
    """
    finished = [one for one in group if isinstance(one, Finished)]
    if packing is not None:
        yield from (one for one in group if not isinstance(one, Finished | Delivered))
        yield from (Made(task=task, entry=entry) for task, entry in packing.put(finished))
        return
    end_all((one for one in group if isinstance(one, Failed)), batch.ledger)
    noted = iter(_noted(batch, [one for one in group if isinstance(one, Delivered)], kept))
    sets = [_files(one) for one in finished]
    placed = iter(place_all(sets, batch.ledger, overwrite=batch.overwrite) if sets else [])
    for one in group:
        if isinstance(one, Delivered):
            yield next(noted)
        else:
            yield _result(one.order.task, next(placed)) if isinstance(one, Finished) else one


def _noted(batch: Batch, delivered: Sequence[Delivered], kept: dict[str, str]) -> list[Made]:
    """Have in the ledger what is where it goes already."""
    sets = [_entries(one) for one in delivered]
    if sets:
        batch.ledger.add(*chain.from_iterable(sets))
        batch.ledger.placed += len(sets)
    tasks = [one.order.task for one in delivered]
    return [
        Made(task=task, entry=entries[-1], kept=kept.pop(task.output, None))
        for task, entries in zip(tasks, sets, strict=True)
    ]


def _entries(delivered: Delivered) -> list[Entry]:
    files, seconds = delivered.files, delivered.seconds
    return [delivered.order.entry(output, facts, seconds) for output, facts in files.items()]


def _result(task: Task, placed: Placed | BarkError) -> Made | Failed:
    if not isinstance(placed, BarkError):
        return Made(task=task, entry=placed.entry, kept=placed.room.kept)
    if is_for_all(placed):
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
