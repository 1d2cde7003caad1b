"""The backend of OpenVINO against the plain one in float32: logits, tokens and sound, alone and together."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import openvino_telemetry
import pytest
import torch
from golden.recipe import CASES, FOLDER, Case, inputs, narrow_config
from small_models import small_tensors
from test_cuda import assert_same, mixed
from test_engine import Watched, results, run
from test_golden import greedy

from bark_cli.backends import openvino_device as room
from bark_cli.backends.device import choose_device, choose_precision
from bark_cli.backends.eager import EagerBackend
from bark_cli.backends.openvino import WASTE, OpenVINOBackend
from bark_cli.backends.openvino_device import told_of_device
from bark_cli.checkpoint import Checkpoint, build_networks, read_checkpoint
from bark_cli.cli import main
from bark_cli.engine import Engine
from bark_cli.errors import BarkError, GenerationError, ModelError, OptionError
from bark_cli.model.config import BarkConfig
from bark_cli.pipeline import Bark, SpeechRequest
from bark_cli.stages.steps import Decode, FineWindow, Prefill
from bark_cli.stages.utterance import Spoken, Utterance, speak
from bark_cli.store import nano_folder

CPU = "CPU"


@pytest.fixture(scope="module")
def tiny(tiny_model: Path) -> Checkpoint:
    return read_checkpoint(tiny_model)


@pytest.fixture(scope="module")
def eager(tiny: Checkpoint) -> EagerBackend:
    return EagerBackend(build_networks(tiny), torch.device("cpu"))


@pytest.fixture(scope="module")
def backend(tiny: Checkpoint) -> OpenVINOBackend:
    return OpenVINOBackend(tiny, CPU, "fp32")


def near(found: Any, wanted: Any) -> None:
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


# the same tokens


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_the_likeliest_tokens_are_those_of_the_plain_backend(
    tiny_config: BarkConfig, eager: EagerBackend, backend: OpenVINOBackend, batch_size: int
) -> None:
    utterances = mixed(tiny_config, batch_size, 7)
    watched = Watched(backend)
    ours = results(run(watched, tiny_config, utterances, batch_size))
    assert watched.released == len(watched.opened)
    assert_same(ours, results(run(eager, tiny_config, utterances, batch_size)))


@pytest.mark.parametrize("sampling", [{}, {"top_k": 5}, {"top_p": 0.7}], ids=str)
def test_a_seed_draws_the_tokens_of_the_plain_backend_in_any_company(
    tiny_config: BarkConfig, eager: EagerBackend, backend: OpenVINOBackend, sampling: dict[str, Any]
) -> None:
    utterances = mixed(tiny_config, 3, 6, temperature=0.7, **sampling)
    expected = results(run(eager, tiny_config, utterances))
    for batch_size in (1, 4):
        assert_same(results(run(backend, tiny_config, utterances, batch_size)), expected)


SHORT = [case for case in CASES if case.name in ("ends_early", "short_voice_ends_early")]


@pytest.mark.parametrize("case", SHORT, ids=lambda case: case.name)
def test_tokens_equal_the_reference(case: Case) -> None:
    """Those of suno-ai/bark itself (test_golden.py)."""
    from golden.recipe import narrow_weights

    config = narrow_config()
    tensors = small_tensors(config)
    for stage, state in narrow_weights(config, case.seed, case.end_weight).items():
        tensors |= {f"{stage}.{name}": value for name, value in state.items()}
    made = Checkpoint(config=config, tensors=tensors, tokenizer_file=Path(), layout="native", folder=Path())
    text_ids, voice = inputs(case, config)
    utterance = Utterance(text_ids=text_ids, voice=voice, seed=0, options=greedy(case))
    [outcome] = Engine[Spoken](OpenVINOBackend(made, CPU, "fp32")).run([speak(utterance, config)])
    assert isinstance(outcome.result, Spoken)
    golden = np.load(FOLDER / f"{case.name}.npz")
    for stage in ("semantic", "coarse", "fine"):
        np.testing.assert_array_equal(getattr(outcome.result.tokens, stage), golden[stage], err_msg=stage)


# logits and sound


def test_logits_are_those_of_the_plain_backend_whoever_comes_and_goes(
    tiny_config: BarkConfig, eager: EagerBackend, backend: OpenVINOBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sequences of unequal length begin, pause and end while others go on."""
    monkeypatch.setattr("bark_cli.backends.openvino.WASTE", 8)
    dice, legal = random.Random(2), [range(64, 96), range(96, 128)]
    pairs: list[tuple[Any, Any]] = []
    most = 0
    for turn in range(25):
        for pair in [pair for pair in pairs if dice.random() < 0.15]:
            pairs.remove(pair)
            backend.release(pair[0])
        for _ in range(dice.randrange(3)):
            ids = np.random.default_rng(turn).integers(0, 64, dice.randint(1, 40))
            merged = ids[: len(ids) // 2] if dice.random() < 0.5 else None
            (a, found), (b, wanted) = (
                one.prefill("coarse", Prefill(ids, range(64, 96), merged)) for one in (backend, eager)
            )
            near(found, wanted)
            pairs.append((a, b))
        asked = dice.sample(pairs, dice.randint(0, len(pairs)))
        steps = [Decode(dice.randrange(136), dice.choice(legal)) for _ in asked]
        most = max(most, len(asked))
        if asked:
            answers = (
                one.decode("coarse", list(zip((pair[i] for pair in asked), steps, strict=True)))
                for i, one in enumerate((backend, eager))
            )
            for found, wanted in zip(*answers, strict=True):
                near(found, wanted)
    assert most > 4


def test_what_is_masked_does_not_grow_without_bound(backend: OpenVINOBackend) -> None:
    contexts = [backend.prefill("coarse", Prefill(np.arange(length), range(64, 96)))[0] for length in (79, 2)]
    step = Decode(1, range(64, 96))
    backend.decode("coarse", [(context, step) for context in contexts])
    assert contexts[1].group.length == 80
    backend.release(contexts[0])
    backend.decode("coarse", [(contexts[1], step)])
    assert contexts[1].group.length - contexts[1].length == 77 <= WASTE  # cheaper than to move it


@pytest.mark.parametrize("first", [0, 5])
def test_every_codebook_is_predicted_by_one_graph(
    tiny_config: BarkConfig, eager: EagerBackend, backend: OpenVINOBackend, first: int
) -> None:
    fine = tiny_config.fine
    codes = np.random.default_rng(0).integers(0, fine.codebook_size, (fine.n_codebooks, fine.window_frames))
    windows = [FineWindow(i, codes, first) for i in range(fine.gpt.n_codes_given, fine.n_codebooks)]
    for found, wanted in zip(backend.fine_logits(windows), eager.fine_logits(windows), strict=True):
        near(found, wanted)


@pytest.mark.parametrize("frames", [1, 2, 3, 7, 300])
def test_codes_of_any_length_become_the_same_sound(
    tiny_config: BarkConfig, eager: EagerBackend, backend: OpenVINOBackend, frames: int
) -> None:
    codec = tiny_config.codec
    codes = np.random.default_rng(frames).integers(0, codec.codebook_size, (codec.n_codebooks, frames))
    whole = backend.decode_audio(codes)
    np.testing.assert_allclose(whole, eager.decode_audio(codes), rtol=1e-4, atol=1e-5)
    stream, pieces = backend.audio_stream(), []
    for part in np.split(codes, [1, 1, 2, 40], axis=1):
        pieces.append(stream.push(part))
    np.testing.assert_allclose(np.concatenate([*pieces, stream.finish()]), whole, rtol=1e-4, atol=1e-6)


@pytest.fixture(scope="module")
def nano() -> Checkpoint:
    return read_checkpoint(nano_folder())


# nano's logits reach 33; what is stated is the largest error of any, and how many likeliest tokens agree
@pytest.mark.parametrize(
    ("storage", "most", "agreement"), [("fp32", 1e-4, 1.0), ("fp16", 0.05, 0.98), ("int8", 2.0, 0.9)]
)
def test_fewer_bits_stay_as_near_as_stated(
    nano: Checkpoint, storage: Any, most: float, agreement: float
) -> None:
    ours = OpenVINOBackend(nano, CPU, storage)
    plain = EagerBackend(build_networks(nano), torch.device("cpu"))
    semantic = nano.config.semantic
    legal, ids = range(semantic.vocab_size), np.arange(60) * 37 % semantic.vocab_size
    (a, found), (b, wanted) = (one.prefill("semantic", Prefill(ids, legal)) for one in (ours, plain))
    differences, same = [], []
    for _ in range(40):
        differences.append(float(np.abs(found - wanted).max()))
        same.append(bool(found.argmax() == wanted.argmax()))
        step = Decode(int(wanted.argmax()), legal)
        [found], [wanted] = ours.decode("semantic", [(a, step)]), plain.decode("semantic", [(b, step)])
    assert max(differences) < most
    assert np.mean(same) >= agreement


def test_texts_said_together_sound_as_alone(tiny_model: Path) -> None:
    bark = Bark.load(tiny_model, device="openvino:CPU", precision="fp32")
    texts = ["hello bark", "my name is bark", "i can speak"]
    requests = [SpeechRequest(text=text, seed=3) for text in texts]
    together = bark.say_all(requests, batch_size=3)
    plain = Bark.load(tiny_model, device="cpu", precision="fp32")
    for text, speech in zip(texts, together, strict=True):
        alone = plain.say(text, seed=3)
        assert np.array_equal(speech.tokens.fine, alone.tokens.fine)
        np.testing.assert_allclose(speech.audio.samples, alone.audio.samples, atol=1e-4)
    assert (bark.device, bark.precision) == ("openvino:CPU", "fp32")
    assert bark.fitting_batch_size() >= 1


# devices


def test_the_names_of_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "openvino_devices", lambda: ["CPU", "GPU.0", "GPU.1"])
    for given, device in (
        ("openvino", "openvino:AUTO"),
        ("openvino:cpu", "openvino:CPU"),
        ("openvino:GPU", "openvino:GPU"),
        ("openvino:GPU.1", "openvino:GPU.1"),
        ("openvino:HETERO:GPU,CPU", "openvino:HETERO:GPU,CPU"),
    ):
        assert choose_device(given) == device
    for given, reason in (
        ("openvino:NPU", r"finds no device NPU on this machine, only CPU, GPU\.0, GPU\.1; use --device"),
        ("openvino:GPU.2", r"no device GPU\.2"),
        ("openvino:HETERO:NPU,CPU", "no device NPU"),
        ("openvino:HETERO", "HETERO takes devices"),
    ):
        with pytest.raises(OptionError, match=reason):
            choose_device(given)


