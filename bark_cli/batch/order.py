"""A Task and its text -> an Order: all that it takes to make the file, on this machine or another."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from bark_cli.batch.destination import FileFacts
from bark_cli.batch.ledger import Entry
from bark_cli.batch.outputs import Task
from bark_cli.batch.plan import Batch, read_item


@dataclass(frozen=True, kw_only=True)
class Order:
    """A task with its text as it is now; who makes it needs neither the source nor the ledger."""

    task: Task
    text: str
    seed: int
    key: str  # what the file will be known by
    replaces: bool = False  # whether a worker that places it itself may write over what has its name

    def entry(self, output: str, facts: FileFacts, seconds: float, *, shard: str | None = None) -> Entry:
        """What the ledger says of one of its files; in a shard, the facts are those of the shard."""
        return Entry(
            output=output,
            key=self.key,
            source=self.task.item.source,
            seconds=seconds,
            seed=self.seed,
            shard=shard,
            **asdict(facts),
        )


def order(task: Task, batch: Batch) -> Order:
    """Read a task's text, and find the seed and the key that follow from it.

    Raises:
        BarkError: the text cannot be read or holds nothing to speak, or there is no such voice.
    """
    maker = batch.maker
    text = read_item(task, batch.read)  # as it is now: what was read for the plan is not kept
    sound_key = maker.sound_key(task.item, text)
    seed = maker.seed_of(task.item, sound_key)
    return Order(task=task, text=text, seed=seed, key=maker.file_key(sound_key, task.format))
