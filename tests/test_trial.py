"""How many at once pay is tried once on a machine, by its own clock, and never for one text."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from bark_cli.backends import kernel, trial
from bark_cli.backends.memory import MOST
from bark_cli.backends.threads import NARROW
from bark_cli.backends.trial import Step, is_clear, paying, quickest, turns_of
from bark_cli.model.config import BarkConfig
from bark_cli.narration.narrate import Narration, Piece, narrate, narrate_soon
from bark_cli.pipeline import Bark, SpeechRequest
from bark_cli.store import bark_home
from bark_cli.store.speeds import recall_batch, remember_batch, remember_speed


class Clock:
    """Time that passes only while a step is computed; `busy` of it belongs to other programs."""

    def __init__(self, busy: float = 0.0) -> None:
        self.now, self.own, self.busy = 0.0, 0.0, busy

    def step(self, seconds: Callable[[int], float]) -> Step:
        def pass_time(count: int) -> None:
            taken = seconds(count)
            self.own += taken
            self.now += taken / (1 - self.busy)

        return pass_time


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("time.perf_counter", lambda: clock.now)
    monkeypatch.setattr("time.thread_time", lambda: clock.own)
    return clock


def paying_count(step: Step, most: int) -> int | None:
    turns = turns_of(step, most)
    return None if turns is None else quickest(turns)


def test_the_count_is_taken_that_is_quickest_for_each(clock: Clock) -> None:
    """Of such as are alike the smaller; what does not fit is not tried."""
    weights = clock.step(lambda count: 0.004 + 0.001 * count)
    small_cache = clock.step(lambda count: {1: 0.003, 4: 0.008, 16: 0.05}[count])
    no_gain = clock.step(lambda count: 0.003 * count)
    loss = clock.step(lambda count: 0.003 * count**1.2)
    assert [paying_count(step, 16) for step in (weights, small_cache, no_gain, loss)] == [16, 4, 1, 1]
    assert [paying_count(weights, most) for most in (1, 3, 5)] == [1, 1, 4]


@pytest.mark.parametrize(
    "each",
    [
        {1: 1.0, 4: 0.97, 16: 1.15},
        {1: 1.0, 4: 1.1, 16: 1.12},
        {1: 1.0, 4: 0.8, 16: 1.0},
        {1: 1.0, 4: 0.35, 16: 0.2},
    ],
)
@pytest.mark.parametrize("seconds", [0.0001, 0.001])
def test_however_loud_the_machine_it_is_not_slower_than_one_by_one(
    clock: Clock, each: dict[int, float], seconds: float
) -> None:
    """Steps take up to 1.6 times as long as they have to; a gain that is larger is found all the same."""
    for seed in range(100):
        loud = Random(seed)
        step = clock.step(lambda n, loud=loud: seconds * n * each[n] * loud.uniform(1, 1.6))  # type: ignore[misc]
        count = paying_count(step, 16)
        assert count is not None
        assert each[count] <= 1.0
        assert each[count] == 0.2 or 0.2 not in each.values()


def test_a_larger_count_has_to_gain_more_than_turns_differ_by() -> None:
    assert quickest({1: [1.0, 1.0], 4: [0.9, 0.9]}) == 4
    assert quickest({1: [1.0, 1.2], 4: [0.9, 0.9]}) == 1
    assert quickest({1: [1.0, 1.0, 1.0], 4: [1.2, 0.9, 1.1]}) == 1
    assert quickest({1: [9.0, 1.0, 1.0], 4: [0.9, 3.0, 0.9]}) == 4  # one turn that was disturbed says nothing
    assert quickest({1: [1.0], 4: [0.96], 16: [0.94]}) == 16


def test_a_first_turn_that_is_cold_says_nothing_however_slow_steps_are(clock: Clock) -> None:
    cold = {1: 0.1, 4: 0.2, 16: 0.4}
    step = clock.step(lambda count: cold.pop(count, {1: 0.03, 4: 0.048, 16: 0.144}[count]))
    assert paying_count(step, 16) == 16


def test_it_takes_a_moment_and_nothing_is_believed_of_a_busy_machine(clock: Clock) -> None:
    step = clock.step(lambda count: 0.02 + 0.001 * count)
    assert paying_count(step, 16) == 16
    assert clock.now < 0.4
    clock.busy = 0.25
    assert paying_count(step, 16) == 16
    clock.busy = 0.5
    assert paying_count(step, 16) is None


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Every trial, by how many at most it had to try."""
    seen: list[int] = []

    def turns(_: Step, most: int) -> dict[int, list[float]]:
        seen.append(most)
        return {1: [1.0, 1.0], 4: [0.5, 0.5], 16: [0.6, 0.6]}

    monkeypatch.setattr(trial, "turns_of", turns)
    return seen


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_model_is_tried_once_on_a_machine(
    tiny_model: Path, precision: str, tried: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "NARROW", 0)
    for _ in range(2):
        bark = Bark.load(tiny_model, device="cpu", precision=precision)
        step = bark.model.backend.trial(16)  # type: ignore[attr-defined]
        if step is None:
            pytest.skip("no C compiler was there when bark was installed")
        for count in (1, 4, 16):
            step(count)
        at_once = 4 * bark.model.backend.side_by_side  # 4 for each caller
        assert bark.fitting_batch_size() == bark.batch_size == at_once
        with bark.session() as session:
            assert session.batch_size == at_once
            session.widen(99)
            assert session.batch_size == 99
    assert tried == [16]


