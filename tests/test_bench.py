"""`bark bench` and what is behind it: forced lengths, sums over a batch, floors, pictures, error lines."""

from __future__ import annotations

import json
import math
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from bark_cli.backends.device import PRECISIONS
from bark_cli.bench import (
    BenchPlan,
    BenchResult,
    StageCost,
    draw,
    floors,
    measure,
    peak_memory_bytes,
    random_config,
    random_model,
    read_bytes_per_second,
)
from bark_cli.bench.floor import BYTES_PER_WEIGHT, step_bytes
from bark_cli.bench.weights import write_random
from bark_cli.checkpoint import expected_shapes, read_checkpoint
from bark_cli.cli import main
from bark_cli.errors import OptionError, OutputError
from bark_cli.model.config import BarkConfig, SemanticConfig
from bark_cli.model.networks import GPT
from bark_cli.pipeline import Bark
from bark_cli.store import converted_home

KEYS = [
    "model",
    "device",
    "precision",
    "batch_size",
    "audio_seconds",
    "seconds",
    "real_time_factor",
    "load_seconds",
    "peak_memory_bytes",
    "read_bytes_per_second",
    "stages",
]


def result(*runs: float, **changes: Any) -> BenchResult:
    stages = {
        "semantic": StageCost(seconds=1.0, tokens=500),
        "coarse": StageCost(seconds=3.0, tokens=1500),
        "fine": StageCost(seconds=0.5, tokens=4500),
        "codec": StageCost(seconds=0.1, tokens=750),
    }
    measured = BenchResult(
        model="some$model$",
        device="cpu",
        precision="int8",
        batch_size=2,
        audio_seconds=10.0,
        runs=runs or (4.6,),
        load_seconds=0.5,
        peak_memory_bytes=10**9,
        read_bytes_per_second=2e10,
        stages=stages,
    )
    return replace(measured, **changes)


@pytest.fixture(scope="module")
def tiny(tiny_config: BarkConfig, tmp_path_factory: pytest.TempPathFactory) -> Bark:
    folder = tmp_path_factory.mktemp("random") / "noise"
    write_random(folder, tiny_config, storage="fp32")
    return Bark.load(folder, device="cpu", precision="fp32")


def test_random_weights_have_the_shapes_that_suno_published() -> None:
    millions = {
        size: round(sum(math.prod(shape) for shape in expected_shapes(random_config(size)).values()) / 1e6)
        for size in ("small", "large")
    }
    assert millions == {"small": 398, "large": 1094}  # the codec and its 15 million included


def test_random_weights_are_noise_in_the_layout_of_a_conversion(
    tiny_config: BarkConfig, tmp_path: Path
) -> None:
    for name, seed in [("one", 0), ("again", 0), ("other", 1)]:
        write_random(tmp_path / name, tiny_config, storage="int8", seed=seed)
    write_random(tmp_path / "floats", tiny_config, storage="fp32")
    one, again, other, floats = (
        read_checkpoint(tmp_path / name) for name in ("one", "again", "other", "floats")
    )
    assert {name: tensor.shape for name, tensor in one.tensors.items()} == expected_shapes(tiny_config)
    assert {name: tensor.shape for name, tensor in floats.tensors.items()} == expected_shapes(tiny_config)
    assert not floats.scales
    assert all(torch.equal(one.tensors[name], again.tensors[name]) for name in one.tensors)
    matrix = "coarse.h.0.mlp.c_fc.weight"
    assert one.tensors[matrix].dtype == torch.int8
    assert not torch.equal(one.tensors[matrix], other.tensors[matrix])
    assert not torch.equal(one.tensors[matrix], one.tensors["coarse.h.1.mlp.c_fc.weight"])
    for checkpoint in (one, floats):
        assert 0.015 < float(checkpoint.float32(matrix).std()) < 0.025
        assert torch.equal(checkpoint.tensors["fine.ln_f.weight"], torch.ones(32))
        assert torch.equal(checkpoint.tensors["fine.ln_f.bias"], torch.zeros(32))


