"""What a batch is to do: BatchRequest and ledger -> of each item whether it is made; no model is loaded."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bark_cli.batch.gather import Gathered, gather
from bark_cli.batch.items import Item
from bark_cli.batch.join import Joint, check_joint
from bark_cli.batch.ledger import Ledger
from bark_cli.batch.outputs import Outputs, Task
from bark_cli.batch.plan import Batch, Estimate, Planned, planned
from bark_cli.batch.shards.packing import check_shards
from bark_cli.cli.batch.progress import tell
from bark_cli.cli.batch.request import BatchRequest
from bark_cli.cli.download.offer import resolve_or_offer
from bark_cli.text.split.pace import estimate_seconds
from bark_cli.text.tags import check_tags

if TYPE_CHECKING:
    from bark_cli.batch.identity import Maker
    from bark_cli.text.script import Script


def find_maker(request: BatchRequest) -> Maker:
    """Who makes it, and how; a model that is not here may be offered for download.

    Raises:
        BarkError: a model or a voice is not to be had, or what was asked for does not go together.
    """
    with request.naming_origins():
        models = resolve_or_offer(request.models, may_ask=not (request.quiet or request.as_json))
        maker = request.maker(models)
    if request.joins:
        check_joint(request.format)
    return maker


def gathered(request: BatchRequest, ledger: Ledger) -> tuple[Gathered, Outputs]:
    """What is asked for, and where it goes.

    Raises:
        UsageError: there is nothing to do, or the folder holds what does not go with it.
        TextError: a folder cannot be read.
    """
    joined = Joint(format=request.format).output if request.joins else None
    check_shards(request.shards, ledger)
    items = gather(request.sources, is_ours=partial(_is_made, ledger))
    outputs = Outputs(
        ledger.destination.folder,
        request.format,
        joined=joined,
        subtitles=request.subtitles,
        texts=items.texts,
    )
    return items, outputs


def _is_made(ledger: Ledger, file: Path) -> bool:
    """Whether a file was written by a batch, and is no text: subtitles, a data card."""
    if (folder := ledger.destination.folder) is None:
        return False
    below = os.path.relpath(os.path.realpath(file), os.path.realpath(folder))
    return ledger.knows(Path(below).as_posix())


def look(
    request: BatchRequest,
    items: Iterable[Item],
    outputs: Outputs,
    batch: Batch,
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

    for item in items:
        task = outputs.claim(item)
        yield (outputs.task(item), None) if task is None else (task, planned(task, batch, seconds_of))


def composing(request: BatchRequest, maker: Maker) -> Estimate:
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
