"""What `bark batch` shows: its events -> one line at a terminal, else one for each file; JSON at the end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bark_cli.cli.bars import Drawn, counted_bar, is_wide
from bark_cli.cli.output import note, one_line
from bark_cli.system.units import human_speed

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from bark_cli.batch.ledger import Entry
    from bark_cli.batch.make import Said
    from bark_cli.batch.plan import Planned
    from bark_cli.batch.run import Event
    from bark_cli.errors import BarkError


@dataclass(eq=False)
class Tally:
    """What became of every item so far."""

    planned: Sequence[Planned]
    made: dict[str, Entry] = field(default_factory=dict)  # by output
    failed: list[tuple[str, str, BarkError]] = field(default_factory=list)  # source, output, why
    doubtful: list[Said] = field(default_factory=list)  # of which several tries were no good
    audio_s: float = 0.0  # made in this run
    began: float = field(default_factory=time.perf_counter)
    ended: float | None = None

    def __post_init__(self) -> None:
        self.unchanged = {p.task.output: p.entry for p in self.planned if p.entry is not None}
        lost = [(p.task.item.source, p.task.output, p.error) for p in self.planned if p.error is not None]
        self.failed += lost

    def count(self, event: Event) -> None:
        """Take note of an event."""
        from bark_cli.batch.make import Failed, Said
        from bark_cli.batch.run import Made

        if isinstance(event, Said):
            self.audio_s += event.seconds
            if event.doubt is not None:
                self.doubtful.append(event)
        elif isinstance(event, Made):
            self.made[event.task.output] = event.entry
        elif isinstance(event, Failed):
            self.failed.append((event.task.item.source, event.task.output, event.error))

    def start(self) -> None:
        """Start the clock: the model is loaded."""
        self.began = time.perf_counter()

    def finish(self) -> None:
        """Stop it."""
        self.ended = time.perf_counter()

    @property
    def done(self) -> int:
        """Items that have their file."""
        return len(self.unchanged) + len(self.made)

    @property
    def entries(self) -> list[Entry]:
        """Of all that is done, in order."""
        found = self.unchanged | self.made
        return [found[p.task.output] for p in self.planned if p.task.output in found]

    @property
    def real_time_factor(self) -> float | None:
        """Seconds of work per second of sound; None where there was no sound."""
        seconds = (self.ended or time.perf_counter()) - self.began
        return seconds / self.audio_s if self.audio_s else None

    @property
    def sentence(self) -> str:
        """All of it in a line."""
        parts = [f"{self.done} of {len(self.planned)} done"]
        if self.unchanged:
            parts.append(f"{len(self.unchanged)} of them before")
        if self.failed:
            parts.append(f"{len(self.failed)} failed")
        if self.doubtful:
            parts.append(f"{len(self.doubtful)} pieces in doubt")
        if (factor := self.real_time_factor) is not None:
            parts.append(f"{self.audio_s:.1f} s of speech, {human_speed(factor)}")
        return ", ".join(parts)

    def record(self, folder: Path, model: str, joined: Entry | None) -> dict[str, Any]:
        """What `--json` prints."""
        factor = self.real_time_factor
        return {
            "folder": str(folder),
            "model": model,
            "items": len(self.planned),
            "made": len(self.made),
            "unchanged": len(self.unchanged),
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
            "joined": None if joined is None else str(folder / joined.output),
            "files": [
                {
                    "source": entry.source,
                    "path": str(folder / entry.output),
                    "seconds": entry.seconds,
                    "seed": entry.seed,
                    "made": entry.output in self.made,
                }
                for entry in self.entries
            ],
        }


class FileLines(AbstractContextManager["FileLines"]):
    """A line for each file that is made."""

    def __init__(self, tally: Tally, *, quiet: bool) -> None:
        self._tally, self._quiet = tally, quiet

    def show(self, event: Event) -> None:
        """Tell of a file."""
        from bark_cli.batch.run import Made

        if isinstance(event, Made) and not self._quiet:
            count = f"{self._tally.done} of {len(self._tally.planned)}"
            tell(f"{count}: {event.entry.output}, {event.entry.seconds:.1f} s")
        if isinstance(event, Made) and event.kept is not None:
            tell(f"{event.entry.output} had been changed; that file is now {event.kept.name}")

    def __exit__(self, *_: object) -> None:
        return


class BatchBar(Drawn, FileLines):
    """One line for all: files done, seconds of speech, speed, time left."""

    def __init__(self, tally: Tally, console: Console | None = None) -> None:
        from rich.console import Console

        super().__init__(tally, quiet=True)
        console = console or Console(stderr=True)
        self._is_wide = is_wide(console)
        self._expected_s = {p.task.output: p.estimate_s for p in tally.planned if p.is_due}
        self._begun_s: dict[str, float] = {}  # seconds of what is expected, of files that are not whole
        self._over_s = 0.0  # the same of those that are
        self._bars = counted_bar(console)
        self._task = self._bars.add_task(
            "", total=sum(self._expected_s.values()), count=self._count(), audio=""
        )

    def show(self, event: Event) -> None:
        """Draw how far it is."""
        from bark_cli.batch.make import Said
        from bark_cli.text.split.pace import estimate_seconds

        output = event.task.output
        if isinstance(event, Said):
            begun = self._begun_s.get(output, 0.0) + estimate_seconds(event.text)
            self._begun_s[output] = min(begun, self._expected_s.get(output, begun))
        else:
            self._begun_s.pop(output, None)
            self._over_s += self._expected_s.get(output, 0.0)
        completed = self._over_s + sum(self._begun_s.values())
        self._bars.update(self._task, completed=completed, count=self._count(), audio=self._audio())
        super().show(event)

    def _count(self) -> str:
        failed = f", {len(self._tally.failed)} failed" if self._tally.failed else ""
        return f"{self._tally.done} of {len(self._tally.planned)} files{failed}"

    def _audio(self) -> str:
        factor = self._tally.real_time_factor
        if factor is None or not self._is_wide:
            return ""
        return f"{self._tally.audio_s:.0f} s of speech, {human_speed(factor)}"


def tell(message: str) -> None:
    """Write a line for anyone who still listens; if nobody does, that is no reason to stop."""
    with suppress(OSError):
        note(message)
