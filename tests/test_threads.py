from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bark_cli.backends.threads import NARROW, cpu_quota, lent_threads, threads_for


def test_a_narrow_step_is_not_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bark_cli.backends.threads.lent_threads", lambda: 4)
    assert threads_for(NARROW - 1, 1) == 1
    assert threads_for(NARROW, 1) == 4
    assert threads_for(256, 1) == 1  # a batch of one, however many might have come
    assert threads_for(256, 2) == 4


def groups(folder: Path, **limits: str) -> Path:
    for name, text in limits.items():
        place = folder / name.replace("_", "/")
        place.mkdir(parents=True, exist_ok=True)
        (place / "cpu.max").write_text(text)
    own = folder / "own"
    own.write_text("0::/a/b\n")
    return own


@pytest.mark.parametrize(
    ("limits", "quota"),
    [
        ({"a_b": "50000 100000\n"}, 0.5),
        ({"a": "150000 100000\n", "a_b": "max 100000\n"}, 1.5),  # a parent's holds for its children
        ({"a_b": "max 100000\n"}, math.inf),
        ({}, math.inf),
    ],
)
def test_a_control_group_lends_fractions_of_cores(
    limits: dict[str, str], quota: float, tmp_path: Path
) -> None:
    assert cpu_quota(tmp_path, groups(tmp_path, **limits)) == quota


def test_the_older_control_groups_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    for quota, cores in (("-1\n", math.inf), ("25000\n", 0.25)):
        (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(quota)
        assert cpu_quota(tmp_path, tmp_path / "none") == cores


def test_half_a_core_is_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bark_cli.backends.threads.cpu_quota", lambda: 0.5)
    lent_threads.cache_clear()
    try:
        assert lent_threads() == 1
    finally:
        lent_threads.cache_clear()


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="only Linux lets a process choose its cores so"
)
def test_one_core_or_one_thread_asked_for_is_one_thread() -> None:
    ask = "from bark_cli.backends.threads import lent_threads; print(lent_threads())"
    pinned = f"import os; os.sched_setaffinity(0, {{{min(os.sched_getaffinity(0))}}}); {ask}"
    for script, told in ((pinned, {}), (ask, {"OMP_NUM_THREADS": "1"}), (ask, {"OMP_NUM_THREADS": "1,4"})):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", script],
            stdout=subprocess.PIPE, text=True, check=True, env=os.environ | told,
        )  # fmt: skip
        assert done.stdout == "1\n"
