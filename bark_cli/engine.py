"""One utterance through the stages: text ids (N,) and a voice -> tokens and samples (S,), timed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bark_cli import coarse, fine, semantic
from bark_cli.audio import Audio
from bark_cli.backends import Backend, CausalStage
from bark_cli.errors import GenerationError
from bark_cli.sampling import random_stream
from bark_cli.steps import CausalSteps, FineSteps, Prefill
from bark_cli.tokens import BarkConfig, BarkTokens, SamplingOptions, Tokens


@dataclass(frozen=True)
class Progress:
    """How far a stage is; its last report has done == total."""

    stage: str  # "semantic", "coarse", "fine" or "codec"
    done: int  # steps of the network
    total: int  # of the semantic stage: at most so many, for speech ends when it ends
    seconds: float  # since the stage began
    audio_s: float = 0.0  # seconds of speech that this stage has made


@dataclass(frozen=True)
class StageReport:
    """What a stage cost."""

    seconds: float
    tokens: int  # made by it: semantic tokens, coarse codes, fine codes; of the codec: frames


@dataclass
class _Watch:
    """Times one stage and tells whoever listens how far it is."""

    on_progress: Callable[[Progress], None] | None
    stage: str
    total: int
    step_s: float  # seconds of speech in one step
    done: int = 0
    began: float = field(default_factory=time.perf_counter)

    def __enter__(self) -> _Watch:
        self._tell()
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        if failure is None:
            self.done = self.total
            self._tell()

    def step(self) -> None:
        """One more step of the network is done."""
        self.done += 1
        self._tell()

    @property
    def seconds(self) -> float:
        """Since the stage began."""
        return time.perf_counter() - self.began

    def _tell(self) -> None:
        if self.on_progress is not None:
            self.on_progress(
                Progress(self.stage, self.done, self.total, self.seconds, self.done * self.step_s)
            )


@dataclass(frozen=True, eq=False, kw_only=True)
class Utterance:
    """One request on its way through the stages; each method makes what the next one takes."""

    config: BarkConfig
    backend: Backend
    voice: BarkTokens | None
    seed: int
    options: SamplingOptions
    on_progress: Callable[[Progress], None] | None = None
    stages: dict[str, StageReport] = field(default_factory=dict)

    def tokens(self, text_ids: Tokens) -> BarkTokens:
        """Text ids (N,) -> the tokens of all stages.

        Raises:
            GenerationError: speech ended before it began.
        """
        spoken = self.semantic(text_ids)
        if coarse.n_steps(len(spoken), self.config.coarse, self.config.semantic.rate_hz) == 0:
            raise GenerationError(
                f"the model said nothing with seed {self.seed}; try another --seed or other words"
            )
        first_codes = self.coarse(spoken)
        return BarkTokens(semantic=spoken, coarse=first_codes, fine=self.fine(first_codes))

    def semantic(self, text_ids: Tokens) -> Tokens:
        """Text ids (N,) -> semantic tokens (T,)."""
        config = self.config.semantic
        history = None if self.voice is None else self.voice.semantic
        steps = semantic.steps(text_ids, history, config, self.options, random_stream(self.seed, "semantic"))
        with self._watch(
            "semantic", semantic.longest(config, self.options.max_duration_s), 1 / config.rate_hz
        ) as watch:
            tokens = _drive("semantic", steps, self.backend, watch.step)
            watch.total = len(tokens)
        self._report(watch, len(tokens))
        return tokens

    def coarse(self, tokens: Tokens) -> Tokens:
        """Semantic tokens (T,) -> codes (n_codebooks, F) of the first codebooks."""
        config, rate_hz = self.config.coarse, self.config.semantic.rate_hz
        steps = coarse.steps(
            tokens, self.voice, config, rate_hz, self.options.coarse, random_stream(self.seed, "coarse")
        )
        total = coarse.n_steps(len(tokens), config, rate_hz)
        with self._watch("coarse", total, 1 / config.rate_hz / config.n_codebooks) as watch:
            codes = _drive("coarse", steps, self.backend, watch.step)
        self._report(watch, codes.size)
        return codes

    def fine(self, codes: Tokens) -> Tokens:
        """Codes of the first codebooks (n, F) -> all codes (n_codebooks, F)."""
        config = self.config.fine
        steps = fine.steps(codes, self.voice, config, self.options.fine, random_stream(self.seed, "fine"))
        total = fine.n_steps(codes.shape[1], codes.shape[0], self.voice, config)
        with self._watch("fine", total, self._seconds(codes) / total) as watch:
            complete = _drive_fine(steps, self.backend, watch.step)
        self._report(watch, complete.size - codes.size)
        return complete

    def sound(self, codes: Tokens) -> Audio:
        """All codes (n_codebooks, F) -> samples (F * hop,)."""
        with self._watch("codec", 1, self._seconds(codes)) as watch:
            samples = self.backend.decode_audio(codes).numpy()
        self._report(watch, codes.shape[1])
        return Audio(samples=samples, sample_rate=self.config.codec.sample_rate)

    def _watch(self, stage: str, total: int, step_s: float) -> _Watch:
        return _Watch(self.on_progress, stage, total, step_s)

    def _report(self, watch: _Watch, tokens: int) -> None:
        self.stages[watch.stage] = StageReport(seconds=watch.seconds, tokens=tokens)

    def _seconds(self, codes: Tokens) -> float:
        return int(codes.shape[1]) / self.config.coarse.rate_hz


def _drive(stage: CausalStage, steps: CausalSteps, backend: Backend, on_step: Callable[[], None]) -> Tokens:
    """Answer a causal stage's requests until it returns its tokens."""
    context: Any = None
    request = next(steps)
    while True:
        if isinstance(request, Prefill):
            context, logits = backend.prefill(stage, request)
        else:
            [logits] = backend.decode(stage, [(context, request)])
        try:
            request = steps.send(logits)
        except StopIteration as end:
            tokens: Tokens = end.value
            return tokens
        on_step()


def _drive_fine(steps: FineSteps, backend: Backend, on_step: Callable[[], None]) -> Tokens:
    """Answer the fine stage's requests until it returns its codes."""
    request = next(steps)
    while True:
        [logits] = backend.fine_logits([request])
        try:
            request = steps.send(logits)
        except StopIteration as end:
            codes: Tokens = end.value
            return codes
        on_step()
