"""A batch at work: BatchRequest -> files in a folder, what failed in lines, and whether all went well."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bark_cli.batch.join import Joint, join_files
from bark_cli.batch.ledger import Entry, Ledger, hold
from bark_cli.batch.outlook import Outlook
from bark_cli.batch.plan import Batch, Planned
from bark_cli.cli.batch.look import composing, find_maker, gathered, look
from bark_cli.cli.batch.making import make_all
from bark_cli.cli.batch.progress import Tally, tell
from bark_cli.cli.batch.request import BatchRequest
from bark_cli.cli.batch.shards import spoken_in, write_card
from bark_cli.cli.output import in_doubt, one_line, print_json
from bark_cli.cli.table import aligned

if TYPE_CHECKING:
    from bark_cli.batch.identity import Maker
    from bark_cli.store import ModelRef


def outline(request: BatchRequest) -> bool:
    """Print what would be made, and how long it is; nothing is written, and no model loaded.

    Returns whether all of it can be made, as far as can be told beforehand.

    Raises:
        BarkError: the request cannot be done at all.
    """
    maker, ledger = find_maker(request), Ledger(request.folder, request.destination)
    items, outputs = gathered(request, ledger)
    looked = look(request, items, outputs, _batch(request, maker, ledger), composing(request, maker))
    speed = request.settings.speed
    rows = [replace(one, estimate_s=one.estimate_s / speed) for _, one in looked if one is not None]
    can_all = all(one.error is None for one in rows)
    if request.as_json:
        print_json([_row(one) for one in rows])
        return can_all
    table = [
        (one.state, f"{one.estimate_s:.1f}", one_line(one.task.item.source), one_line(_fate(one)))
        for one in rows
    ]
    print("\n".join(aligned([("STATE", "SECONDS", "TEXT", "FILE"), *table])))
    due = [one for one in rows if one.is_due]
    tell(f"{len(due)} of {len(rows)} to make, about {sum(one.estimate_s for one in due):.0f} s of speech")
    return can_all


def work(request: BatchRequest) -> bool:
    """Make what is missing, and say what failed; returns whether all is done.

    Raises:
        BarkError: the request cannot be done at all, or the disk is full.
    """
    maker = find_maker(request)
    tally, outlook = Tally(keeps=request.joins or request.as_json), Outlook()
    spoken = set[tuple[str | None, str | None]]()  # voices and languages
    with hold(request.folder, request.destination) as (ledger, scratch):
        items, outputs = gathered(request, ledger)
        batch = _batch(request, maker, ledger)
        for task, one in look(request, items, outputs, batch):
            outlook.add(task, one)
            if one is not None:
                tally.plan(one)
                spoken |= set() if one.error else spoken_in(task.item, request, maker)
        if outlook.due:
            make_all(request, batch, outlook.tasks(items, outputs), tally, scratch)
        write_card(request, maker, spoken, ledger, scratch)
        joined = _join(request, maker.models[0], tally, ledger, scratch) if request.joins else None
    destination = ledger.destination
    for source, _, error in tally.failed:
        tell(f"{source}: {error}")
    if not request.quiet:
        for said in tally.doubtful:
            tell(f"{said.task.output}, {in_doubt(said.start_s, said.text, said.doubt)}")
        if joined is not None:
            shown = destination.shown(joined.output)
            count = len(tally.entries)
            tell(f"{shown}: {count} file{'s' * (count != 1)} joined, {joined.seconds:.1f} s")
        tell(tally.sentence)
    if request.as_json:
        print_json(tally.record(destination, maker.models[0].name, joined))
    return not tally.failed


def _batch(request: BatchRequest, maker: Maker, ledger: Ledger) -> Batch:
    return Batch(
        ledger=ledger,
        maker=maker,
        read=request.read,
        overwrite=request.overwrite,
        packs=request.shards is not None,
    )


def _join(
    request: BatchRequest, model: ModelRef, tally: Tally, ledger: Ledger, scratch: Path
) -> Entry | None:
    """All in one file, if there is all."""
    from bark_cli import __version__
    from bark_cli.audio import Provenance, hash_text

    entries = tally.entries
    texts = hash_text(" ".join(entry.key for entry in entries))
    told = Provenance(model.name, request.settings.voice, None, texts, __version__, request.noted)
    joint = Joint(
        format=request.format,
        pause_s=request.settings.paragraph_pause / request.settings.speed,
        metadata=told if request.settings.metadata else None,
        tags=request.tags,
        overwrite=request.overwrite,
    )
    if tally.failed:
        tell(f"{joint.output} was not made, for not all of it is there")
        return None
    return join_files(entries, joint, ledger, scratch)


def _row(one: Planned) -> dict[str, object]:
    return {
        "source": one.task.item.source,
        "output": one.task.output,
        "state": one.state,
        "seconds": round(one.estimate_s, 1),
        "error": None if one.error is None else one_line(str(one.error)),
    }


def _fate(one: Planned) -> str:
    return one.task.output if one.error is None else str(one.error)