def test_what_weights_may_be_kept_in() -> None:
    assert choose_precision("auto", "openvino:CPU") == "int8"
    assert choose_precision("int4", "openvino:CPU") == "int4"
    with pytest.raises(OptionError, match="OpenVINO has no bf16; use --precision fp32, fp16, int8 or int4"):
        choose_precision("bf16", "openvino:CPU")
    for name in ("fp16", "int4"):
        with pytest.raises(OptionError, match=f"{name} is for OpenVINO"):
            choose_precision(name, "cpu")


@pytest.mark.parametrize("name", ["AUTO", "HETERO:CPU"])
def test_openvino_may_choose_the_device_itself(tiny: Checkpoint, eager: EagerBackend, name: str) -> None:
    ours, request = OpenVINOBackend(tiny, name, "fp32"), Prefill(np.arange(30), range(64))
    (a, found), (b, wanted) = (one.prefill("semantic", request) for one in (ours, eager))
    near(found, wanted)
    for token in (1, 2, 3):
        step = Decode(token, range(64))
        near(ours.decode("semantic", [(a, step)])[0], eager.decode("semantic", [(b, step)])[0])


class FakeCore:
    """A machine with a GPU."""

    available_devices = ("CPU", "GPU")

    def get_property(self, name: str, key: str) -> list[str]:
        assert (name, key) == ("GPU", "SUPPORTED_PROPERTIES")
        return ["PERFORMANCE_HINT", "INFERENCE_PRECISION_HINT", "KV_CACHE_PRECISION", "CACHE_DIR"]


