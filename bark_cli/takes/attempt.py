"""Several takes of one utterance, of which the best is kept: Utterance -> Chosen, as one Job.

They are made one after the other in the utterance's own place, so that a batch goes on around them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from bark_cli.errors import GenerationError
from bark_cli.model.config import BarkConfig
from bark_cli.model.options import SEED_LIMIT
from bark_cli.model.tokens import Samples
from bark_cli.stages import semantic
from bark_cli.stages.progress import Listener
from bark_cli.stages.steps import Aside, Job
from bark_cli.stages.utterance import Spoken, Utterance, speak
from bark_cli.takes.expected import Expected, Heard
from bark_cli.takes.repetition import repeated_tokens
from bark_cli.takes.take import ONCE, Attempts, Take
from bark_cli.takes.verdict import Verdict, judge


@dataclass(frozen=True, eq=False)
class Chosen:
    """The best take, whole, and what became of each; no verdicts where only one was asked for."""

    seed: int
    spoken: Spoken
    complete: bool  # it ended by itself
    takes: tuple[Take, ...]
    heard: Heard | None = None  # what the first take showed of its voice, where that is wanted


def attempt(
    utterance: Utterance,
    config: BarkConfig,
    attempts: Attempts,
    expected: Callable[[], Expected],
    words_right: Callable[[Samples], float | None],
    listener: Listener | None = None,
    on_sound: Callable[[Samples], None] | None = None,
    *,
    wants_heard: bool = False,
) -> Job[Chosen]:
    """Say it as often as it takes; the seeds of further takes are the numbers after the first.

    A take whose sound is handed over while it is made cannot be taken back: then there is only one. Words
    are listened to where several takes are compared, and where one is in doubt: it takes about a second each,
    in which the whole batch waits.

    Args:
        utterance: what to say; its seed is that of the first take.
        config: of the model.
        attempts: how often.
        expected: what a take should be like.
        words_right: samples (N,) -> which part of the text's words is heard in them; None: nobody listens.
        listener: told of every step.
        on_sound: given the sound as it comes.
        wants_heard: whether to measure what the first take shows of its voice.

    Raises:
        GenerationError: no take made any speech.
    """
    if attempts == ONCE or utterance.streaming != "whole":
        spoken = yield from speak(utterance, config, listener, on_sound)
        return Chosen(utterance.seed, spoken, _is_complete(spoken, utterance, config), ())
    made: list[tuple[Take, Spoken | None]] = []
    failure: GenerationError | None = None  # the last of them
    for number in range(attempts.takes + attempts.retries):
        if number >= attempts.takes and any(take.is_good for take, _ in made):
            break
        again = replace(utterance, seed=(utterance.seed + number) % SEED_LIMIT)
        try:
            spoken = yield from speak(again, config, listener)
        except GenerationError as error:
            failure = error
            made.append((Take(seed=again.seed, verdict=None), None))
        else:
            verdict = _judge(spoken, again, config, expected())
            if verdict.problem is None and (attempts.takes > 1 or verdict.doubt):
                verdict = verdict.heard((yield "judge", Aside(partial(words_right, spoken.samples))))
            made.append((Take(seed=again.seed, verdict=verdict), spoken))
    best, chosen = max(made, key=lambda one: one[0].score)
    if chosen is None:
        raise GenerationError(f"none of {len(made)} takes made any speech: {failure}") from failure
    takes, first = tuple(take for take, _ in made), made[0][1]
    heard = _heard(first, config, expected()) if first is not None and wants_heard else None
    return Chosen(best.seed, chosen, _is_complete(chosen, utterance, config), takes, heard)


def _heard(spoken: Spoken, config: BarkConfig, expected: Expected) -> Heard | None:
    """What a take shows of its voice; too short a text, or one with sounds in it, tells nothing."""
    if not expected.is_plain or expected.seconds < 1.0:
        return None
    seconds = len(spoken.samples) / config.codec.sample_rate
    return Heard(pace=seconds / expected.seconds, runs=repeated_tokens(spoken.tokens.semantic))


def _is_complete(spoken: Spoken, utterance: Utterance, config: BarkConfig) -> bool:
    """Whether it ended by itself."""
    longest = semantic.longest(config.semantic, utterance.options.max_duration_s)
    return len(spoken.tokens.semantic) < longest


def _judge(spoken: Spoken, utterance: Utterance, config: BarkConfig, expected: Expected) -> Verdict:
    # who asks for so many seconds does not mind that they are reached, nor that the text would take more
    longest_s = utterance.options.max_duration_s
    complete = longest_s is not None or _is_complete(spoken, utterance, config)
    if longest_s is not None:
        expected = replace(expected, seconds=min(expected.seconds, longest_s))
    rate = config.codec.sample_rate
    return judge(spoken.samples, rate, spoken.tokens.semantic, expected=expected, complete=complete)
