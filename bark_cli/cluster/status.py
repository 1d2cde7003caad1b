"""What each worker of a run is doing and has done, for the display and for --json."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Literal

from bark_cli.cluster.job import Parcel, Ready

WorkerState = Literal["loading", "idle", "working", "lost"]


@dataclass(eq=False)
class WorkerStatus:
    """One worker, as the command knows it."""

    number: int  # from 1 on, in the order in which they were asked for
    state: WorkerState = "loading"
    host: str = ""
    node: str = ""  # Ray's id of its machine
    pid: int | None = None  # on its machine
    device: str = ""
    made: int = 0
    failed: int = 0
    audio_s: float = 0.0
    _began: float | None = None
    _latest: float = 0.0

    def welcome(self, ready: Ready) -> None:
        """Its model is loaded."""
        self.state = "idle"
        self.host, self.node, self.pid, self.device = ready.host, ready.node, ready.pid, ready.device

    def begin(self) -> None:
        """It was given something to do."""
        self.state = "working"
        if self._began is None:
            self._began = time.perf_counter()

    def count(self, parcel: Parcel) -> None:
        """It has sent something."""
        self._latest = time.perf_counter()
        is_made = parcel.sound is not None or bool(parcel.files)
        self.made += is_made
        self.failed += not is_made
        self.audio_s += parcel.seconds

    @property
    def real_time_factor(self) -> float | None:
        """Seconds per second of sound, from its first order to what it sent last; None without a sound."""
        if self._began is None or not self.audio_s:
            return None
        return (self._latest - self._began) / self.audio_s

    def record(self) -> dict[str, Any]:
        """What `--json` prints of it."""
        factor = self.real_time_factor
        return {
            "worker": self.number,
            "host": self.host,
            "node": self.node,
            "pid": self.pid,
            "device": self.device,
            "state": self.state,
            "made": self.made,
            "failed": self.failed,
            "seconds": round(self.audio_s, 3),
            "real_time_factor": None if factor is None else round(factor, 3),
        }
