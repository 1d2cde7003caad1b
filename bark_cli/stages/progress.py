"""How far an utterance is: steps of a stage -> Progress as they are done, StageReport at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Progress:
    """How far a stage is; its last report has done == total."""

    stage: str  # "semantic", "coarse", "fine" or "codec"
    done: int  # steps of the network
    total: int  # of the semantic stage: at most, since speech ends when it ends
    seconds: float  # since the stage began
    audio_s: float = 0.0  # seconds of speech that this stage has made
    utterance: int = 0  # its number among those asked for together


@dataclass(frozen=True)
class StageReport:
    """What a stage cost; a step that several utterances shared counts for each with its equal part."""

    seconds: float
    tokens: int  # made by it: semantic tokens, coarse codes, fine codes; of the codec: frames


Listener = Callable[[Progress], None]


@dataclass(eq=False)
class Watch:
    """Counts the steps of one stage of one utterance, and tells whoever listens."""

    stage: str
    utterance: int
    listener: Listener | None
    done: int = 0
    total: int = 0
    audio_s: float = 0.0  # seconds of speech in all
    began: float = field(default_factory=time.perf_counter)

    def expect(self, total: int, audio_s: float) -> None:
        """Set how many steps the stage takes, and how many seconds of speech they make."""
        self.total, self.audio_s = total, audio_s

    def begin(self) -> None:
        """The first step is about to be done."""
        self.began = time.perf_counter()
        self._tell()

    def step(self, count: int = 1) -> None:
        """So many more steps are done."""
        self.done += count
        self._tell()

    def finish(self) -> None:
        """All are done."""
        self.done = self.total
        self._tell()

    def _tell(self) -> None:
        if self.listener is not None:
            audio_s = self.done / max(1, self.total) * self.audio_s
            seconds = time.perf_counter() - self.began
            self.listener(Progress(self.stage, self.done, self.total, seconds, audio_s, self.utterance))
