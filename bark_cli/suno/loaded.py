"""The one model that `bark_cli.suno` speaks with: loaded when it is first needed, told in a line, and kept.

After suno-ai/bark, bark/generation.py, which keeps its networks in the globals `models`.
"""

from __future__ import annotations

import logging
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any, TypeVar

from bark_cli.engine import Engine
from bark_cli.errors import BarkError, ModelError
from bark_cli.loaded_model import LoadedModel
from bark_cli.model.options import STAGES
from bark_cli.model.tokens import Tokens
from bark_cli.pipeline import Bark
from bark_cli.settings import Settings, resolve
from bark_cli.stages.bar import ProgressBar
from bark_cli.stages.progress import Watch
from bark_cli.stages.steps import Drawn, Job, Request, Wait
from bark_cli.store import resolve_model
from bark_cli.system.variables import is_on

SAMPLE_RATE = 24_000
MANY = 1_000  # sequences at once, which are worth all threads
logger = logging.getLogger("bark_cli.suno")
Result = TypeVar("Result")


@dataclass(frozen=True)
class ModelChoice:
    """Which model is asked for."""

    small_stages: frozenset[str] = frozenset()  # of STAGES
    only_cpu: bool = False
    asked_for: frozenset[str] = field(default=frozenset(), compare=False)  # the stages that a call has named


_lock = Lock()
_held: tuple[ModelChoice, Bark] | None = None


def loaded_model() -> LoadedModel:
    """The model in hand, loaded now if there is none.

    Raises:
        BarkError: as `load`.
    """
    return (_held or load(None))[1].model


def load(choice: ModelChoice | None, *, again: bool = False) -> tuple[ModelChoice, Bark]:
    """Load a choice, unless it is in hand; None is whatever is in hand, else the usual.

    Raises:
        ModelError: the model is missing, damaged, or does not speak at SAMPLE_RATE.
        OptionError: a setting is outside its range, or stages do not go together.
    """
    global _held
    with _lock:
        if _held is None or again or choice not in (None, _held[0]):
            _held = None  # two of them may be more than fits
            choice = choice or ModelChoice()
            _held = choice, _read(choice, resolve().settings)
        _held = choice or _held[0], _held[1]
        return _held


def load_stage(stage: str, *, small: bool, only_cpu: bool, again: bool) -> Bark:
    """Load one stage, unless a call has asked for it before; the others come along, as they are in hand.

    Raises:
        BarkError: as `load`.
    """
    held = ModelChoice(only_cpu=only_cpu) if _held is None else _held[0]
    if stage in held.asked_for and not again:
        return load(None)[1]
    others = held.small_stages - {stage}
    choice = replace(
        held, small_stages=others | {stage} if small else others, asked_for=held.asked_for | {stage}
    )
    return load(replace(choice, only_cpu=only_cpu) if again else choice, again=again)[1]


def let_go() -> None:
    """Forget the model, so that its memory is free."""
    global _held
    with _lock:
        _held = None


def run(job: Job[Result]) -> Result:
    """Do a job with the model in hand, on this thread; Ctrl-C ends it at the next step.

    Raises:
        BarkError: what ended the job.
    """
    model = loaded_model()
    with model.turn:
        try:
            model.backend.fit_threads(1)
            [outcome] = Engine[Result](model.backend).run([job])
        finally:
            model.backend.fit_threads(MANY)  # the thread is the caller's
    if isinstance(outcome.result, BarkError):
        raise outcome.result
    return outcome.result


def run_stage(
    stage: str, steps: Generator[Any, Any, Tokens], total: int, audio_s: float, silent: bool
) -> Tokens:
    """`run` of one stage: `total` steps for `audio_s` seconds of sound, with a bar unless `silent`."""
    return run(_job(stage, steps, total, audio_s, silent))


def _job(
    stage: str, steps: Generator[Any, Any, Tokens], total: int, audio_s: float, silent: bool
) -> Job[Tokens]:
    """The steps of one stage as a job of its own, watched unless `silent`."""
    watch = Watch(stage, 0, None if silent else ProgressBar())
    watch.expect(total, audio_s)
    watch.begin()
    answer = None
    while True:
        try:
            request: Request | Wait = steps.send(answer)
        except StopIteration as end:
            watch.finish()
            tokens: Tokens = end.value
            return tokens
        assert not isinstance(request, Wait)  # for an earlier stage, and that has ended
        answer = yield stage, request
        watch.step(len(answer.tokens) if isinstance(answer, Drawn) else 1)


def _read(choice: ModelChoice, settings: Settings) -> Bark:
    """The model that the settings name, else the best installed, with the stages that are to be small."""
    all_small = len(choice.small_stages) == len(STAGES)
    name = "small" if all_small else resolve_model(settings.model).name if choice.small_stages else None
    small = {} if name in (None, "small") else dict.fromkeys(sorted(choice.small_stages), "small")
    bark = Bark.load(
        "small" if all_small else settings.model,
        semantic=small.get("semantic"),
        coarse=small.get("coarse"),
        fine=small.get("fine"),
        device="cpu" if choice.only_cpu else settings.device,
        precision=settings.precision,
        offload=is_on("SUNO_OFFLOAD_CPU"),
        on_note=logger.warning,
    )
    rate = bark.config.codec.sample_rate
    if rate != SAMPLE_RATE:
        raise ModelError(
            f"{bark.name} speaks at {rate} Hz and Suno's interface at {SAMPLE_RATE}; use bark_cli.Bark"
        )
    logger.warning(_told(bark, settings))
    return bark


def _told(bark: Bark, settings: Settings) -> str:
    """One line on who speaks."""
    line = f"bark_cli.suno: {bark.name} speaks ({bark.device}, {bark.precision})"
    if bark.name == "nano" and settings.model is None:
        line += ", a tiny model in the box; for Suno's own run `bark download small` (or large) once"
    return line
