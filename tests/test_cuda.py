"""The backend of GPUs: on the CPU, where only the recording is left out, and on a GPU where there is one."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import tiny_voice
from test_engine import Watched, results, run, same
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from bark_cli.backends import Backend
from bark_cli.backends.cuda import CudaBackend, Recorder, SlotSequence
from bark_cli.backends.eager import EagerBackend
from bark_cli.backends.registry import backend_for
from bark_cli.backends.slots import STEPS, Rows, Slots, StepShape, _draw, append, exponential
from bark_cli.checkpoint import Networks, build_networks, read_checkpoint
from bark_cli.errors import GenerationError
from bark_cli.model.config import BarkConfig
from bark_cli.model.options import SamplingOptions, StageSampling
from bark_cli.stages.progress import Progress
from bark_cli.stages.sampling import probabilities, random_stream
from bark_cli.stages.steps import Ahead, Decode, Drawn, Prefill
from bark_cli.stages.utterance import Spoken, Utterance

CPU = torch.device("cpu")
GREEDY = StageSampling(temperature=0.0)
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no NVIDIA GPU")


class Tape(TorchDispatchMode):
    """What a CUDA graph is: operations on the memory that they were recorded with."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        self.operations.append((func, args, kwargs or {}, made))
        return made

    def replay(self) -> None:
        new: dict[int, Tensor] = {}

        def now(tensor: Tensor) -> Tensor:
            return new.get(id(tensor), tensor)

        for func, args, kwargs, made in self.operations:
            again = func(*tree_map_only(Tensor, now, args), **tree_map_only(Tensor, now, kwargs))
            outputs = made if isinstance(made, (tuple, list)) else [made]
            for old, fresh in zip(
                outputs, again if isinstance(again, (tuple, list)) else [again], strict=True
            ):
                if isinstance(old, Tensor):
                    new[id(old)] = fresh


class TapeRecorder:
    """In place of `Recorder`: what a step takes from Python stays as it was when the step was recorded."""

    def __init__(self, device: torch.device) -> None:
        pass

    def recorded(self, step: Callable[[], None]) -> Callable[[], None]:
        step()
        with Tape() as tape:
            step()
        return tape.replay


def networks(folder: Path, dtype: torch.dtype = torch.float32) -> Networks:
    return build_networks(read_checkpoint(folder), dtype)


@pytest.fixture(scope="module")
def eager(tiny_model: Path) -> EagerBackend:
    return EagerBackend(networks(tiny_model), CPU)


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=[pytest.mark.cuda, needs_gpu])])
def backend(request: pytest.FixtureRequest, tiny_model: Path) -> CudaBackend:
    return CudaBackend(networks(tiny_model), torch.device(request.param))


def mixed(config: BarkConfig, seed: int, number: int, **sampling: Any) -> list[Utterance]:
    """Utterances of all lengths, with and without voices and ends."""
    dice = random.Random(seed)
    stage = StageSampling(**{"temperature": 0.0, **sampling})
    return [
        Utterance(
            text_ids=np.array([dice.randrange(72, 190) for _ in range(dice.randint(1, 20))]),
            voice=tiny_voice(config, frames=dice.choice([12, 45]), seed=seed)
            if dice.random() < 0.5
            else None,
            seed=dice.randrange(5),
            options=SamplingOptions(
                semantic=stage,
                coarse=stage,
                fine=GREEDY,
                min_eos_p=dice.choice([None, 0.02]),
                max_duration_s=dice.choice([None, 0.1, 0.4]),
                may_end=dice.random() < 0.5,
            ),
            index=index,
        )
        for index in range(number)
    ]


def assert_same(a: dict[int, Any], b: dict[int, Any]) -> None:
    assert a.keys() == b.keys()
    for index in a:
        if isinstance(a[index], Spoken) and isinstance(b[index], Spoken):
            assert same(a[index].tokens, b[index].tokens), index
        else:
            assert a[index] == b[index], index


class Counted:
    """A backend that counts the calls of `decode`."""

    def __init__(self, backend: Backend) -> None:
        self.backend, self.decodes = backend, 0

    def decode(self, *arguments: Any) -> Any:
        self.decodes += 1
        return self.backend.decode(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)


