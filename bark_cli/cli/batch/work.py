"""A batch at work: BatchRequest -> files in a folder, what failed in lines, and whether all went well."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bark_cli.batch.gather import gather
from bark_cli.batch.items import Item
from bark_cli.batch.join import Joint, check_joint, join_files
from bark_cli.batch.ledger import Entry, Ledger, hold
from bark_cli.batch.outlook import Outlook
from bark_cli.batch.outputs import Outputs, Task
from bark_cli.batch.plan import Estimate, Planned, Planning, planned
from bark_cli.batch.shards.packing import check_shards
from bark_cli.cli.batch.progress import BatchBar, FileLines, Tally, tell
from bark_cli.cli.batch.request import BatchRequest
from bark_cli.cli.batch.shards import packing, spoken_in, write_card
from bark_cli.cli.download.offer import resolve_or_offer
from bark_cli.cli.output import in_doubt, one_line, print_json
from bark_cli.cli.speaking import STAGES
from bark_cli.cli.table import aligned
from bark_cli.errors import OutputError
from bark_cli.system.interrupts import parting_words, uninterrupted
from bark_cli.text.split.pace import estimate_seconds
from bark_cli.text.tags import check_tags

if TYPE_CHECKING:
    from bark_cli.batch.identity import Maker
    from bark_cli.batch.make import Make
    from bark_cli.store import ModelRef
    from bark_cli.text.script import Script


def outline(request: BatchRequest) -> bool:
    """Print what would be made, and how long it is; nothing is written, and no model loaded.

    Returns whether all of it can be made, as far as can be told beforehand.

    Raises:
        BarkError: the request cannot be done at all.
    """
    maker, items, outputs = _prepare(request)
    looked = _look(request, items, outputs, Ledger(request.folder), maker, _composing(request, maker))
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
    maker, items, outputs = _prepare(request)
    tally, outlook = Tally(keeps=request.joins or request.as_json), Outlook()
    spoken = set[tuple[str | None, str | None]]()  # voices and languages
    with hold(request.folder) as (ledger, scratch):
        for task, one in _look(request, items, outputs, ledger, maker):
            outlook.add(task, one)
            if one is not None:
                tally.plan(one)
                spoken |= set() if one.error else spoken_in(task.item, request, maker)
        if outlook.due:
            _make(request, maker, outlook.tasks(items, outputs), tally, ledger, scratch)
        write_card(request, maker, spoken, ledger, scratch)
        joined = _join(request, maker.models[0], tally, ledger, scratch) if request.joins else None
    for source, _, error in tally.failed:
        tell(f"{source}: {error}")
    if not request.quiet:
        for said in tally.doubtful:
            tell(f"{said.task.output}, {in_doubt(said.start_s, said.text, said.doubt)}")
        if joined is not None:
            tell(
                f"{request.folder / joined.output}: {len(tally.entries)} files joined, {joined.seconds:.1f} s"
            )
        tell(tally.sentence)
    if request.as_json:
        print_json(tally.record(request.folder, maker.models[0].name, joined))
    return not tally.failed


def _prepare(request: BatchRequest) -> tuple[Maker, Iterable[Item], Outputs]:
    """Find out whether it can be done, before anything is written."""
    with request.naming_origins():
        models = resolve_or_offer(request.models, may_ask=not (request.quiet or request.as_json))
        maker = request.maker(models)
    if request.joins:
        check_joint(request.format)
    joined = Joint(format=request.format).output if request.joins else None
    ledger = Ledger(request.folder)
    check_shards(request.shards, ledger)
    items = gather(request.sources, is_ours=partial(_is_made, ledger))
    outputs = Outputs(
        request.folder, request.format, joined=joined, subtitles=request.subtitles, texts=items.texts
    )
    return maker, items, outputs


def _is_made(ledger: Ledger, file: Path) -> bool:
    """Whether a file was written by a batch, and is no text: subtitles, a data card."""
    below = os.path.relpath(os.path.realpath(file), os.path.realpath(ledger.folder))
    return ledger.knows(Path(below).as_posix())


def _look(
    request: BatchRequest,
    items: Iterable[Item],
    outputs: Outputs,
    ledger: Ledger,
    maker: Maker,
    estimate: Estimate | None = None,
) -> Iterator[tuple[Task, Planned | None]]:
    """What is to be done of each item, None where it was named before.

    `estimate` finds how long a text will be, and may find that it cannot be said.
    """
    warned, manner = set[str](), request.manner

    def seconds_of(item: Item, text: str) -> float:
        script = manner.script(item, text)
        if not request.quiet:
            _warn(script, item.source, warned)
        if estimate is not None:
            return estimate(item, text)
        return sum(estimate_seconds(line.text) for line in script.lines)

    planning = Planning(
        ledger=ledger,
        maker=maker,
        read=request.read,
        estimate=seconds_of,
        overwrite=request.overwrite,
        packs=request.shards is not None,
    )
    for item in items:
        task = outputs.claim(item)
        yield (outputs.task(item), None) if task is None else (task, planned(task, planning))


def _composing(request: BatchRequest, maker: Maker) -> Estimate:
    """Finds out of a text how long it will be as the model would say it, and what of it it cannot say.

    Raises:
        ModelError: the model's configuration or tokenizer is damaged.
    """
    from bark_cli.checkpoint.vocabulary import read_vocabulary
    from bark_cli.narration.compose import budget, compose

    config, tokenizer = read_vocabulary(maker.models[0].folder)
    limits = budget(config, tokenizer.count, tokenizer.loss)
    recipe, manner = request.recipe(config.sampling), request.manner

    def estimate(item: Item, text: str) -> float:
        voice, language = manner.voice_and_language(item)
        mine = replace(recipe, voice=voice, language=language)
        narration = compose(manner.script(item, text), mine, limits, seed=0)
        if narration.told is not None and not request.quiet:
            tell(f"{item.source}: {narration.told}")
        return narration.estimate_s

    return estimate


def _warn(script: Script, source: str, warned: set[str]) -> None:
    """Tell of each tag that no model knows, where it is met first."""
    for problem in (problem for line in script.lines for problem in check_tags(line.text)):
        if problem.text not in warned:
            tell(f"{source}: {problem}")
        warned.add(problem.text)


def _make(
    request: BatchRequest,
    maker: Maker,
    due: Iterable[tuple[Task, float]],
    tally: Tally,
    ledger: Ledger,
    scratch: Path,
) -> None:
    """Load the model and make the files.

    Raises:
        OutputError: the disk is full.
    """
    from bark_cli.batch.run import Work, run

    def tasks() -> Iterator[Task]:
        for task, expected_s in due:
            tally.begin(task, expected_s)
            yield task

    def how_to_go_on() -> None:
        done = tally.unchanged + ledger.placed  # not the tally's: an event may have been on its way
        tell(f"{done} of {tally.items} done; run the same command again to go on")

    try:
        with parting_words(how_to_go_on), _display(request, tally) as display:
            work = Work(
                ledger=ledger,
                maker=maker,
                read=request.read,
                overwrite=request.overwrite,
                packing=packing(request, maker, ledger, scratch),
            )
            with _makes(request, maker, scratch) as make, closing(run(work, tasks(), make)) as events:
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
    watched = sys.stderr is not None and sys.stderr.isatty() and not quiet
    with BatchBar(tally) if watched else FileLines(tally, quiet=quiet) as display:
        yield display


@contextmanager
def _makes(request: BatchRequest, maker: Maker, scratch: Path) -> Iterator[Make]:
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
        level=request.normalize,
        tells=request.settings.metadata,
    )
    note = (lambda _: None) if request.quiet else tell
    with joined(request.cluster.address):
        resources = [machine["Resources"] for machine in machines()]
        with Crew(told, hiring(request.cluster.asked, resources), scratch, note) as crew:
            crew.wait()
            yield crew.make


def _make_here(request: BatchRequest, scratch: Path) -> Make:
    """The model, which makes files of orders."""
    from bark_cli.batch.make import Making, make

    bark, manner = request.load(None if request.quiet else tell), request.manner

    def on_told(item: Item, told: str) -> None:
        if not request.quiet:
            tell(f"{item.source}: {told}")

    metadata = manner.describer(bark.name, bark.config.default_voice) if request.settings.metadata else None
    making = Making(
        speaker=bark,
        scratch=scratch,
        compose=manner.composer(bark.model, on_told=on_told),
        metadata=metadata,
        level=request.normalize,
        tags=request.tags,
        batch_size=request.settings.batch_size,
    )
    return partial(make, making)


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
