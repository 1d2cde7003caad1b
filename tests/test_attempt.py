"""Several takes: which is kept, when another is made, and what is said of each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bark_cli.errors import GenerationError, OptionError
from bark_cli.hearing import judge as hearing
from bark_cli.model.options import SamplingOptions
from bark_cli.narration.recipe import Recipe
from bark_cli.pipeline import Bark, SpeechRequest
from bark_cli.settings import Settings
from bark_cli.stages.steps import Job
from bark_cli.stages.utterance import Spoken, Utterance
from bark_cli.takes import attempt
from bark_cli.takes.take import ONCE, Attempts
from bark_cli.takes.verdict import Verdict

LONG = SamplingOptions(min_eos_p=None)


class FakeJudge:
    """Hears of each take what it was told it would, and remembers what it was given."""

    def __init__(self, *texts: str) -> None:
        self.texts, self.heard = list(texts), list[tuple[int, int, str | None]]()

    def hear(self, samples: NDArray[np.float32], sample_rate: int, *, language: str | None = "en") -> str:
        self.heard.append((len(samples), sample_rate, language))
        return self.texts.pop(0)


@pytest.fixture(autouse=True)
def no_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the extra is installed or not."""
    monkeypatch.setattr(hearing, "_found", lambda: "there is none")


def listen(monkeypatch: pytest.MonkeyPatch, *texts: str) -> FakeJudge:
    judge = FakeJudge(*texts)
    monkeypatch.setattr(hearing, "_found", lambda: judge)
    return judge


@pytest.fixture(scope="module")
def bark(tiny_model: Path) -> Bark:
    return Bark.load(tiny_model, device="cpu", precision="fp32")


def verdict(score: float, problem: str | None = None) -> Verdict:
    return Verdict(length=score, variety=1.0, sound=1.0, clean=1.0, problem=problem)


@pytest.fixture
def verdicts(monkeypatch: pytest.MonkeyPatch) -> list[Verdict]:
    """What the next takes are to be judged as."""
    waiting: list[Verdict] = []
    monkeypatch.setattr(attempt, "judge", lambda *_, **__: waiting.pop(0))
    return waiting


def request(**how: int) -> SpeechRequest:
    return SpeechRequest(text="hello bark", seed=10, options=LONG, attempts=Attempts(**{"retries": 0, **how}))


def test_of_three_takes_the_best_is_kept(bark: Bark, verdicts: list[Verdict]) -> None:
    verdicts += [verdict(0.5), verdict(0.9), verdict(0.7)]
    [speech] = bark.say_all([request(takes=3)])
    assert speech.seed == 11
    assert [take.seed for take in speech.takes] == [10, 11, 12]
    alone = bark.say("hello bark", seed=11, options=LONG, attempts=ONCE)
    assert np.array_equal(speech.audio.samples, alone.audio.samples)
    assert alone.takes == ()


def test_a_problem_loses_against_any_score(bark: Bark, verdicts: list[Verdict]) -> None:
    verdicts += [verdict(0.9, "it runs on"), verdict(0.1)]
    [speech] = bark.say_all([request(takes=2)])
    assert speech.seed == 11
    assert [take.reason for take in speech.takes] == [
        "it runs on",
        "length 0.10, variety 1.00, sound 1.00, clean 1.00",
    ]


def test_it_is_said_again_only_while_there_is_a_problem(bark: Bark, verdicts: list[Verdict]) -> None:
    verdicts += [verdict(0.9, "it is silent"), verdict(0.2), verdict(0.3)]
    [speech] = bark.say_all([request(retries=5)])
    assert (speech.seed, len(speech.takes)) == (11, 2)
    verdicts[:] = [verdict(0.2)]
    [speech] = bark.say_all([request(retries=5)])
    assert (speech.seed, len(speech.takes)) == (10, 1)


def test_the_best_of_bad_ones_is_better_than_nothing(bark: Bark, verdicts: list[Verdict]) -> None:
    verdicts += [verdict(0.3, "a"), verdict(0.6, "b"), verdict(0.4, "c")]
    [speech] = bark.say_all([request(retries=2)])
    assert (speech.seed, len(speech.takes)) == (11, 3)


def test_takes_of_one_leave_the_others_of_the_batch_alone(bark: Bark) -> None:
    plain = SpeechRequest(text="my name is bark", seed=4, options=LONG)
    several, other = bark.say_all([request(takes=3), plain])
    assert len(several.takes) == 3
    alone = bark.say(plain.text, seed=4, options=LONG)
    assert np.array_equal(other.audio.samples, alone.audio.samples)


def test_the_judge_has_its_say(bark: Bark, verdicts: list[Verdict], monkeypatch: pytest.MonkeyPatch) -> None:
    verdicts += [verdict(0.9), verdict(0.6), verdict(0.9, "it runs on")]
    judge = listen(monkeypatch, "yellow dark", "Hello, Bark!")  # what runs on loses anyway, and is not heard
    [speech] = bark.say_all([request(takes=3)])
    assert [take.reason for take in speech.takes] == [
        "its words cannot be made out",
        "length 0.60, variety 1.00, sound 1.00, clean 1.00, words 1.00",
        "it runs on",
    ]
    assert speech.seed == 11
    alone = bark.say("hello bark", seed=11, options=LONG, attempts=ONCE)
    assert np.array_equal(speech.audio.samples, alone.audio.samples)
    rate = bark.config.codec.sample_rate
    assert [heard[1:] for heard in judge.heard] == [(rate, "en")] * 2
    assert judge.heard[1][0] == len(alone.audio.samples)
    assert set(speech.stages) == {"semantic", "coarse", "fine", "codec"}  # to listen is none of them