def test_keys_and_values_are_kept_as_they_are_and_what_takes_minutes_is_kept_on_the_disk(
    isolated_home: Path,
) -> None:
    cpu = room._properties(FakeCore(), "CPU", is_exact=True)
    assert (cpu["KV_CACHE_PRECISION"], cpu["INFERENCE_PRECISION_HINT"]) == ("f32", "f32")
    gpu = room._properties(FakeCore(), "GPU", is_exact=True)
    assert (gpu["KV_CACHE_PRECISION"], gpu["INFERENCE_PRECISION_HINT"]) == ("f16", "f32")
    assert Path(gpu["CACHE_DIR"]).is_relative_to(isolated_home)
    assert "NUM_STREAMS" not in gpu  # it does not know of it
    auto = room._properties(FakeCore(), "AUTO", is_exact=False)
    assert auto["DEVICE_PROPERTIES"]["CPU"] == cpu
    assert "INFERENCE_PRECISION_HINT" not in auto["DEVICE_PROPERTIES"]["GPU"]
    assert auto["ENABLE_STARTUP_FALLBACK"] is False  # tokens of one device first and of another then


def test_without_openvino_there_is_one_line(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    say = ["say", "hello", "-m", str(tiny_model), "-o", str(tmp_path / "a.wav")]
    for command in (
        [*say, "--device", "openvino"],
        ["convert", str(tiny_model), str(tmp_path / "out"), "--to", "openvino"],
    ):
        assert main(command) == 2
        lines = capsys.readouterr().err.splitlines()
        assert lines == ["bark: OpenVINO is not installed; run: pip install 'bark-cli[openvino]'"]
    assert not list(tmp_path.iterdir())
    assert main([*say, "-q"]) == 0


@pytest.mark.parametrize(
    ("message", "kind", "line"),
    [
        (
            "Exception from src/core.cpp:1:\nCheck failed:\n[GPU] Failed to allocate 2 GB.\n\n",
            GenerationError,
            "OpenVINO's GPU is out of memory ([GPU] Failed to allocate 2 GB); use --device cpu or a smaller",
        ),
        (
            "Exception from src/plugin.cpp:1:\nto_shape was called on a dynamic shape.\n",
            ModelError,
            "OpenVINO's GPU cannot take this model: to_shape was called on a dynamic shape; use --device",
        ),
        ("", ModelError, "OpenVINO's GPU cannot take this model: it does not say why; use"),
    ],
)
def test_what_openvino_complains_of_is_one_line(message: str, kind: type[BarkError], line: str) -> None:
    with pytest.raises(kind) as caught, told_of_device("GPU"):
        raise RuntimeError(message)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_a_device_that_cannot_take_a_model_says_so(tiny: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    import openvino as ov

    def fail(*_: object) -> None:
        raise RuntimeError("Exception from npu.cpp:\nUpper bounds were not specified.")

    monkeypatch.setattr(ov.Core, "compile_model", fail)
    with pytest.raises(ModelError, match=r"OpenVINO's CPU cannot take this model: Upper bounds were not"):
        OpenVINOBackend(tiny, CPU, "fp32")


def test_ctrl_c_is_heard_while_it_compiles() -> None:
    began, ended = threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        ended.wait(60)

    def interrupt() -> None:
        began.wait(60)
        signal.raise_signal(signal.SIGINT)

    threading.Thread(target=interrupt).start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        room._patiently(work)
    ended.set()
    assert time.monotonic() - started < 30  # the work would take twice that


def test_nothing_is_told_to_anybody(tiny: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """openvino brings telemetry along, which its converter begins and bark never does."""

    def begin(*_: object, **__: object) -> None:
        raise AssertionError("telemetry was begun")

    monkeypatch.setattr(openvino_telemetry.Telemetry, "__init__", begin)
    ours = OpenVINOBackend(tiny, CPU, "int8")
    ours.prefill("semantic", Prefill(np.arange(30), range(64)))


def test_no_command_imports_openvino_unless_asked(tiny_model: Path, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom bark_cli.cli import main\n"
        f"assert main(['say', 'hello', '-q', '-m', {str(tiny_model)!r}, '-o', 'a.wav']) == 0\n"
        "assert 'openvino' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


def test_bench_measures_it(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--device", "openvino:CPU", "--precision", "fp32", "--seconds", "0.5", "--repeats", "1"]
    assert main(["bench", "-m", str(tiny_model), *options, "--json", "-q"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["device"], found["precision"]) == ("openvino:CPU", "fp32")
    assert found["stages"]["coarse"]["tokens"] > 0