# the same tokens


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_the_likeliest_tokens_are_those_of_the_plain_backend(
    tiny_config: BarkConfig, eager: EagerBackend, backend: CudaBackend, batch_size: int
) -> None:
    utterances = mixed(tiny_config, batch_size, 7)
    watched = Watched(backend)
    ours = results(run(watched, tiny_config, utterances, batch_size))
    assert watched.released == len(watched.opened)
    assert_same(ours, results(run(eager, tiny_config, utterances, batch_size)))


def test_the_order_of_arrival_changes_nothing(
    tiny_config: BarkConfig, eager: EagerBackend, backend: CudaBackend
) -> None:
    utterances = mixed(tiny_config, 11, 6)
    expected = results(run(eager, tiny_config, utterances))
    for order in ([5, 4, 3, 2, 1, 0], [2, 0, 4, 1, 5, 3]):
        ours = results(run(backend, tiny_config, [utterances[i] for i in order], 3))
        assert_same({order[i]: said for i, said in ours.items()}, expected)


@pytest.mark.parametrize("sampling", [{}, {"top_k": 5}, {"top_p": 0.7}], ids=str)
def test_the_same_seed_draws_the_same_tokens_in_any_company(
    tiny_config: BarkConfig, backend: CudaBackend, sampling: dict[str, Any]
) -> None:
    utterances = mixed(tiny_config, 3, 6, temperature=0.7, **sampling)
    # others with other filters and temperatures go along
    strangers = [replace(one, index=one.index + 6) for one in mixed(tiny_config, 4, 3, temperature=1.3)]
    alone: dict[int, Any] = {}
    for one in utterances:
        [alone[one.index]] = results(run(backend, tiny_config, [one])).values()
    for batch_size in (2, 9):
        together = results(run(backend, tiny_config, [*utterances, *strangers], batch_size))
        assert_same({index: together[index] for index in alone}, alone)
    longest = max(
        alone.values(), key=lambda said: len(said.tokens.semantic) if isinstance(said, Spoken) else 0
    )
    assert len(set(longest.tokens.semantic.tolist())) > 3  # it did draw


def test_another_seed_draws_other_tokens(tiny_config: BarkConfig, backend: CudaBackend) -> None:
    options = SamplingOptions(may_end=False)
    one, other = (
        Utterance(text_ids=np.array([80, 81]), voice=None, seed=seed, options=options) for seed in (1, 2)
    )
    said = results(run(backend, tiny_config, [one, replace(other, index=1)], 2))
    assert not np.array_equal(said[0].tokens.semantic, said[1].tokens.semantic)


@pytest.mark.parametrize("temperature", [0.0, 0.7, 2.0])
@pytest.mark.parametrize("filters", [{}, {"top_k": 3}, {"top_p": 0.5}, {"top_k": 9, "top_p": 0.9}], ids=str)
def test_a_draw_is_that_of_the_plain_sampling_with_this_noise(
    temperature: float, filters: dict[str, Any]
) -> None:
    logits = 2 * torch.randn(6, 40, generator=torch.Generator().manual_seed(1))
    keys = torch.arange(6)[:, None]
    kind = StepShape(range(40), 40, 1, **filters)
    index, last_p = _draw(logits, keys, torch.full((6, 1), temperature), kind)
    p = torch.from_numpy(probabilities(logits.numpy(), StageSampling(temperature=temperature, **filters)))
    assert index[:, 0].tolist() == (p / exponential(keys, 40)).argmax(dim=-1).tolist()
    torch.testing.assert_close(last_p[:, 0], p[:, -1])


def test_noise_is_exponential_and_of_its_key_alone() -> None:
    keys = torch.randint(2**62, (200, 1), generator=torch.Generator().manual_seed(0))
    noise = exponential(keys, 1000)
    assert noise.dtype == torch.float32
    assert noise.min() > 0
    assert noise.isfinite().all()
    assert noise.mean() == pytest.approx(1, abs=0.01)
    assert noise.var() == pytest.approx(1, abs=0.03)
    assert (noise < 0.1).float().mean() == pytest.approx(1 - np.exp(-0.1), abs=0.002)
    pairs = torch.corrcoef(noise[:, :200].T) - torch.eye(200)
    assert pairs.abs().max() < 0.4  # columns know nothing of each other
    assert torch.corrcoef(noise[:60]).sub(torch.eye(60)).abs().max() < 0.15  # nor rows
    assert torch.equal(exponential(keys[7:8], 1000), noise[7:8])


