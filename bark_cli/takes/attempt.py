"""Several takes of one utterance, of which the best is kept: Utterance -> Spoken and its Takes, as one Job.

They are made one after the other in the utterance's own place, so that a batch goes on around them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from bark_cli.errors import GenerationError
from bark_cli.model.config import BarkConfig
from bark_cli.model.options import SEED_LIMIT
from bark_cli.model.tokens import Samples
from bark_cli.stages.monotonic import unread
from bark_cli.stages.progress import Listener
from bark_cli.stages.steps import Aside, Job
from bark_cli.stages.utterance import Spoken, Utterance, speak
from bark_cli.takes.expected import Expected, Heard
from bark_cli.takes.repetition import repeated_tokens
from bark_cli.takes.take import ONCE, Attempts, Take
from bark_cli.takes.verdict import Verdict, judge


def attempt(
    utterance: Utterance,
    config: BarkConfig,
    attempts: Attempts,
    expected: Callable[[], Expected],
    words_right: Callable[[Samples], float | None],
    listener: Listener | None = None,
    on_sound: Callable[[Samples], None] | None = None,
    on_heard: Callable[[Heard], None] | None = None,
) -> Job[tuple[Spoken, tuple[Take, ...]]]:
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
        on_heard: told what the first of several takes shows of its voice.

    Returns:
        The best take, and what was thought of each; the latter is empty where there could be only one.

    Raises:
        GenerationError: no take made any speech.
    """
    if attempts == ONCE or utterance.streaming != "whole":
        spoken = yield from speak(utterance, config, listener, on_sound)
        return spoken, ()
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
    _, chosen = max(made, key=lambda one: one[0].score)
    if chosen is None:
        raise GenerationError(f"none of {len(made)} takes made any speech: {failure}") from failure
    first, usual = made[0][1], expected()
    # too short a text, or one with sounds in it, tells nothing of its voice
    if on_heard is not None and first is not None and usual.is_plain and usual.seconds >= 1.0:
        on_heard(_heard(first, config, usual))
    return chosen, tuple(take for take, _ in made)


def _heard(spoken: Spoken, config: BarkConfig, expected: Expected) -> Heard:
    """What a take shows of its voice."""
    seconds = len(spoken.samples) / config.codec.sample_rate
    return Heard(pace=seconds / expected.seconds, runs=repeated_tokens(spoken.tokens.semantic))


def _judge(spoken: Spoken, utterance: Utterance, config: BarkConfig, expected: Expected) -> Verdict:
    # a caller that sets a limit does not mind that it is reached, nor that the text would take more
    longest_s = utterance.options.max_duration_s
    complete = longest_s is not None or spoken.is_complete
    if longest_s is not None:
        expected = replace(expected, seconds=min(expected.seconds, longest_s))
    semantic, rules = spoken.tokens.semantic, config.semantic.reading
    ends_by_itself = longest_s is None and utterance.options.may_end
    return judge(
        spoken.samples,
        config.codec.sample_rate,
        semantic,
        expected=expected,
        complete=complete,
        unread=unread(semantic, utterance.text_ids, rules) if rules and ends_by_itself else 0,
    )
