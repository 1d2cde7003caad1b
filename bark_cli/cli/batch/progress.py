"""What `bark batch` shows: its events -> one line at a terminal, else one for each file; JSON at the end."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from bark_cli.cli.bars import LiveBars, counted_bar, is_wide
from bark_cli.cli.batch.workers import worker_lines
from bark_cli.cli.output import note, one_line
from bark_cli.system.units import human_speed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from bark_cli.batch.destination import Destination
    from bark_cli.batch.ledger import Entry
    from bark_cli.batch.make import Said
    from bark_cli.batch.outputs import Task
    from bark_cli.batch.plan import Planned
    from bark_cli.batch.run import Event
    from bark_cli.cluster.status import WorkerStatus
    from bark_cli.errors import BarkError


_OTHER_LINES = 4  # at a terminal: the bar, the header of the workers, how many more there are, and the prompt


@dataclass(eq=False)
class Tally:
    """What became of all items so far; only where entries are wanted (`keeps`) is each of them kept."""

    keeps: bool = False
    items: int = 0
    unchanged: int = 0
    made: int = 0
    failed: list[tuple[str, str, BarkError]] = field(default_factory=list)  # source, output, why
    doubtful: list[Said] = field(default_factory=list)  # of which several tries were no good
    due_s: float = 0.0  # of sound that is expected
    over_s: float = 0.0  # of that, what is made or failed
    audio_s: float = 0.0  # made in this run
    began: float = field(default_factory=time.perf_counter)
    ended: float | None = None
    workers: Sequence[WorkerStatus] = ()  # on a cluster
    _files: dict[str, Entry | None] = field(default_factory=dict)  # by output, in order
    _made: set[str] = field(default_factory=set)
    _begun: dict[str, float] = field(default_factory=dict)  # by output, what is expected of those at work

    def plan(self, planned: Planned) -> None:
        """Take note of an item, before any is made."""
        task = planned.task
        self.items += 1
        self.unchanged += planned.entry is not None
        if planned.is_due:
            self.due_s += planned.estimate_s
        if planned.error is not None:
            self.failed.append((task.item.source, task.output, planned.error))
        if self.keeps:
            self._files[task.output] = planned.entry

    def begin(self, task: Task, expected_s: float) -> None:
        """Take note that an item is at work."""
        self._begun[task.output] = expected_s

    def expected_s(self, task: Task) -> float:
        """The seconds of sound that are expected of an item at work."""
        return self._begun.get(task.output, 0.0)

    def count(self, event: Event) -> None:
        """Take note of an event."""
        from bark_cli.batch.make import Failed, Said
        from bark_cli.batch.run import Made

        if isinstance(event, Said):
            self.audio_s += event.seconds
            if event.doubt is not None:
                self.doubtful.append(event)
            return
        output = event.task.output
        self.over_s += self._begun.pop(output, 0.0)
        if isinstance(event, Failed):
            self.failed.append((event.task.item.source, output, event.error))
        elif isinstance(event, Made):
            self.made += 1
            if self.keeps:
                self._files[output] = event.entry
                self._made.add(output)

    def start(self) -> None:
        """Start the clock: the model is loaded."""
        self.began = time.perf_counter()

    def finish(self) -> None:
        """Stop it."""
        self.ended = time.perf_counter()

    @property
    def done(self) -> int:
        """Items that have their file."""
        return self.unchanged + self.made

    @property
    def entries(self) -> list[Entry]:
        """Of all that is done, in order, where they are kept."""
        return [entry for entry in self._files.values() if entry is not None]

    @property
    def real_time_factor(self) -> float | None:
        """Seconds of work per second of sound; None where there was no sound."""
        seconds = (self.ended or time.perf_counter()) - self.began
        return seconds / self.audio_s if self.audio_s else None

    @property
    def sentence(self) -> str:
        """All of it in a line."""
        parts = [f"{self.done} of {self.items} done"]
        if self.unchanged:
            parts.append(f"{self.unchanged} of them before")
        if self.failed:
            parts.append(f"{len(self.failed)} failed")
        if self.doubtful:
            parts.append(f"{len(self.doubtful)} pieces in doubt")
        if (factor := self.real_time_factor) is not None:
            parts.append(f"{self.audio_s:.1f} s of speech, {human_speed(factor)}")
        return ", ".join(parts)

    def record(self, destination: Destination, model: str, joined: Entry | None) -> dict[str, Any]:
        """What `--json` prints."""
        factor = self.real_time_factor
        return {
            "folder": destination.shown(),
            "model": model,
            "items": self.items,
            "made": self.made,
            "unchanged": self.unchanged,
            "failed": [
                {"source": source, "output": output, "error": one_line(str(error))}
                for source, output, error in self.failed
            ],
            "doubtful": [
                {
                    "output": said.task.output,
                    "start": round(said.start_s, 3),
                    "text": said.text,
                    "seed": said.seed,
                    "reason": said.doubt,
                }
                for said in self.doubtful
            ],
            "seconds": round(self.audio_s, 3),
            "real_time_factor": None if factor is None else round(factor, 3),
            "joined": None if joined is None else destination.shown(joined.output),
            "workers": [worker.record() for worker in self.workers],
            "files": [
                {
                    "source": entry.source,
                    "path": destination.shown(entry.output),
                    "seconds": entry.seconds,
                    "seed": entry.seed,
                    "made": entry.output in self._made,
                }
                for entry in self.entries
            ],
        }


class FileLines(AbstractContextManager["FileLines"]):
    """A line for each file that is made, and with `verbose` one for each worker at the end."""

    def __init__(self, tally: Tally, *, quiet: bool, verbose: bool = False) -> None:
        self._tally, self._quiet, self._verbose = tally, quiet, verbose

    def show(self, event: Event) -> None:
        """Tell of a file."""
        from bark_cli.batch.run import Made

        if isinstance(event, Made) and not self._quiet:
            count = f"{self._tally.done} of {self._tally.items}"
            tell(f"{count}: {event.entry.output}, {event.entry.seconds:.1f} s")
        if isinstance(event, Made) and event.kept is not None:
            tell(f"{event.entry.output} had been changed; that file is now {event.kept}")

    def __exit__(self, *_: object) -> None:
        if self._verbose and not self._quiet:
            with suppress(OSError):
                print("\n".join(worker_lines(self._tally.workers)), file=sys.stderr)


class BatchBar(LiveBars, FileLines):
    """One line for all: files done, seconds of speech, speed, time left; one for each worker if `verbose`."""

    def __init__(self, tally: Tally, console: Console | None = None, *, verbose: bool = False) -> None:
        from rich.console import Console

        super().__init__(tally, quiet=True, verbose=verbose)
        console = console or Console(stderr=True)
        self._is_wide = is_wide(console)
        self._begun_s: dict[str, float] = {}  # seconds of what is expected, of files that are not whole
        self._bars = counted_bar(console, partial(self._worker_lines, console.height - _OTHER_LINES))
        self._task = self._bars.add_task("", total=tally.due_s, count=self._count(), audio="")

    def show(self, event: Event) -> None:
        """Draw how far it is."""
        from bark_cli.batch.make import Said
        from bark_cli.text.split.pace import estimate_seconds

        output = event.task.output
        if isinstance(event, Said):
            begun = self._begun_s.get(output, 0.0) + estimate_seconds(event.text)
            self._begun_s[output] = min(begun, self._tally.expected_s(event.task))
        else:
            self._begun_s.pop(output, None)
        completed = self._tally.over_s + sum(self._begun_s.values())
        self._bars.update(self._task, completed=completed, count=self._count(), audio=self._audio())
        super().show(event)

    def _worker_lines(self, most: int) -> Sequence[str]:
        return worker_lines(self._tally.workers, most) if self._verbose else ()

    def _count(self) -> str:
        failed = f", {len(self._tally.failed)} failed" if self._tally.failed else ""
        return f"{self._tally.done} of {self._tally.items} files{failed}"

    def _audio(self) -> str:
        factor = self._tally.real_time_factor
        if factor is None or not self._is_wide:
            return ""
        return f"{self._tally.audio_s:.0f} s of speech, {human_speed(factor)}"


def tell(message: str) -> None:
    """Write a line for anyone who still listens; if nobody does, that is no reason to stop."""
    with suppress(OSError):
        note(message)
