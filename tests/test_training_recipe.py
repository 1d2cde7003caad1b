"""The recipe as a whole: its settings, the order of its steps, and what becomes of them when it is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from training import __main__ as recipe
from training import texts
from training.run import BEGUN, Run, learnt, left_by, save_whole
from training.settings import HERE, read_settings, read_toml, settings

OPTIONAL = {"prepare": {"limit"}, "evaluate": {"most"}}  # what settings.toml need not say
STARTS = {"start", "start_share"}


def test_a_file_of_settings_lies_over_its_base(tmp_path, monkeypatch):
    (tmp_path / "below.toml").write_text(
        '[common]\nruns = "a"\ndata = "b"\nassets = "c"\n'
        "[fine]\nsteps = 9\n[fine.shape]\nwindow = 3\nheads = 2\n"
    )
    (tmp_path / "over.toml").write_text(
        f'base = "{(tmp_path / "below.toml").as_posix()}"\n[common]\nruns = "z"\n[fine.shape]\nheads = 5\n'
    )
    monkeypatch.setenv("BARK_TRAINING_SETTINGS", str(tmp_path / "over.toml"))
    found = settings("fine")
    assert found["shape"] == {"window": 3, "heads": 5}
    assert (found["steps"], found["runs"], found["data"]) == (9, HERE.parent / "z", HERE.parent / "b")


@pytest.mark.parametrize("name", ["small", "further"])
def test_the_other_files_say_nothing_that_nobody_reads(name):
    everything, own = read_settings(HERE / "settings.toml"), read_toml(HERE / f"{name}.toml")
    for step, table in own.items():
        if step != "base":
            known = everything[step].keys() | OPTIONAL.get(step, set()) | STARTS
            assert table.keys() <= known | ({"begin"} if step == "decoder" else set()), step
    folders = {own["common"][key] for key in ("data", "runs", "assets")} | {
        own["export"][key] for key in ("voices", "encoder")
    }
    assert all(folder.startswith(("training/data-", "training/runs-")) for folder in folders), (
        "nothing of the checkout is written over"
    )


def test_steps_run_in_their_order_and_networks_side_by_side():
    assert list(recipe.groups(list(recipe.STEPS)))[6:9] == [
        ["expected"], ["decoder", "coarse", "semantic", "fine"], ["export"],
    ]  # fmt: skip
    assert list(recipe.groups(["fine", "codes", "coarse"])) == [["codes"], ["coarse", "fine"]]


def test_what_is_there_is_not_made_again_and_a_failure_ends_it(tmp_path, monkeypatch, capsys):
    (tmp_path / "settings.toml").write_text(
        f'base = "training/settings.toml"\n'
        f'[common]\ndata = "{tmp_path.as_posix()}"\nruns = "runs"\nassets = "nano"\n'
    )
    (tmp_path / "teacher.onnx").touch()
    monkeypatch.setenv("BARK_TRAINING_SETTINGS", str(tmp_path / "settings.toml"))
    ran: list[str] = []
    codes = {"alignment": 3}
    monkeypatch.setattr(recipe, "in_a_process", lambda step, _: ran.append(step) or codes.get(step, 0))
    monkeypatch.setattr(sys, "argv", ["training"])
    assert recipe.main() == 3
    assert ran == ["texts", "prepare", "alignment"]
    assert "alignment failed; run this again" in capsys.readouterr().out
    codes["alignment"] = -9  # killed
    assert recipe.main() == 1
    monkeypatch.setattr(sys, "argv", ["training", "--at-once", "2", "fine", "decoder"])
    ran.clear()
    assert recipe.main() == 0
    assert sorted(ran) == ["decoder", "fine"]


def test_a_decoder_that_begins_with_its_filter_gets_no_second_one(monkeypatch):
    assert "brighten" in recipe.steps_left()
    monkeypatch.setenv("BARK_TRAINING_SETTINGS", str(HERE / "further.toml"))
    assert "brighten" not in recipe.steps_left()


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("", "has no [common], nor has its base; write base = "),
        ('base = "training/settings.toml"\ncodec = 1', "has no [codec], nor has its base"),
        (
            (HERE / "settings.toml").read_text().replace("n_layer = 6", ""),
            "has no n_layer in [semantic.shape]",
        ),
        ('base = "training/nothing.toml"', "or the base that it names, cannot be read"),
        ("[common", "cannot be read"),
    ],
    ids=["nothing", "not a table", "a number", "no base", "not TOML"],
)
def test_settings_that_lack_something_are_told_before_the_first_step(tmp_path, monkeypatch, said, line):
    file = tmp_path / "settings.toml"
    file.write_text(said)
    monkeypatch.setenv("BARK_TRAINING_SETTINGS", str(file))
    monkeypatch.setattr(recipe, "in_a_process", lambda *_: pytest.fail("it was begun"))
    monkeypatch.setattr(sys, "argv", ["training"])
    with pytest.raises(SystemExit) as error:
        recipe.main()
    assert str(error.value).startswith(str(file))
    assert line in str(error.value)
    assert "\n" not in str(error.value)


def test_texts_without_wordnet_say_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["texts", "--wordnet", str(tmp_path)])
    with pytest.raises(SystemExit) as error:
        texts.main()
    assert error.value.code == 2
    assert "apt install wordnet-base" in capsys.readouterr().err


SLOW = """
import os, time
from pathlib import Path
from training.processes import held
with held(Path("step.lock")):
    Path("pid").write_text(str(os.getpid()))
    time.sleep(60)