def test_where_it_cannot_be_told_caches_decide_and_nothing_is_kept(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "turns_of", lambda *_: None)
    bark = Bark.load(tiny_model, device="cpu", precision="fp32")
    assert 16 <= bark.fitting_batch_size() <= MOST
    assert not (bark_home() / "speeds.json").exists()


class Trying:
    """A backend with a step to try."""

    side_by_side = 1

    def trial(self, most: int) -> Step | None:
        return lambda count: None


def test_what_is_in_doubt_is_tried_again_the_next_time(
    tiny_config: BarkConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Turns that differ let a count be taken that may not be the quickest; that is not kept."""
    turns = {1: [0.030, 0.100], 4: [0.012, 0.012], 16: [0.009, 0.009]}
    monkeypatch.setattr(trial, "turns_of", lambda *_: turns)
    assert paying(Trying(), tiny_config, "fp32", 16) == 1
    assert not (bark_home() / "speeds.json").exists()
    turns[1][1] = 0.031
    assert paying(Trying(), tiny_config, "fp32", 16) is None  # 16, or more
    assert (bark_home() / "speeds.json").exists()
    turns[16] = [9.0, 9.0]
    assert paying(Trying(), tiny_config, "fp32", 16) is None


def test_counts_that_are_alike_leave_no_doubt() -> None:
    assert is_clear({1: [1.0, 1.0], 4: [0.96, 0.96], 16: [0.98, 0.98]}, 1)
    assert is_clear({1: [1.0, 1.0], 4: [0.5, 0.9]}, 4)
    assert not is_clear({1: [1.0, 1.2], 4: [0.9, 0.9]}, 1)


def test_networks_of_which_one_is_wide_are_tried(tiny_config: BarkConfig, tried: list[int]) -> None:
    wide = replace(tiny_config.fine, gpt=replace(tiny_config.fine.gpt, n_embd=NARROW))
    assert paying(Trying(), replace(tiny_config, fine=wide), "int8", 16) == 4
    assert tried == [16]


@pytest.mark.skipif(kernel.compiled() is None, reason="no C compiler was there when bark was installed")
def test_of_narrow_networks_in_int8_it_is_known(tiny_model: Path, tried: list[int]) -> None:
    bark = Bark.load(tiny_model, device="cpu", precision="int8")
    assert bark.fitting_batch_size() == 4 * bark.model.backend.side_by_side
    assert not tried
    assert not (bark_home() / "speeds.json").exists()


def test_one_text_tries_nothing_and_neither_does_the_first_of_many(
    tiny_model: Path, tried: list[int]
) -> None:
    bark = Bark.load(tiny_model, device="cpu", precision="fp32")
    bark.say("hello", seed=1)
    bark.say_all([SpeechRequest(text="hello", seed=1)])
    one = Narration(pieces=[Piece(text="hello", seed=1)])
    list(narrate(bark, [one]))
    list(narrate_soon(bark, one))
    list(narrate(bark, [Narration(pieces=[*one.pieces] * 3)], batch_size=3))
    assert not tried
    many = narrate_soon(bark, Narration(pieces=[*one.pieces] * 5))
    for spoken in many:
        assert spoken.piece > 1 or not tried
    assert tried == [16]


def test_processes_that_keep_speeds_at_once_leave_a_whole_file() -> None:
    line = (
        "from bark_cli.store.speeds import remember_batch\n"
        "import sys\n"
        "for turn in range(20): remember_batch(f'kind {sys.argv[1]} {turn}', 4)"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", line, str(number)], env=os.environ) for number in range(3)
    ]
    while any(writer.poll() is None for writer in writers):
        recall_batch("kind 0 0")  # reads what is there, or nothing
    remember_batch("kind", 16)
    remember_speed("nano", "cpu", "int8", 0.1, 60)
    assert recall_batch("kind") == 16
    assert not [file for file in bark_home().iterdir() if file.name != "speeds.json"]
