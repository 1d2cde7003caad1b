"""A loaded Bark and a plan -> BenchResult: the median run of several, stage by stage.

Every utterance is forced to its length, so that each run does the same work.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bark_cli.bench.memory_use import peak_memory_bytes, read_bytes_per_second
from bark_cli.errors import OptionError
from bark_cli.pipeline import Bark, SpeechRequest
from bark_cli.takes.take import ONCE

if TYPE_CHECKING:
    from bark_cli.model.config import SemanticConfig
    from bark_cli.pipeline import Speech

TEXT = "Hello, my name is Bark."  # its length does not matter: every text is padded to the same one
STAGES = ("semantic", "coarse", "fine", "codec")
WARM_UP_S = 1.0  # of speech
MAX_SECONDS = 3600.0


@dataclass(frozen=True, kw_only=True)
class BenchPlan:
    """What is to be spoken."""

    seconds: float = 5.0  # of speech in each utterance
    batch_size: int = 1  # utterances spoken together
    repeats: int = 3

    def __post_init__(self) -> None:
        if not 0 < self.seconds <= MAX_SECONDS:
            raise OptionError(f"seconds {self.seconds} is outside 0..{MAX_SECONDS:.0f} (0 excluded)")
        if self.batch_size < 1:
            raise OptionError(f"batch size {self.batch_size} must be at least 1")
        if self.repeats < 1:
            raise OptionError(f"repeats {self.repeats} must be at least 1")

    def pieces(self, config: SemanticConfig) -> list[int]:
        """Semantic tokens of equal utterances, one after the other, as few as the model's limit allows."""
        tokens = math.ceil(self.seconds * config.rate_hz - 1e-6)  # rounding must not add a token
        count = math.ceil(tokens / config.max_new_tokens)
        return [math.ceil(tokens / count)] * count


@dataclass(frozen=True, kw_only=True)
class StageCost:
    """What a stage took for the whole batch."""

    seconds: float
    tokens: int

    @property
    def ms_per_token(self) -> float:
        """Wall time per token made, of whichever utterance."""
        return 1000 * self.seconds / max(1, self.tokens)


@dataclass(frozen=True, kw_only=True)
class BenchResult:
    """The median run, and what it ran on."""

    model: str
    device: str
    precision: str
    batch_size: int
    audio_seconds: float  # of all utterances together
    runs: tuple[float, ...]  # seconds of every run, in order
    load_seconds: float
    peak_memory_bytes: int | None  # of the process, loading included; None: the system does not say
    read_bytes_per_second: float  # of the device's memory, as measured
    stages: dict[str, StageCost]  # of the median run

    @property
    def seconds(self) -> float:
        """Of the median run; of an even number, the quicker of the middle two."""
        return sorted(self.runs)[_middle(len(self.runs))]

    @property
    def real_time_factor(self) -> float:
        """Seconds of computing per second of sound."""
        return self.seconds / self.audio_seconds

    def to_dict(self) -> dict[str, Any]:
        """What `bark bench --json` prints."""
        return {
            "model": self.model,
            "device": self.device,
            "precision": self.precision,
            "batch_size": self.batch_size,
            "audio_seconds": round(self.audio_seconds, 3),
            "seconds": round(self.seconds, 4),
            "real_time_factor": round(self.real_time_factor, 4),
            "load_seconds": round(self.load_seconds, 3),
            "peak_memory_bytes": self.peak_memory_bytes,
            "read_bytes_per_second": round(self.read_bytes_per_second),
            "stages": {
                name: {
                    "seconds": round(cost.seconds, 4),
                    "tokens": cost.tokens,
                    "ms_per_token": round(cost.ms_per_token, 4),
                }
                for name, cost in self.stages.items()
            },
        }


def load_timed(load: Callable[[], Bark]) -> tuple[Bark, float]:
    """A Bark and the seconds it took to load."""
    began = time.perf_counter()
    bark = load()
    return bark, time.perf_counter() - began


def measure(
    bark: Bark,
    plan: BenchPlan,
    *,
    load_seconds: float,
    tell: Callable[[str], None] = lambda _: None,
) -> BenchResult:
    """Warm up, speak `plan.repeats` times, and report the median run.

    Args:
        bark: a loaded model.
        plan: what to speak.
        load_seconds: what loading took, to be reported along.
        tell: called with a line for the user.

    Raises:
        BarkError: as `Bark.say_all`.
    """
    pieces = plan.pieces(bark.config.semantic)
    tell("warming up")
    _speak(bark, plan.batch_size, [min(math.ceil(WARM_UP_S * bark.config.semantic.rate_hz), pieces[0])])
    runs: list[tuple[float, list[Speech]]] = []
    for number in range(1, plan.repeats + 1):
        began = time.perf_counter()
        speeches = _speak(bark, plan.batch_size, pieces)
        runs.append((time.perf_counter() - began, speeches))
        tell(f"run {number} of {plan.repeats}: {runs[-1][0]:.2f} s")
    peak = peak_memory_bytes(bark.device)  # before measuring the memory takes some itself
    _, median = sorted(runs, key=lambda run: run[0])[_middle(len(runs))]
    return BenchResult(
        model=bark.name,
        device=bark.device,
        precision=bark.precision,
        batch_size=plan.batch_size,
        audio_seconds=sum(speech.duration_s for speech in median),
        runs=tuple(seconds for seconds, _ in runs),
        load_seconds=load_seconds,
        peak_memory_bytes=peak,
        read_bytes_per_second=read_bytes_per_second(bark.device),
        stages={stage: _cost(stage, median) for stage in STAGES},
    )


def _speak(bark: Bark, batch_size: int, pieces: list[int]) -> list[Speech]:
    """All utterances of the batch, piece after piece, each of exactly that many semantic tokens."""
    spoken: list[Speech] = []
    for tokens in pieces:
        # half a token less than it lasts: the semantic stage makes the first count that lasts longer
        seconds = (tokens - 0.5) / bark.config.semantic.rate_hz
        options = replace(bark.config.sampling, max_duration_s=seconds, may_end=False)
        how = SpeechRequest(text=TEXT, options=options, attempts=ONCE)
        requests = [replace(how, seed=seed) for seed in range(batch_size)]
        spoken += bark.say_all(requests, batch_size=batch_size)
    return spoken


def _cost(stage: str, speeches: list[Speech]) -> StageCost:
    reports = [speech.stages[stage] for speech in speeches]
    return StageCost(
        seconds=sum(report.seconds for report in reports), tokens=sum(report.tokens for report in reports)
    )


def _middle(count: int) -> int:
    return (count - 1) // 2