def test_a_key_is_one_number_of_the_stream_however_many_are_taken() -> None:
    bit_by_bit, at_once = random_stream(4, "coarse"), random_stream(4, "coarse")
    taken = [bit_by_bit.keys(steps) for steps in (1, 20, 3, 8)]
    expected = torch.randint(2**62, (32,), generator=torch.Generator().manual_seed(4 * 3 + 1))
    assert np.concatenate(taken).tolist() == at_once.keys(32).tolist() == expected.tolist()


# steps


def test_the_host_looks_only_now_and_then(tiny_config: BarkConfig, backend: CudaBackend) -> None:
    """40 semantic tokens, the first from the prompt; 120 flat ones in ten windows of 12, which are
    drawn at once, those that go on included."""
    options = SamplingOptions(semantic=GREEDY, coarse=GREEDY, fine=GREEDY, may_end=False)
    one = Utterance(text_ids=np.array([80]), voice=None, seed=1, options=options)
    counted = Counted(backend)
    [said] = results(run(counted, tiny_config, [one])).values()
    assert said.tokens.semantic.shape == (40,)
    assert said.tokens.coarse.shape == (2, 60)
    assert counted.decodes == 2 + 10
    assert 39 > STEPS > 11


def test_progress_counts_every_token(tiny_config: BarkConfig, backend: CudaBackend) -> None:
    told: list[Progress] = []
    options = SamplingOptions(semantic=GREEDY, coarse=GREEDY, fine=GREEDY, may_end=False)
    one = Utterance(text_ids=np.array([80]), voice=None, seed=1, options=options)
    run(backend, tiny_config, [one], 1, told.append)
    assert [progress.done for progress in told if progress.stage == "semantic"] == [0, 1, 1 + STEPS, 40]