"""
MAIN = """
from multiprocessing import get_context
from pathlib import Path
from training.processes import alone
if __name__ == "__main__":
    given = "slow_step", ["--out", "x"], Path("runs/times.jsonl")
    step = get_context("spawn").Process(target=alone, args=given)
    step.start()
    step.join()
    print(step.exitcode)
"""


@pytest.fixture
def steps(tmp_path: Path) -> Path:
    """A folder with a step, and a recipe of that step alone."""
    (tmp_path / "slow_step.py").write_text(SLOW)
    (tmp_path / "main.py").write_text(MAIN)
    return tmp_path


def started(folder: Path, *command: str) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(folder), str(HERE.parent)])
    return subprocess.Popen(
        [sys.executable, *command], cwd=folder, env={**os.environ, "PYTHONPATH": path}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def until(held: object, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not held():  # type: ignore[operator]
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL on Windows")
def test_a_step_ends_with_the_recipe_that_began_it_and_its_folder_is_free_again(steps):
    recipe_process = started(steps, "main.py")
    until(lambda: (steps / "pid").exists() and (steps / "pid").read_text())
    step = int((steps / "pid").read_text())
    second = started(steps, "slow_step.py")
    assert "another process's, which is at work there" in second.communicate(timeout=60)[1]
    assert second.returncode == 1
    recipe_process.send_signal(signal.SIGKILL)
    recipe_process.communicate()
    until(lambda: not is_alive(step))
    (steps / "pid").unlink()
    (steps / "slow_step.py").write_text(SLOW.replace("60", "0"))
    again = started(steps, "main.py")
    assert again.communicate(timeout=60)[0] == "0\n"
    [row] = map(json.loads, (steps / "runs" / "times.jsonl").read_text().splitlines())
    assert row["step"] == "slow_step"
    assert row["done"]
    assert row["of_cores"] > 0


def is_alive(process: int) -> bool:
    """Whether it runs; one that has ended and that nobody waits for does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
        return sys.platform != "linux"


def test_a_run_that_goes_astray_ends_and_keeps_its_last_save(tmp_path, monkeypatch):
    (tmp_path / "settings.toml").write_text(
        f'[common]\nruns = "{tmp_path.as_posix()}"\ndata = "x"\nassets = "x"\nthreads = 1\n'
        "seed = 0\nsteps = 3\nbetas = [0.9, 0.9]\nweight_decay = 0.0\nclip = 1.0\nlr = 0.5\n"
        "warmup = 0\nsave_every = 1\nreport_every = 9\n[toy]\n"
    )
    monkeypatch.setenv("BARK_TRAINING_SETTINGS", str(tmp_path / "settings.toml"))
    run, network = Run("toy"), torch.nn.Linear(2, 1)
    run.take_up(network)
    with pytest.raises(RuntimeError, match="non-finite"):
        run.train(lambda step: (network(torch.ones(1, 2)).sum() * (1.0, torch.nan)[step], {"loss": 0.0}))
    assert learnt(run.checkpoint)["weight"].isfinite().all()
    assert torch.load(run.checkpoint, weights_only=True)["step"] == 1


def test_what_is_exported_may_hold_a_share_of_what_a_run_began_with(tmp_path, monkeypatch):
    save_whole({"model": {"weight": torch.tensor([[1.0, 5.0]]), "bias": torch.zeros(1)}}, tmp_path / "old.pt")
    (tmp_path / "settings.toml").write_text(
        f'[common]\nruns = "{tmp_path.as_posix()}"\ndata = "x"\nassets = "x"\nthreads = 1\n'
        "seed = 0\nsteps = 1\nbetas = [0.9, 0.9]\nweight_decay = 0.0\nclip = 100.0\nlr = 0.5\n"
        "warmup = 0\nsave_every = 1\nreport_every = 1\n"
        f'[toy]\nstart = "{(tmp_path / "old.pt").as_posix()}"\nstart_share = 0.25\n'
    )
    monkeypatch.setenv("BARK_TRAINING_SETTINGS", str(tmp_path / "settings.toml"))
    monkeypatch.setattr(Run, "draw", lambda _: None)
    run, network = Run("toy"), torch.nn.Linear(2, 1)
    run.take_up(network)
    run.train(lambda _: (network(torch.ones(1, 2)).sum(), {"loss": 1.0}))
    new = network.weight.detach().clone()
    assert not torch.equal(new, torch.tensor([[1.0, 5.0]]))
    (tmp_path / "old.pt").unlink()  # it may have been written over since
    assert (tmp_path / "toy" / BEGUN).exists()
    mixed = left_by("toy")["weight"]
    torch.testing.assert_close(mixed, 0.75 * new + 0.25 * torch.tensor([[1.0, 5.0]]))
    assert torch.equal(learnt(tmp_path / "toy" / "last.pt")["weight"], new)
