"""Tasks -> their files: all pieces of all texts share the engine, each file grows as its pieces come."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from bark_cli.audio import Level, LevelledSink, Provenance, Sink, open_sink, subtitles
from bark_cli.batch.identity import Maker
from bark_cli.batch.items import Item
from bark_cli.batch.ledger import Entry, Ledger
from bark_cli.batch.outputs import Task
from bark_cli.batch.place import NewFile, place
from bark_cli.batch.plan import Reader, read_item
from bark_cli.errors import BarkError, TextError
from bark_cli.narration.narrate import Narration, PieceResult, narrate
from bark_cli.narration.timeline import Timeline
from bark_cli.pipeline import Bark
from bark_cli.speech import Speech
from bark_cli.system.files import is_disk_full, write_whole
from bark_cli.system.interrupts import uninterrupted


@dataclass(frozen=True, kw_only=True, eq=False)
class Work:
    """All that it takes to make files of texts."""

    bark: Bark
    ledger: Ledger
    scratch: Path  # an empty folder on the disk of the ledger's
    maker: Maker
    read: Reader
    compose: Callable[[Item, str, int], Narration]  # the item, its text, its seed
    metadata: Callable[[Item, Narration, int], Provenance] | None = None  # the last is the seed
    level: Level = "off"  # what each file is brought to
    overwrite: bool = False
    batch_size: int | None = None  # pieces at once; None is as many as fit


@dataclass(frozen=True, kw_only=True)
class Said:
    """A piece of a task was spoken."""

    task: Task
    speech: Speech
    start_s: float  # in its file


@dataclass(frozen=True, kw_only=True)
class Made:
    """A task has its file."""

    task: Task
    entry: Entry
    kept: Path | None = None  # where a file is now that had the name and was changed by somebody


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A task has no file, or still the old one."""

    task: Task
    error: BarkError


Event = Said | Made | Failed


def run(work: Work, tasks: Iterable[Task]) -> Generator[Event, None, None]:
    """Make the files, and say what becomes of each as it does; tasks are taken as there is room.

    Raises:
        OutputError: the disk is full, or the ledger cannot be written; what is made by then stays.
    """
    shop = _Workshop(work)
    spoken = narrate(work.bark, shop.narrations(tasks), batch_size=work.batch_size)
    try:
        with closing(spoken):
            for piece in spoken:
                with uninterrupted():
                    events = [*shop.take(piece), *shop.failures()]
                yield from events
        yield from shop.failures()
    finally:
        with uninterrupted():
            shop.abandon()


@dataclass(eq=False)
class _Job:
    """A task at work."""

    task: Task
    sound_key: str
    seed: int
    narration: Narration
    staged: Path
    sink: Sink | None = None  # these two from the first piece on
    timeline: Timeline | None = None


class _Workshop:
    """The files that are being made."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._jobs: dict[int, _Job] = {}  # by the number of their narration
        self._failed: deque[Failed] = deque()  # before they came to be spoken

    def narrations(self, tasks: Iterable[Task]) -> Iterator[Narration]:
        """What is to be spoken for each task; those that cannot be are set aside."""
        number = 0
        for task in tasks:
            try:
                job = self._begin(task, number)
            except BarkError as error:
                self._failed.append(Failed(task=task, error=error))
                continue
            self._jobs[number] = job
            number += 1
            yield job.narration

    def failures(self) -> Iterator[Failed]:
        """What was set aside since."""
        while self._failed:
            yield self._failed.popleft()

    def take(self, spoken: PieceResult) -> Iterator[Event]:
        """Put a piece into its file, which is finished with the last.

        Raises:
            OutputError: the disk is full.
        """
        job = self._jobs[spoken.narration]
        try:
            if isinstance(spoken.result, BarkError):
                raise spoken.result
            start_s = self._put(job, spoken.piece, spoken.result)
            yield Said(task=job.task, speech=spoken.result, start_s=start_s)
            if spoken.piece + 1 == len(job.narration.pieces):
                yield self._finish(job)
                del self._jobs[spoken.narration]
        except BarkError as error:
            del self._jobs[spoken.narration]
            _abandon(job)
            if _is_for_lack_of_room(error):
                raise
            yield Failed(task=job.task, error=error)

    def abandon(self) -> None:
        """Give up what is not finished."""
        while self._jobs:
            _abandon(self._jobs.popitem()[1])

    def _begin(self, task: Task, number: int) -> _Job:
        work = self._work
        text = read_item(task, work.read)  # as it is now: what was read for the plan is not kept
        key = work.maker.sound_key(task.item, text)
        seed = work.maker.seed_of(task.item, key)
        narration = work.compose(task.item, text, seed)
        if not narration.pieces:
            raise TextError("it holds no text; write some into it")
        staged = work.scratch / f"{number}.{task.format}"
        return _Job(task, key, seed, narration, staged)

    def _put(self, job: _Job, number: int, speech: Speech) -> float:
        """Write a piece, with the silence around it; returns when it begins."""
        if job.sink is None or job.timeline is None:
            job.timeline = Timeline(job.narration, speech.audio.sample_rate)
            job.sink = self._open(job, speech.audio.sample_rate)
        for sound in job.timeline.lay(number, speech.audio, ends=True):
            job.sink.put(sound)
        return job.timeline.cues[-1].start_s

    def _open(self, job: _Job, sample_rate: int) -> Sink:
        make = self._work.metadata
        metadata = None if make is None else make(job.task.item, job.narration, job.seed)
        sink = open_sink(job.staged, job.task.format, sample_rate, metadata)
        return sink if self._work.level == "off" else LevelledSink(sink, sample_rate, self._work.level)

    def _finish(self, job: _Job) -> Made:
        assert job.sink is not None  # a piece was put
        assert job.timeline is not None
        job.sink.close()
        work, task = self._work, job.task
        key = work.maker.file_key(job.sound_key, task.format)
        seconds = round(job.timeline.duration_s, 3)
        new = NewFile(job.staged, task.output, key, task.item.source, seconds, job.seed)
        if task.subtitles is not None:  # first: the sound is the sign that all is done
            staged = self._write_subtitles(job, task.subtitles)
            place(replace(new, staged=staged, output=task.subtitles), work.ledger, overwrite=work.overwrite)
        entry, kept = place(new, work.ledger, overwrite=work.overwrite)
        return Made(task=task, entry=entry, kept=kept)

    def _write_subtitles(self, job: _Job, output: str) -> Path:
        assert job.timeline is not None
        staged = job.staged.with_suffix(PurePosixPath(output).suffix)
        kind: Any = staged.suffix[1:]  # srt or vtt
        write_whole(staged, subtitles(job.timeline.cues, kind).encode())
        return staged


def _abandon(job: _Job) -> None:
    if job.sink is not None:
        job.sink.abandon()
        job.sink = None


def _is_for_lack_of_room(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError) and is_disk_full(error):
            return True
        error = error.__cause__
    return False