def test_what_cannot_be_made_out_is_said_again(
    bark: Bark, verdicts: list[Verdict], monkeypatch: pytest.MonkeyPatch
) -> None:
    verdicts += [verdict(0.9)] * 4
    listen(monkeypatch, "", "no", "hello", "not to be heard")
    [speech] = bark.say_all([request(takes=2, retries=2)])
    assert (speech.seed, len(speech.takes)) == (12, 3)


@pytest.mark.parametrize("how", [{}, {"retries": 1}])
def test_a_single_take_is_not_listened_to(
    bark: Bark, verdicts: list[Verdict], monkeypatch: pytest.MonkeyPatch, how: dict[str, int]
) -> None:
    verdicts += [verdict(0.9, "it is silent"), verdict(0.9)]
    judge = listen(monkeypatch)
    bark.say_all([request(**how)])
    assert judge.heard == []


def test_the_judge_is_told_the_language(
    bark: Bark, verdicts: list[Verdict], monkeypatch: pytest.MonkeyPatch
) -> None:
    verdicts += [verdict(0.9)] * 4
    judge = listen(monkeypatch, *["hello"] * 4)
    german = replace(request(takes=2), language="de")
    bark.say_all([german, request(takes=2)], batch_size=1)
    assert [heard[2] for heard in judge.heard] == ["de", "de", "en", "en"]


def test_where_no_take_speaks_it_is_one_error(bark: Bark) -> None:
    ends_at_once = SamplingOptions(min_eos_p=0.0)
    mute = SpeechRequest(text="hello", seed=1, options=ends_at_once, attempts=Attempts(takes=2, retries=1))
    with pytest.raises(
        GenerationError,
        match=r"none of 3 takes made any speech: the model said nothing with seed \d+; try another --seed",
    ):
        bark.say_all([mute])


@pytest.mark.parametrize("how", [{"takes": 0}, {"takes": 101}, {"retries": -1}, {"retries": 101}])
def test_counts_have_limits(how: dict[str, int]) -> None:
    with pytest.raises(OptionError, match=r"is outside [01]\.\.100"):
        Attempts(**how)


def doubtful(score: float) -> Verdict:
    return Verdict(
        length=score,
        variety=1.0,
        sound=1.0,
        clean=1.0,
        problem=None,
        doubt="it says something twice",
        n_words=2,
    )


def test_what_is_in_doubt_is_said_again(bark: Bark, verdicts: list[Verdict]) -> None:
    verdicts += [doubtful(0.9), verdict(0.2)]
    [speech] = bark.say_all([request(retries=2)])
    assert (speech.seed, len(speech.takes)) == (11, 2)
    assert speech.takes[0].reason == "it says something twice"


def test_who_listens_dispels_a_doubt(
    bark: Bark, verdicts: list[Verdict], monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = listen(monkeypatch, "hello bark")
    verdicts += [doubtful(0.9)]
    [speech] = bark.say_all([request(retries=2)])
    assert (speech.seed, len(speech.takes)) == (10, 1)
    assert len(judge.heard) == 1


def test_who_listens_and_hears_other_words_has_it_said_again(
    bark: Bark, verdicts: list[Verdict], monkeypatch: pytest.MonkeyPatch
) -> None:
    listen(monkeypatch, "hello bark hello bark")
    verdicts += [doubtful(0.9), verdict(0.5)]
    [speech] = bark.say_all([request(retries=2)])
    assert (speech.seed, len(speech.takes)) == (11, 2)


def test_python_says_a_failed_text_once_more_as_the_command_does(bark: Bark, verdicts: list[Verdict]) -> None:
    verdicts += [verdict(0.9, "it is silent"), verdict(0.2)]
    speech = bark.say("hello bark", seed=10, options=LONG)
    assert (speech.seed, len(speech.takes)) == (11, 2)
    assert Settings.retries == Attempts().retries == Recipe.attempts.retries == 1


def test_a_take_whose_tokens_stop_in_the_middle_of_the_text_is_said_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = attempt.speak

    def cut(utterance: Utterance, *rest: Any) -> Job[Spoken]:
        spoken = yield from whole(utterance, *rest)
        if utterance.seed != 10:
            return spoken
        half = spoken.tokens.semantic[: len(spoken.tokens.semantic) // 2]
        return replace(spoken, tokens=replace(spoken.tokens, semantic=half))

    monkeypatch.setattr(attempt, "speak", cut)
    speech = Bark.load("nano").say("The road was long and the night was very dark.", seed=10)
    assert [take.reason for take in speech.takes][:1] == ["it stops before the end of its text"]
    assert (speech.seed, speech.doubt) == (11, None)
