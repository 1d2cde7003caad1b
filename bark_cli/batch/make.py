"""Orders -> finished files without their names yet: all pieces of all texts share the engine.

This is the half of a batch that runs on any machine; `run` is the other half, which places what is finished.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from bark_cli.audio import Level, LevelledSink, Provenance, Sink, Tags, open_sink
from bark_cli.audio.sink import NO_TAGS
from bark_cli.audio.subtitles import subtitles
from bark_cli.batch.destination import FileFacts, UnreachableError
from bark_cli.batch.items import Item
from bark_cli.batch.order import Order
from bark_cli.batch.outputs import Task
from bark_cli.errors import BarkError, TextError
from bark_cli.narration.each import Speaks
from bark_cli.narration.narrate import Narration, PieceResult, narrate
from bark_cli.narration.timeline import Timeline
from bark_cli.speech import Speech
from bark_cli.system.files import is_disk_full, write_whole
from bark_cli.system.interrupts import uninterrupted


@dataclass(frozen=True, kw_only=True, eq=False)
class Making:
    """How files are made of texts."""

    speaker: Speaks
    scratch: Path  # an empty folder, where files grow
    compose: Callable[[Item, str, int], Narration]  # the item, its text, its seed
    metadata: Callable[[Item, Narration, int], Provenance] | None = None  # the last is the seed
    level: Level = "off"  # what each file is brought to
    tags: Tags = NO_TAGS  # that each file is to have
    batch_size: int | None = None  # pieces at once; None is as many as fit


@dataclass(frozen=True, kw_only=True)
class Said:
    """A piece of a task was spoken."""

    task: Task
    text: str  # as the model read it
    seed: int
    seconds: float
    start_s: float  # in its file
    doubt: str | None = None  # what may be wrong with it, though it was said as often as was asked for


@dataclass(frozen=True, kw_only=True)
class Finished:
    """The file of an order is whole, and has not its name yet."""

    order: Order
    sound: Path
    seconds: float
    subtitles: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """The files of an order have their names already: who made them has put them there."""

    order: Order
    files: Mapping[str, FileFacts]  # by output, the sound's last
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A task has no file, or still the old one."""

    task: Task
    error: BarkError


Progress = Said | Finished | Delivered | Failed
Make = Callable[[Iterator[Order]], Generator[Sequence[Progress], None, None]]


def make(making: Making, orders: Iterable[Order]) -> Generator[Sequence[Progress], None, None]:
    """Make the files, and say what becomes of each as it does; orders are taken as there is room.

    Raises:
        OutputError: the disk is full.
    """
    shop = _Workshop(making)
    spoken = narrate(making.speaker, shop.narrations(orders), batch_size=making.batch_size)
    try:
        with closing(spoken):
            for piece in spoken:
                with uninterrupted():
                    events = [*shop.take(piece), *shop.failures()]
                yield events
        yield shop.failures()
    finally:
        with uninterrupted():
            shop.abandon()


@dataclass(eq=False)
class _Job:
    """An order at work."""

    order: Order
    narration: Narration
    staged: Path
    sink: Sink | None = None  # these two from the first piece on
    timeline: Timeline | None = None


class _Workshop:
    """The files that are being made."""

    def __init__(self, making: Making) -> None:
        self._making = making
        self._jobs: dict[int, _Job] = {}  # by the number of their narration
        self._failed: list[Failed] = []  # before they came to be spoken

    def narrations(self, orders: Iterable[Order]) -> Iterator[Narration]:
        """What is to be spoken for each order; those that cannot be are set aside."""
        number = 0
        for order in orders:
            try:
                job = self._begin(order, number)
            except BarkError as error:
                self._failed.append(Failed(task=order.task, error=error))
                continue
            self._jobs[number] = job
            number += 1
            yield job.narration

    def failures(self) -> list[Failed]:
        """What was set aside since."""
        found, self._failed = self._failed, []
        return found

    def take(self, spoken: PieceResult) -> Iterator[Progress]:
        """Put a piece into its file, which is finished with the last.

        Raises:
            OutputError: the disk is full.
        """
        job = self._jobs[spoken.narration]
        try:
            speech = spoken.speech
            assert speech is not None  # pieces come whole
            start_s = self._put(job, spoken.piece, speech)
            yield _said(job.order.task, speech, start_s)
            if spoken.piece + 1 == len(job.narration.pieces):
                yield self._finish(job)
                del self._jobs[spoken.narration]
        except BarkError as error:
            del self._jobs[spoken.narration]
            _abandon(job)
            if is_for_all(error):
                raise
            yield Failed(task=job.order.task, error=error)

    def abandon(self) -> None:
        """Give up what is not finished."""
        while self._jobs:
            _abandon(self._jobs.popitem()[1])

    def _begin(self, order: Order, number: int) -> _Job:
        narration = self._making.compose(order.task.item, order.text, order.seed)
        if not narration.pieces:
            raise TextError("it holds no text; write some into it")
        return _Job(order, narration, self._making.scratch / f"{number}.{order.task.format}")

    def _put(self, job: _Job, number: int, speech: Speech) -> float:
        """Write a piece, with the silence around it; returns when it begins."""
        if job.sink is None or job.timeline is None:
            job.timeline = Timeline(job.narration, speech.audio.sample_rate)
            job.sink = self._open(job, speech.audio.sample_rate)
        for sound in job.timeline.lay(number, speech.audio, ends=True):
            job.sink.put(sound)
        return job.timeline.cues[-1].start_s

    def _open(self, job: _Job, sample_rate: int) -> Sink:
        describe, order = self._making.metadata, job.order
        metadata = None if describe is None else describe(order.task.item, job.narration, order.seed)
        sink = open_sink(job.staged, order.task.format, sample_rate, metadata, tags=self._making.tags)
        level = self._making.level
        return sink if level == "off" else LevelledSink(sink, sample_rate, level)

    def _finish(self, job: _Job) -> Finished:
        assert job.sink is not None  # a piece was put
        assert job.timeline is not None
        job.sink.close()
        beside = job.order.task.subtitles
        return Finished(
            order=job.order,
            sound=job.staged,
            seconds=round(job.timeline.duration_s, 3),
            subtitles=None if beside is None else _write_subtitles(job, job.timeline, beside),
        )


def _said(task: Task, speech: Speech, start_s: float) -> Said:
    return Said(
        task=task,
        text=speech.text,
        seed=speech.seed,
        seconds=speech.duration_s,
        start_s=start_s,
        doubt=speech.doubt,
    )


def _write_subtitles(job: _Job, timeline: Timeline, output: str) -> Path:
    staged = job.staged.with_suffix(PurePosixPath(output).suffix)
    kind: Any = staged.suffix[1:]  # srt or vtt
    write_whole(staged, subtitles(timeline.cues, kind).encode())
    return staged


def _abandon(job: _Job) -> None:
    if job.sink is not None:
        job.sink.abandon()
        job.sink = None


def is_for_all(error: BaseException | None) -> bool:
    """Whether an error would befall every file: a disk is full, or a place at a URL refuses them."""
    while error is not None:
        if isinstance(error, UnreachableError):
            return True
        if isinstance(error, OSError) and is_disk_full(error):
            return True
        error = error.__cause__
    return False