def test_steps_are_recorded_once(
    tiny_config: BarkConfig, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded: list[Callable[[], None]] = []
    monkeypatch.setattr(Recorder, "recorded", lambda self, step: (recorded.append(step), step)[1])
    backend = CudaBackend(networks(tiny_model), CPU)
    options = SamplingOptions(may_end=False)
    for seed in range(3):
        one = Utterance(text_ids=np.array([80]), voice=None, seed=seed, options=options)
        run(backend, tiny_config, [one])
    assert len(recorded) == 2  # semantic and coarse


@pytest.mark.parametrize("sampling", [{}, {"temperature": 0.7, "top_k": 9, "top_p": 0.9}], ids=str)
def test_recorded_steps_do_what_steps_do(
    tiny_config: BarkConfig, tiny_model: Path, monkeypatch: pytest.MonkeyPatch, sampling: dict[str, Any]
) -> None:
    """Steps are recorded while others are at work, the memory grows, and batches are filled up."""
    monkeypatch.setattr("bark_cli.backends.cuda.REACH", 4)
    utterances = mixed(tiny_config, 6, 3, **sampling)
    expected = results(run(CudaBackend(networks(tiny_model), CPU), tiny_config, utterances, 3))
    monkeypatch.setattr("bark_cli.backends.cuda.Recorder", TapeRecorder)
    taped = CudaBackend(networks(tiny_model), CPU)
    assert_same(results(run(taped, tiny_config, utterances, 3)), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("filters", [{}, {"top_k": 3}, {"top_p": 0.5}], ids=str)
def test_a_step_neither_waits_for_its_device_nor_leaves_it(
    tiny_config: BarkConfig, tiny_model: Path, dtype: torch.dtype, filters: dict[str, Any]
) -> None:
    """On a device without memory nothing can be read, nor met with what is on the CPU."""
    nowhere = torch.device("meta")
    network = networks(tiny_model, dtype).coarse.to(nowhere)
    slots = Slots(network.config, like=network.new_cache().keys)
    rows = Rows.empty(4, StepShape(range(64, 128), 32, 2, **filters), nowhere)
    append(network, slots.tensor, rows, 80)


def test_a_step_looks_no_farther_than_it_must(
    tiny_config: BarkConfig, tiny_model: Path, eager: EagerBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a sequence passes from one reach to the next, and what lies beyond, changes nothing."""
    monkeypatch.setattr("bark_cli.backends.cuda.REACH", 16)
    backend = CudaBackend(networks(tiny_model), CPU)
    for network in backend._causal.values():
        network._slots.tensor.fill_(1e3)
    utterances = mixed(tiny_config, 5, 5)
    ours = results(run(backend, tiny_config, utterances, 3))
    assert_same(ours, results(run(eager, tiny_config, utterances)))


def prompt(config: BarkConfig, seed: int, length: int = 20) -> Prefill:
    ids = np.random.default_rng(seed).integers(0, config.coarse.semantic_vocab_size, length)
    return Prefill(ids, range(64, 96))


def test_logits_of_single_steps_are_those_of_the_plain_backend(
    tiny_config: BarkConfig, eager: EagerBackend, backend: CudaBackend
) -> None:
    """Sequences begin and end while others go on: slots are taken again, and there come to be more."""
    dice = random.Random(2)
    ours: dict[int, Any] = {}
    plain: dict[int, Any] = {}
    seen_slots = set()
    for turn in count():
        for number in [n for n in ours if dice.random() < 0.2]:
            backend.release(ours.pop(number))
            plain.pop(number)
        for _ in range(dice.randrange(4)):
            request = prompt(tiny_config, turn, dice.randint(1, 40))
            number = len(ours) + 100 * turn
            (ours[number], a), (plain[number], b) = (
                one.prefill("coarse", request) for one in (backend, eager)
            )
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
        legal = [range(64, 96), range(96, 128)]
        steps = [Decode(dice.randrange(136), dice.choice(legal)) for _ in ours]
        seen_slots |= {sequence.slot for sequence in ours.values()}
        for a, b in zip(
            backend.decode("coarse", list(zip(ours.values(), steps, strict=True))),
            eager.decode("coarse", list(zip(plain.values(), steps, strict=True))),
            strict=True,
        ):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
        if turn == 14:
            break
    assert len(seen_slots) > 4
    assert len(seen_slots) <= backend._causal["coarse"]._slots.tensor.shape[2] - 1 <= 32


def test_there_are_twice_as_many_slots_when_there_was_none(tiny_config: BarkConfig) -> None:
    slots = Slots(tiny_config.coarse.gpt, like=torch.zeros(()))
    first = slots.take()
    slots.cache(first).keys.fill_(3.0)
    taken = [first, *(slots.take() for _ in range(4))]
    assert len(set(taken)) == 5
    assert 0 not in taken
    assert slots.tensor.shape[2] == 1 + 8
    assert (slots.cache(first).keys == 3.0).all()
    slots.give(taken[2])
    assert [slots.take() for _ in range(3)].count(taken[2]) <= 1
    assert slots.tensor.shape[2] == 1 + 8


def test_damaged_weights_end_one_utterance_in_one_line(tiny_config: BarkConfig, tiny_model: Path) -> None:
    broken = networks(tiny_model)
    broken.semantic.wte.weight[:64] = torch.nan  # only what was made is NaN: the prompt is not
    backend = CudaBackend(broken, CPU)
    [prefix, ids] = np.full(32, 64), np.append(np.full(32, 196), 198)
    context, logits = backend.prefill("semantic", Prefill(ids, range(65), prefix))
    assert not np.isnan(logits).any()
    ahead = Ahead(5, (range(65),), GREEDY, random_stream(0, "semantic"), may_end=True)
    [answer] = backend.decode("semantic", [(context, Decode(3, range(65), ahead))])
    assert not isinstance(answer, Drawn)
    one = Utterance(text_ids=np.array([80]), voice=None, seed=0, options=SamplingOptions(may_end=False))
    [outcome] = run(backend, tiny_config, [one])
    assert isinstance(outcome.result, GenerationError)
    assert "NaN" in str(outcome.result)


# where speech ends


def cut(tokens: Sequence[int], end_p: Sequence[float], **rule: Any) -> list[int]:
    ahead = Ahead(9, (range(10),), GREEDY, random_stream(0, "semantic"), **{"may_end": True, **rule})
    return ahead.until_end(np.array(tokens), np.array(end_p)).tokens.tolist()


def test_a_run_counts_up_to_its_end() -> None:
    assert cut([1, 2, 9, 4], [0, 0, 0, 0]) == [1, 2, 9]
    assert cut([1, 2, 3, 4], [0, 0.1, 0.2, 0]) == [1, 2, 3, 4]
    assert cut([1, 2, 3, 4], [0, 0.1, 0.2, 0], min_end_p=0.1) == [1, 9]
    assert cut([1, 2, 3, 4], [0, 0.1, 0.2, 0], min_end_p=0.0) == [9]
    assert cut([9, 9, 3, 4], [1, 1, 1, 1], min_end_p=0.0, may_end=False) == [9, 9, 3, 4]


# recording


class FakeCuda:
    """As much of torch.cuda as recording needs, and a diary."""

    def __init__(self) -> None:
        self.diary: list[str] = []
        self.where = "current"

    def stream(self, name: str) -> Any:
        fake = self

        class Stream:
            def wait_stream(self, other: Any) -> None:
                fake.diary.append(f"{name} waits")

        return Stream()


def test_a_step_is_warmed_up_aside_then_recorded_then_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    from contextlib import contextmanager, nullcontext

    fake = FakeCuda()

    class Graph:
        def replay(self) -> None:
            fake.diary.append("replay")

    @contextmanager
    def aside(stream: Any) -> Iterator[None]:
        fake.where = "aside"
        yield
        fake.where = "current"

    @contextmanager
    def recording(graph: Graph, *, pool: Any, stream: Any, capture_error_mode: str) -> Iterator[None]:
        assert (pool, capture_error_mode) == ("pool", "thread_local")
        fake.where = "recorded"
        yield
        fake.where = "current"

    for name, value in {
        "device": lambda device: nullcontext(),
        "Stream": lambda device: fake.stream("side"),
        "current_stream": lambda device: fake.stream("current"),
        "graph_pool_handle": lambda: "pool",
        "stream": aside,
        "CUDAGraph": Graph,
        "graph": recording,
    }.items():
        monkeypatch.setattr(torch.cuda, name, value)
    replay = Recorder(torch.device("cuda", 0)).recorded(lambda: fake.diary.append(fake.where))
    assert fake.diary == ["side waits", "aside", "aside", "aside", "current waits", "recorded"]
    replay()
    assert fake.diary[-1] == "replay"


def test_elsewhere_a_step_is_what_it_is() -> None:
    def step() -> None:
        raise AssertionError("not yet")

    assert Recorder(CPU).recorded(step) is step


# other precisions and devices


@pytest.mark.parametrize("kind", [EagerBackend, CudaBackend])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_16_bits_go_all_the_way(
    tiny_config: BarkConfig, tiny_model: Path, kind: type[EagerBackend | CudaBackend], dtype: torch.dtype
) -> None:
    """Fp16 on an EagerBackend is what Apple's GPUs get."""
    backend = kind(networks(tiny_model, dtype), CPU)
    context, logits = backend.prefill("coarse", prompt(tiny_config, 1))
    assert logits.dtype == np.float32
    cache = context.keys if not isinstance(context, SlotSequence) else backend._causal["coarse"]._slots.tensor  # type: ignore[union-attr]
    assert cache.dtype == dtype
    utterances = mixed(tiny_config, 8, 4, temperature=0.7)
    said = results(run(backend, tiny_config, utterances, 3))
    assert any(isinstance(one, Spoken) and np.isfinite(one.samples).all() for one in said.values())
    reference = EagerBackend(networks(tiny_model), CPU)
    reach = prompt(tiny_config, 1)
    np.testing.assert_allclose(logits, reference.prefill("coarse", reach)[1], rtol=0.1, atol=0.5)


def test_a_gpu_gets_this_backend(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[torch.dtype, torch.device]] = []

    class Made:
        def __init__(self, parts: Networks, device: torch.device) -> None:
            made.append((parts.coarse.h[0].attn.c_attn.weight.dtype, device))  # type: ignore[union-attr, arg-type]

    monkeypatch.setattr("bark_cli.backends.cuda.CudaBackend", Made)
    checkpoint = read_checkpoint(tiny_model)
    backend_for(checkpoint, "cuda", "bf16")
    backend_for(checkpoint, "cuda:1", "fp32")
    assert made == [(torch.bfloat16, torch.device("cuda")), (torch.float32, torch.device("cuda", 1))]
    assert isinstance(backend_for(checkpoint, "cpu", "fp32"), EagerBackend)
