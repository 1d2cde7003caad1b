"""Tasks of a batch -> their files, made here or on a cluster, while a human is shown how far it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bark_cli.batch.items import Item
from bark_cli.batch.outputs import Task
from bark_cli.cli.batch.progress import BatchBar, FileLines, Tally, tell
from bark_cli.cli.batch.request import BatchRequest
from bark_cli.cli.batch.shards import packing
from bark_cli.cli.output import is_watched
from bark_cli.cli.speaking import STAGES
from bark_cli.errors import OutputError
from bark_cli.system.interrupts import parting_words, uninterrupted

if TYPE_CHECKING:
    from bark_cli.batch.identity import Maker
    from bark_cli.batch.make import Make
    from bark_cli.batch.plan import Batch


def make_all(
    request: BatchRequest,
    batch: Batch,
    due: Iterable[tuple[Task, float]],
    tally: Tally,
    scratch: Path,
) -> None:
    """Load the model and make the files.

    Raises:
        OutputError: the disk is full.
    """
    from bark_cli.batch.run import run

    def tasks() -> Iterator[Task]:
        for task, expected_s in due:
            tally.begin(task, expected_s)
            yield task

    def how_to_go_on() -> None:
        done = tally.unchanged + batch.ledger.placed  # not the tally's: an event may have been on its way
        tell(f"{done} of {tally.items} done; run the same command again to go on")

    try:
        with parting_words(how_to_go_on), _display(request, tally) as display:
            shards = packing(request, batch.maker, batch.ledger, scratch)
            with (
                _makes(request, batch.maker, scratch, tally) as make,
                closing(run(batch, tasks(), make, shards, delivers=_are_delivered(request))) as events,
            ):
                tally.start()
                for event in events:
                    with uninterrupted():
                        tally.count(event)
                        display.show(event)
    except OutputError:
        how_to_go_on()
        raise
    finally:
        tally.finish()


@contextmanager
def _display(request: BatchRequest, tally: Tally) -> Iterator[FileLines]:
    """What a human sees of it."""
    quiet = request.quiet or request.as_json
    watched, verbose = is_watched() and not quiet, request.verbose
    lines = BatchBar(tally, verbose=verbose) if watched else FileLines(tally, quiet=quiet, verbose=verbose)
    with lines as display:
        yield display


@contextmanager
def _makes(request: BatchRequest, maker: Maker, scratch: Path, tally: Tally) -> Iterator[Make]:
    """Who makes files of orders: the model in this process, or workers on many machines."""
    if request.cluster is None:
        yield _make_here(request, scratch)
        return
    from bark_cli.cluster.connect import joined, machines
    from bark_cli.cluster.crew import Crew
    from bark_cli.cluster.hiring import hiring
    from bark_cli.cluster.job import job

    stages = [stage for stage in STAGES if request.stage_models[stage] is not None]
    told = job(
        maker,
        [stage.removesuffix("_model") for stage in stages],
        request.manner,
        url=request.url if _are_delivered(request) else None,
    )
    note = (lambda _: None) if request.quiet else tell
    with joined(request.cluster.address):
        resources = [machine["Resources"] for machine in machines()]
        with Crew(told, hiring(request.cluster.asked, resources), scratch, note) as crew:
            tally.workers = crew.workers
            crew.wait()
            yield crew.make


def _are_delivered(request: BatchRequest) -> bool:
    """Whether workers put files where they go: into shards they are packed here."""
    return request.cluster is not None and request.url is not None and request.shards is None


def _make_here(request: BatchRequest, scratch: Path) -> Make:
    """The model, which makes files of orders."""
    from bark_cli.batch.make import make

    bark = request.load(None if request.quiet else tell)

    def on_told(item: Item, told: str) -> None:
        if not request.quiet:
            tell(f"{item.source}: {told}")

    batch_size = request.settings.batch_size
    making = request.manner.making(bark, bark.name, scratch, on_told=on_told, batch_size=batch_size)
    return partial(make, making)