def test_a_block_is_laid_out_until_the_tensor_is_full(
    tiny_config: BarkConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bark_cli.bench.weights.BLOCK", 1009)
    write_random(tmp_path / "noise", tiny_config, storage="fp32")
    table = read_checkpoint(tmp_path / "noise").tensors["semantic.wte.weight"].flatten()
    assert torch.equal(table[:1009], table[1009:2018])
    assert 0.015 < float(table.std()) < 0.025


@pytest.mark.parametrize("storage", ["int8", "fp32"])
def test_making_weights_takes_no_memory_that_would_count(
    tiny_config: BarkConfig, tmp_path: Path, storage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bark_cli.bench.weights.BLOCK", 10_007)
    semantic = tiny_config.semantic
    wide = replace(semantic, gpt=replace(semantic.gpt, input_vocab_size=300_000))  # 9.6 million numbers
    tracemalloc.start()
    try:
        write_random(tmp_path / "noise", replace(tiny_config, semantic=wide), storage=storage)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2e6 < 9e6 < (tmp_path / "noise" / "model.safetensors").stat().st_size


def test_the_folder_of_random_weights_is_gone_once_they_are_loaded(
    tiny_config: BarkConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bark_cli.bench.weights.random_config", {"small": tiny_config}.__getitem__)
    with random_model("small", storage="int8") as folder:
        assert folder.is_relative_to(converted_home())
        bark = Bark.load(folder, device="cpu", precision="int8")
    assert list(converted_home().iterdir()) == []  # and no conversion was kept of it
    assert bark.name == "random-small"
    found = measure(bark, BenchPlan(seconds=0.2, repeats=1), load_seconds=0.0)
    assert found.audio_seconds == pytest.approx(0.2)


def test_random_weights_that_have_no_room_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bark_cli.store.free_bytes", lambda: 10**9)
    with (
        pytest.raises(OutputError, match=r"random-large needs 1\.\d+ GB of disk in .* and 1\.00 GB are free"),
        random_model("large", storage="int8"),
    ):
        pytest.fail("it was begun")
    assert not converted_home().exists()


def test_random_weights_that_have_no_place_name_the_variable_that_gives_one(
    tiny_config: BarkConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bark_cli.bench.weights.random_config", {"small": tiny_config}.__getitem__)
    (tmp_path / "file").touch()
    monkeypatch.setenv("BARK_HOME", str(tmp_path / "file" / "home"))
    said = r"cannot write .*file/home/converted: .*; set BARK_HOME to another place"
    with pytest.raises(OutputError, match=said), random_model("small", storage="int8"):
        pytest.fail("it was begun")
    monkeypatch.setenv("BARK_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("bark_cli.bench.weights.os.access", lambda *_: False)  # root may write anywhere
    said = "Permission denied; set BARK_HOME"
    with pytest.raises(OutputError, match=said), random_model("small", storage="int8"):
        pytest.fail("it was begun")


@pytest.mark.parametrize(
    ("seconds", "pieces"),
    [(5.0, [250]), (15.39, [768]), (15.4, [385, 385]), (20.0, [499, 499]), (40.0, [666] * 3), (0.001, [1])],
)
def test_pieces_stay_within_what_the_model_says_at_once(seconds: float, pieces: list[int]) -> None:
    semantic: SemanticConfig = random_config("small").semantic
    assert BenchPlan(seconds=seconds).pieces(semantic) == pieces


@pytest.mark.parametrize(
    "wrong", [{"seconds": 0.0}, {"seconds": float("nan")}, {"batch_size": 0}, {"repeats": 0}]
)
def test_plans_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        BenchPlan(**wrong)


def test_every_utterance_is_as_long_as_asked(tiny: Bark) -> None:
    told: list[str] = []
    plan = BenchPlan(seconds=0.6, batch_size=3, repeats=2)
    found = measure(tiny, plan, load_seconds=0.25, tell=told.append)
    assert {name: cost.tokens for name, cost in found.stages.items()} == {
        "semantic": 3 * 30,
        "coarse": 3 * 90,
        "fine": 3 * 45 * 6,
        "codec": 3 * 45,
    }
    assert found.audio_seconds == pytest.approx(3 * 0.6)
    assert (found.model, found.device, found.precision, found.batch_size) == ("noise", "cpu", "fp32", 3)
    assert len(found.runs) == 2
    assert found.seconds == min(found.runs)
    assert found.load_seconds == 0.25
    assert all(cost.seconds > 0 for cost in found.stages.values())
    # an utterance's seconds are its share of the steps, so that the sum is the time of the batch
    assert sum(cost.seconds for cost in found.stages.values()) <= found.seconds * 1.01
    assert told[0] == "warming up"
    assert [line.split(":")[0] for line in told[1:]] == ["run 1 of 2", "run 2 of 2"]


def test_what_exceeds_an_utterance_is_made_of_several(tiny: Bark) -> None:
    found = measure(tiny, BenchPlan(seconds=2.0, repeats=1), load_seconds=0.0)
    assert found.stages["semantic"].tokens == 3 * 34  # 40 at most in each, 100 in all, in equal parts
    assert found.audio_seconds == pytest.approx(3 * 0.68)


def test_the_median_run_counts() -> None:
    assert result(3.0, 1.0, 2.0).seconds == 2.0
    assert result(4.0, 1.0, 2.0, 3.0).seconds == 2.0
    assert result(5.0).real_time_factor == 0.5


def test_the_json_has_the_keys_that_were_promised() -> None:
    record = result(4.6).to_dict()
    assert list(record) == KEYS
    assert list(record["stages"]) == ["semantic", "coarse", "fine", "codec"]
    assert record["stages"]["coarse"] == {"seconds": 3.0, "tokens": 1500, "ms_per_token": 2.0}
    assert record["real_time_factor"] == 0.46


def test_a_step_reads_the_blocks_and_the_legal_rows_of_the_head(tiny_config: BarkConfig) -> None:
    network = GPT(tiny_config.coarse.gpt)
    matrices = sum(p.numel() for p in network.h.parameters() if p.ndim > 1)
    head = 32 * tiny_config.coarse.gpt.n_embd
    assert step_bytes(tiny_config.coarse.gpt, 32, "fp32") == 4 * (matrices + head)
    assert step_bytes(tiny_config.coarse.gpt, 32, "int8") == matrices + head
    assert step_bytes(tiny_config.coarse.gpt, 32, "int4") == matrices / 2 + head
    assert {*BYTES_PER_WEIGHT, "auto"} == set(PRECISIONS)


def test_floors_count_shared_steps_once(tiny_config: BarkConfig) -> None:
    least = floors(tiny_config, result())
    assert list(least) == ["semantic", "coarse"]  # what computes more than it reads has none
    assert least["semantic"] == pytest.approx(250 * step_bytes(tiny_config.semantic.gpt, 65, "int8") / 2e10)
    assert floors(tiny_config, result(batch_size=1))["coarse"] == pytest.approx(2 * least["coarse"])
    assert floors(tiny_config, result(precision="fp32"))["coarse"] == pytest.approx(4 * least["coarse"])


def test_the_machine_tells_of_itself() -> None:
    assert 1e8 < read_bytes_per_second() < 1e13
    if sys.platform == "win32":
        assert peak_memory_bytes() is None
        return
    before = peak_memory_bytes()
    assert before is not None
    assert before > 50 * 2**20  # torch alone takes more
    ballast = torch.ones(256 * 2**20 // 4)
    after = peak_memory_bytes()
    assert after is not None
    assert after >= before
    assert after > ballast.nbytes


@pytest.mark.parametrize(("name", "start"), [("out.png", b"\x89PNG"), ("out.SVG", b"<?xml")])
def test_a_picture(name: str, start: bytes, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra `plot` is not installed: no matplotlib")
    draw(result(4.6, 4.5), {"semantic": 0.2, "coarse": 0.9}, tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def bench(*options: str) -> int:
    return main(["bench", *options])


def test_the_command_prints_json(
    tiny_model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--seconds", "0.2", "--batch-size", "2", "--repeats", "1", "--precision", "fp32")
    assert bench("-m", str(tiny_model), *options, "--device", "cpu", "--json") == 0
    captured = capsys.readouterr()
    record = json.loads(captured.out)
    assert list(record) == KEYS
    assert (record["model"], record["device"], record["precision"]) == ("tiny", "cpu", "fp32")
    assert record["audio_seconds"] == pytest.approx(0.4)
    assert record["stages"]["semantic"]["tokens"] == 20
    assert all(line.startswith("bark: ") for line in captured.err.splitlines())


def test_a_batch_as_large_as_memory_holds(
    tiny_model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bark_cli.pipeline.Bark.fitting_batch_size", lambda self: 5)
    options = ("--seconds", "0.1", "--batch-size", "auto", "--repeats", "1", "--json")
    assert bench("-m", str(tiny_model), *options) == 0
    assert json.loads(capsys.readouterr().out)["batch_size"] == 5


def test_the_command_prints_a_table(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench("-m", str(tiny_model), "--seconds", "0.2", "--precision", "fp32", "-q") == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    for word in ("tiny, fp32 on cpu", "semantic", "codec", "median of 3 runs", "GB/s", "real-time factor"):
        assert word in captured.out


def test_the_command_draws(tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="the extra `plot` is not installed: no matplotlib")
    picture = tmp_path / "out.svg"
    options = ("-m", str(tiny_model), "--seconds", "0.1", "--repeats", "1", "--plot", str(picture))
    assert bench(*options) == 0
    assert picture.stat().st_size > 1000
    capsys.readouterr()
    assert bench(*options) == 1
    assert capsys.readouterr().err == f"bark: {picture} exists; use --force to write over it\n"
    assert bench(*options, "--force") == 0


def test_random_weights_from_the_command(
    tiny_config: BarkConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bark_cli.bench.weights.random_config", {"large": tiny_config}.__getitem__)
    options = ("--random-weights", "--size", "large", "--seconds", "0.1", "--repeats", "1", "--json")
    assert bench(*options) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["model"] == "random-large"
    assert captured.err.startswith("bark: making random weights of the large shape\n")


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--random-weights", "-m", "nano"], "--random-weights is a model by itself; leave out --model"),
        (["--size", "large"], "--size is of --random-weights, or of a folder named by --model"),
        (["--batch-size", "0"], "--batch-size takes auto or a number from 1 to 1024, not '0'"),
        (["--batch-size", "many"], "--batch-size takes auto or a number from 1 to 1024, not 'many'"),
        (["--plot", "out.bmp"], "out.bmp is not the name of a picture; end it in .png, .svg, .pdf"),
        (["-m", "no-such-model"], "there is no model 'no-such-model'"),
    ],
)
def test_mistakes(options: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(*options) in (1, 2)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[-1].startswith(f"bark: {line}")


@pytest.mark.parametrize("seconds", ["0", "nan", "inf", "-1", "4000"])
def test_a_length_that_cannot_be_is_told_before_torch_is_imported(
    seconds: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bark_cli.cli.bench.run", lambda *_: pytest.fail("it was begun"))
    assert bench("--seconds", seconds) == 2
    assert "Invalid value for '--seconds'" in capsys.readouterr().err


def test_without_matplotlib(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bark_cli.system.plots.find_spec", lambda _: None)
    assert bench("--plot", str(tmp_path / "out.png")) == 2
    expected = 'bark: a plot needs matplotlib, of the extra "plot"; run: pip install matplotlib\n'
    assert capsys.readouterr().err == expected
