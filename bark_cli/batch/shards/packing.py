"""Finished sounds -> shards of about one size; what one holds is in the ledger before it appears."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from bark_cli.batch.destination import Destination, FileFacts
from bark_cli.batch.ledger import SHARD_NAME, Entry, Ledger
from bark_cli.batch.outputs import Task, is_inside
from bark_cli.batch.room import keep_aside
from bark_cli.batch.shards import parquet, tar
from bark_cli.batch.shards.row import Row, Shard, ShardForm, ShardKind, plain
from bark_cli.errors import UsageError
from bark_cli.system.files import told_of

if TYPE_CHECKING:
    from bark_cli.batch.make import Finished

FOLDER = "data"
MOST_SOUNDS = 20_000  # in a shard: all of them are in memory until it is full
FORMS: dict[ShardKind, ShardForm] = {"parquet": parquet, "webdataset": tar}


@dataclass(frozen=True, kw_only=True)
class Sharding:
    """What shards are like."""

    kind: ShardKind
    size: int  # bytes of sound; with the sound that reaches it, or MOST_SOUNDS, a shard is full
    describe: Callable[[Finished, bytes], Row]

    @property
    def form(self) -> ShardForm:
        """How they are written."""
        return FORMS[self.kind]


class Packing:
    """The shard that is being filled, of a folder whose ledger is held."""

    def __init__(
        self, sharding: Sharding, ledger: Ledger, scratch: Path, note: Callable[[str], None] = lambda _: None
    ) -> None:
        self._sharding, self._ledger, self._scratch, self._note = sharding, ledger, scratch, note
        self._destination = ledger.destination
        self._number: int | None = None  # of the next shard
        self._shard: Shard | None = None
        self._staged = scratch / f"shard{sharding.form.suffix}"
        self._size = 0
        self._waiting: list[Finished] = []  # what the shard holds

    def put(self, finished: Sequence[Finished]) -> list[tuple[Task, Entry]]:
        """Pack sounds; returns what is in shards that are full with them.

        Raises:
            OutputError: the disk refuses.
        """
        packed = list[tuple[Task, Entry]]()
        for one in finished:
            with self._writing():
                if self._shard is None:
                    self._shard = self._sharding.form.create(self._staged)
                sound = one.sound.read_bytes()
                self._shard.add(self._sharding.describe(one, sound))
                one.sound.unlink()
            self._waiting.append(one)
            self._size += len(sound)
            if self._size >= self._sharding.size or len(self._waiting) >= MOST_SOUNDS:
                packed += self.flush()
        return packed

    def flush(self) -> list[tuple[Task, Entry]]:
        """End the shard that is being filled, and give it its name; returns what it holds.

        Raises:
            OutputError: the disk refuses, or a folder leads elsewhere.
        """
        if self._shard is None:
            return []
        with self._writing():
            self._shard.close()
            _sync(self._staged)
        waiting, self._shard, self._size, self._waiting = self._waiting, None, 0, []
        shard = self._next_name()
        self._take_out([one.order.task.output for one in waiting])
        facts = self._facts(self._staged)
        entries = [one.order.entry(one.order.task.output, facts, one.seconds, shard=shard) for one in waiting]
        self._place(self._staged, entries)
        self._ledger.placed += len(entries)
        return [(one.order.task, entry) for one, entry in zip(waiting, entries, strict=True)]

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Give the shard up where the disk refuses: half a row may be in it."""
        try:
            with told_of(self._staged):
                yield
        except BaseException:
            if self._shard is not None:
                self._shard.abandon()
            self._shard, self._size, self._waiting = None, 0, []
            raise

    def _take_out(self, outputs: Sequence[str]) -> None:
        """Write shards anew that hold other makings of these sounds, without them."""
        stale = defaultdict[str, set[str]](set)
        for output in outputs:
            if (shard := self._ledger.shard_of(output)) is not None:
                stale[shard].add(output)
        for shard, gone in stale.items():
            held = {entry.output: entry for entry in self._ledger.held_by(shard)}
            kept = [entry for output, entry in held.items() if output not in gone]
            if not kept:
                self._destination.remove(shard)
                continue
            staged = self._scratch / f"rest{self._sharding.form.suffix}"
            with self._destination.reading(shard, self._scratch) as path, told_of(path):
                self._sharding.form.copy_without(path, staged, {plain(output) for output in gone})
                _sync(staged)
            facts = self._facts(staged)
            self._place(staged, [replace(entry, **asdict(facts)) for entry in kept], replaces=True)

    def _facts(self, staged: Path) -> FileFacts:
        """What entries say of the shard that they are in."""
        with told_of(staged):
            return self._destination.facts(staged)

    def _place(self, staged: Path, entries: Sequence[Entry], *, replaces: bool = False) -> None:
        """Give a shard its name, after all that it holds is in the ledger."""
        self._ledger.add(*entries)
        self._destination.put(staged, entries[0].file, replaces=replaces)

    def _next_name(self) -> str:
        """A name that no shard has had."""
        suffix = self._sharding.form.suffix
        if self._number is None:
            _check_folder(self._destination)
            self._keep_changed_aside()
            here = (f"{FOLDER}/{name}" for name in self._destination.names(FOLDER))
            numbers = map(SHARD_NAME.match, (*self._ledger.shards, *here))
            self._number = 1 + max((int(found[1]) for found in numbers if found), default=-1)
        self._number += 1
        return f"{FOLDER}/train-{self._number - 1:05d}{suffix}"

    def _keep_changed_aside(self) -> None:
        """Give shards another name that somebody has changed: what they hold is made anew."""
        for shard in self._ledger.shards:
            if self._destination.exists(shard) and next(self._ledger.held_by(shard), None) is None:
                kept = keep_aside(shard, self._destination)
                self._note(f"{shard} had been changed; that file is now {kept}")


def check_shards(kind: ShardKind | None, ledger: Ledger) -> None:
    """Find out whether a folder may get shards of a kind, or loose files (None).

    Raises:
        UsageError: it has others, or leads elsewhere.
    """
    if kind is not None:
        _check_folder(ledger.destination)
    suffix = "" if kind is None else FORMS[kind].suffix
    for shard in ledger.shards:
        if not suffix or not shard.endswith(suffix):
            other = next(name for name, form in FORMS.items() if shard.endswith(form.suffix))
            where = ledger.destination.shown()
            raise UsageError(f"{where} holds shards; add --shards {other}, or give -o another folder")


def _check_folder(destination: Destination) -> None:
    """Find out whether shards can lie in a place.

    Raises:
        UsageError: what has the name of their folder is none, or leads elsewhere.
    """
    is_free = not destination.exists(FOLDER) or destination.is_folder(FOLDER)
    if not is_free or not is_inside(destination.folder, PurePosixPath(FOLDER)):
        place = destination.shown(FOLDER)
        raise UsageError(f"{place} is to be a folder of shards, and is no folder there; move it away")


def _sync(path: Path) -> None:
    """Have a file on the disk."""
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())
