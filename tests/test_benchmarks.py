"""benchmarks/: sides take turns and may be stopped, the best rounds are shown, the peer does equal work."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from bark_cli.bench import random_config
from benchmarks import __main__ as command
from benchmarks import peers, weights
from benchmarks.cases import CASES, Case
from benchmarks.peers import PEERS, Peer, Record, Workplace
from benchmarks.report import best, draw, read_measured, report
from benchmarks.runner import read_records, run_case

STAGES = ("semantic", "coarse", "fine", "codec")


def record(seconds: float, **changes: Any) -> Record:
    return {
        "precision": "int8",
        "seconds": seconds,
        "real_time_factor": seconds / 5,
        "load_seconds": 0.5,
        "peak_memory_bytes": 10**9,
        "read_bytes_per_second": 27 * 10**9,
        "stages": {name: {"seconds": seconds / 4, "tokens": 100} for name in STAGES},
    } | changes


class Counted:
    """Both sides, made up: each run takes less than the one before."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        patch.setattr(peers, "bark", lambda case, *_, **__: self._speak("bark", case, 10.0))
        theirs = Peer(
            title="Transformers, fp32", speak=lambda case, _: self._speak("transformers", case, 50.0)
        )
        patch.setitem(peers.PEERS, "transformers", theirs)

    def _speak(self, side: str, case: Case, seconds: float) -> Record:
        self.calls.append(side)
        if self.calls.count(side) > 2:
            raise KeyboardInterrupt
        return record(seconds * case.batch_size / 4 - self.calls.count(side))


def case(seconds: float = 5, batch_size: int = 4, *, asked: tuple[str, ...] = ("transformers",)) -> Case:
    name = f"case-{seconds}-{batch_size}"
    return Case(name=name, size="small", seconds=seconds, batch_size=batch_size, peers=asked)


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(cache=tmp_path, results=tmp_path / "results", peer_python=Path(sys.executable))


def test_the_sides_take_turns(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    sides = Counted(monkeypatch)
    run_case(case(), place, 2, "auto")
    assert sides.calls == ["bark", "transformers", "bark", "transformers"]
    alone = Counted(monkeypatch)
    run_case(case(10, asked=()), place, 1, "auto")
    assert alone.calls == ["bark"]


def test_what_was_measured_is_not_measured_again(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = Counted(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        run_case(case(), place, 3, "auto")
    kept = read_records(place.record_file(case()))
    assert kept is not None
    assert [len(kept[side]) for side in ("bark", "transformers")] == [2, 2]
    assert stopped.calls == ["bark", "transformers", "bark", "transformers", "bark"]
    again = Counted(monkeypatch)
    run_case(case(), place, 3, "auto")
    assert again.calls == ["bark", "transformers"]


def test_a_peer_that_is_not_installed_is_left_out_and_said_to_be(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides, told = Counted(monkeypatch), list[str]()
    run_case(case(asked=("suno", "transformers")), place, 1, "auto", told.append)
    assert sides.calls == ["bark", "transformers"]
    assert "suno-ai/bark, fp32 is left out; name a Python that has it: --suno-python" in told[0]
    [measured] = read_measured(place.results, [case()])
    assert list(measured.peers) == ["transformers"]


def test_the_best_round_counts() -> None:
    found = best([record(3.0), record(2.0, load_seconds=0.9, peak_memory_bytes=2 * 10**9)])
    assert (found["seconds"], found["load_seconds"], found["peak_memory_bytes"]) == (2.0, 0.5, 10**9)


def test_the_tables(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = [case(5, 1), case(5, 16), case(5, 64, asked=()), case(40, 1)]
    for each in cases[:3]:
        Counted(monkeypatch)
        run_case(each, place, 1, "auto")
    text = report(read_measured(place.results, cases))  # one is not measured yet
    assert "| small | one utterance, 5 s | Transformers, fp32 | 1.5 s | 11.5 s | 7.7x | 1.0 GB |" in text
    assert "| small | 16 at once, 5 s | Transformers, fp32 | 39.0 s | 199.0 s | 5.1x |" in text
    assert "| 16 | 2.44 s | 7.80 | 5.1x | 4.7x | 1.0 GB |" in text
    assert "| 64 | 2.48 s | 31.80 | - | 4.6x | 1.0 GB |" in text
    assert "| small, 5 s | Transformers, fp32 | coarse | 0.38 s | 2.88 s | 7.7x |" in text
    assert "40 s" not in text
    pytest.importorskip("matplotlib", reason="the extra `plot` is not installed: no matplotlib")
    draw(read_measured(place.results, cases), place.results / "speed.png")
    assert (place.results / "speed.png").read_bytes().startswith(b"\x89PNG")


def test_names_are_checked(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra `plot` is not installed: no matplotlib")
    options = ["--results", str(tmp_path), "--peer-python", sys.executable, "--only", "small-5s-x1", "odd"]
    with pytest.raises(SystemExit, match="there is no case odd; the cases are small-5s-x1, small-5s-x16"):
        command.main(options)
    with pytest.raises(SystemExit, match="nothing is measured yet"):
        command.main(["--results", str(tmp_path), "--report-only"])


def test_cases_have_their_own_names_and_fit_the_model() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
    assert {name for case in CASES for name in case.peers} == set(PEERS)
    limit = random_config("small").semantic.max_new_tokens
    assert all(max(case.pieces) <= limit for case in CASES)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("transformers") is None, reason="transformers is not installed")
def test_both_sides_do_the_same_work(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(weights.SIZES, "small", (1, 2, 16))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    short = case(0.5, 2)
    run_case(short, place, 1, "fp32")
    kept = read_records(place.record_file(short))
    assert kept is not None
    [ours], [theirs] = kept["bark"], kept["transformers"]
    tokens = [{name: stage["tokens"] for name, stage in side["stages"].items()} for side in (ours, theirs)]
    assert tokens[0] == tokens[1] == {"semantic": 50, "coarse": 148, "fine": 444, "codec": 74}
    assert ours["audio_seconds"] == pytest.approx(theirs["audio_seconds"], abs=0.001)
