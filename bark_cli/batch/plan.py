"""What is left to do: Tasks and the ledger -> for each whether it is made; reads the texts, and no model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from bark_cli.batch.identity import Maker
from bark_cli.batch.items import Item
from bark_cli.batch.ledger import Entry, Ledger
from bark_cli.batch.outputs import Task
from bark_cli.batch.room import check_free
from bark_cli.errors import BarkError, TextError
from bark_cli.text.split.pace import estimate_seconds

State = Literal["done", "new", "changed", "gone", "failed"]
ReadItem = Callable[[Item], str]  # what an item says; raises BarkError
Estimate = Callable[[Item, str], float]  # the seconds its text will take; raises BarkError


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A task, and what is to be done about it."""

    task: Task
    state: State
    estimate_s: float = 0.0  # of sound, where it is to be made
    entry: Entry | None = None  # where it is done
    error: BarkError | None = None  # where it cannot be done

    @property
    def is_due(self) -> bool:
        """Whether it is to be made."""
        return self.state in ("new", "changed", "gone")


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """One batch, where its command runs: who makes it, what reads its texts, and what it has made so far."""

    ledger: Ledger
    maker: Maker
    read: ReadItem
    overwrite: bool = False  # make anew what is done, and what others have made
    packs: bool = False  # sounds go into shards, so that no file is in their way


def planned(task: Task, batch: Batch, estimate: Estimate = lambda _, text: estimate_seconds(text)) -> Planned:
    """What is to be done about a task; `estimate` may find that its text cannot be said."""
    ledger, maker, overwrite = batch.ledger, batch.maker, batch.overwrite
    try:
        text = read_item(task, batch.read)
        key = maker.file_key(maker.sound_key(task.item, text), task.format)
        if not overwrite and (entry := _made(task, key, ledger)) is not None:
            return Planned(task=task, state="done", entry=entry)
        if not batch.packs:
            for output in filter(None, (task.output, task.subtitles)):
                check_free(output, ledger, overwrite=overwrite)
        seconds = estimate(task.item, text)
        return Planned(task=task, state=_why(task.output, ledger, packs=batch.packs), estimate_s=seconds)
    except BarkError as error:
        return Planned(task=task, state="failed", error=error)


def read_item(task: Task, read: ReadItem) -> str:
    """The text of a task.

    Raises:
        BarkError: it cannot be read, or holds nothing that can be spoken.
    """
    if task.item.problem is not None:
        raise task.item.problem
    text = read(task.item)
    if not text.strip():
        raise TextError("it holds no text; write some into it")
    return text


def _made(task: Task, key: str, ledger: Ledger) -> Entry | None:
    """What says that a task is done, its subtitles included."""
    if task.subtitles is not None and ledger.find(task.subtitles, key) is None:
        return None
    return ledger.find(task.output, key)


def _why(output: str, ledger: Ledger, *, packs: bool) -> State:
    if not ledger.knows(output):
        return "new"
    there = ledger.shard_of(output) is not None if packs else ledger.destination.exists(output)
    return "changed" if there else "gone"
