"""The compiled int8 kernel against the same network in torch, for every instruction set that runs here."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import DTypeLike
from torch import Tensor, nn

from bark_cli.backends import kernel, packed
from bark_cli.backends.buffers import Array
from bark_cli.backends.int8 import Int8FineGPT, Int8GPT, Weights
from bark_cli.backends.kernel import load, runnable
from bark_cli.backends.packed import BLOCK, PackedMatrix, in_blocks
from bark_cli.errors import OptionError
from bark_cli.model.config import GPTConfig
from bark_cli.model.int8 import Int8Matrix
from bark_cli.model.networks import GPT, FineGPT
from bark_cli.model.tokens import Tokens
from bark_cli.stages.steps import FineWindow

RUN_HERE = {name: code for name in runnable() if (code := load(name)) is not None}
pytestmark = pytest.mark.skipif(not RUN_HERE, reason="no C compiler was there when bark was installed")


def shape(**others: int | bool) -> GPTConfig:
    return GPTConfig(input_vocab_size=90, output_vocab_size=70, block_size=96, **others)  # type: ignore[arg-type]


SHAPES = {  # heads of 64, of less than a vector, and widths that fill no block
    "heads of 64": shape(n_layer=2, n_head=2, n_embd=128),
    "heads of 8": shape(n_layer=2, n_head=4, n_embd=32),
    "odd": shape(n_layer=1, n_head=3, n_embd=42, bias=True, norm_bias=True),
}


@pytest.fixture(params=RUN_HERE)
def variant(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(kernel, "compiled", lambda: RUN_HERE[request.param])
    kernel.expect_callers(1)  # whatever an earlier test expected
    yield str(request.param)
    kernel.expect_callers(1)


def test_what_was_compiled_from_other_sources_is_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "_sources", lambda: 1)
    assert [load(name) for name in RUN_HERE] == [None] * len(RUN_HERE)
    monkeypatch.setattr(kernel, "_sources", lambda: None)  # nothing is there to be compared with
    assert None not in [load(name) for name in RUN_HERE]


def int8_state(network: nn.Module) -> tuple[dict[str, Array], dict[str, Array]]:
    """Random arrays and scales for a network, which gets the same ones as floats."""
    generator = np.random.default_rng(5)
    state, scales = {}, {}
    for name, tensor in network.named_parameters():  # what is tied comes once
        if tensor.ndim == 2 and name != "wpe.weight":
            matrix = Int8Matrix.of(normal(generator, *tensor.shape) * 0.1)
            state[name], scales[name] = matrix.values, matrix.scale
        else:
            state[name] = normal(generator, *tensor.shape) * 0.1 + np.float32("ln" in name)
    floats = {n: Int8Matrix(t, scales[n]).floats() if n in scales else t for n, t in state.items()}
    network.load_state_dict({n: torch.from_numpy(t) for n, t in floats.items()}, strict=False)
    network.eval().requires_grad_(False)
    return state, scales


def networks(shape: GPTConfig) -> tuple[GPT, Int8GPT]:
    """The same weights twice: dequantised in torch, and int8 in C."""
    network = GPT(shape)
    return network, Int8GPT(shape, Weights(*int8_state(network)))


def run(network: Int8GPT, ids: Tokens, chunk: int) -> Array:
    """Hidden states (T, D) of a sequence (T,), so many positions at a time."""
    cache = network.new_cache()
    rows = []
    for start in range(0, len(ids), chunk):
        places = range(start, min(start + chunk, len(ids)))
        rows.append(network.step(ids[places.start : places.stop], [cache] * len(places), places))
    return np.concatenate(rows)


def ids_of(length: int, seed: int) -> Tokens:
    return np.random.default_rng(seed).integers(0, 90, length)


def normal(generator: np.random.Generator, *shape: int) -> Array:
    return generator.standard_normal(shape, np.float32)


def window(network: Int8GPT, x: Array, cache: Array | None = None, first: int = 0) -> Array:
    """Final hidden states of a single prompt or window."""
    return network._stack.windows([(x, cache, first)])[0]


def filled(network: Int8GPT, x: Array) -> Array:
    """A cache that has heard x (T, D)."""
    cache = network.new_cache()
    window(network, x.copy(), cache)
    return cache


def off(found: Array, expected: Array | Tensor) -> float:
    """Relative error; 8 bits of activations, keys and values cost about 0.01, a wrong sum costs 1."""
    expected = np.asarray(expected)
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize("name", SHAPES)
def test_hidden_states_and_logits_are_those_of_the_network(name: str, variant: str) -> None:
    reference, fast = networks(SHAPES[name])
    ids = ids_of(80, 1)
    expected = reference.hidden(torch.from_numpy(ids)[None])[0]
    found = run(fast, ids, 80)
    assert off(found, expected) < 0.04
    assert off(fast.logits(found, range(3, 70)), found @ reference.lm_head.weight[3:70].numpy().T) < 0.02


@pytest.mark.parametrize("name", SHAPES)
def test_a_prompt_and_the_steps_after_it_are_those_of_the_network(name: str, variant: str) -> None:
    reference, fast = networks(SHAPES[name])
    ids, merged = ids_of(80, 1), ids_of(30, 2)
    cache = fast.new_cache()
    last = fast.prompts([(ids[:77], merged, cache)])
    steps = [fast.step(ids[i : i + 1], [cache], [i]) for i in range(77, 80)]
    expected = reference.hidden(torch.from_numpy(ids)[None], torch.from_numpy(merged)[None])[0, 76:]
    assert off(np.concatenate([last, *steps]), expected) < 0.04


@pytest.mark.parametrize("name", SHAPES)
def test_a_sequence_gives_the_same_bits_in_one_piece_and_token_by_token(name: str, variant: str) -> None:
    _, fast = networks(SHAPES[name])
    ids = ids_of(75, 2)
    whole = run(fast, ids, 75)
    for chunk in (1, 2, 7, 16, 37):
        assert np.array_equal(run(fast, ids, chunk), whole), chunk


@pytest.mark.parametrize("tied", [True, False])
def test_the_fine_network_sees_all_positions_and_predicts_each_codebook(tied: bool, variant: str) -> None:
    config = replace(shape(n_layer=2, n_head=2, n_embd=128), n_codes_total=4)
    config = replace(config, output_vocab_size=90 if tied else 70)
    network = FineGPT(config)
    fast = Int8FineGPT(config, Weights(*int8_state(network)))
    codes = ids_of(4 * 96, 3).reshape(4, 96)
    for codebook in (1, 3):
        expected = network(codebook, torch.from_numpy(codes.T)[None])[0]
        [found] = fast.answers([FineWindow(codebook, codes)])
        assert isinstance(found, np.ndarray)
        assert off(found, expected) < 0.04


def test_no_sequence_hears_its_neighbours(variant: str) -> None:
    """Also not those that are a thousand times louder, whose scale a shared one would follow."""
    _, fast = networks(SHAPES["heads of 64"])
    generator = np.random.default_rng(3)
    x = normal(generator, 37, 128)
    x[1::2] *= 1000
    caches = [filled(fast, normal(generator, 90, 128)) for _ in range(37)]
    places = generator.integers(0, 90, 37).tolist()
    step = fast._stack.step
    alone = [step(x[i : i + 1].copy(), [caches[i].copy()], [places[i]]) for i in range(37)]
    for chosen in (range(37), range(36, -1, -1), range(3, 9), range(16), [4, 17]):
        together = step(x[list(chosen)], [caches[i].copy() for i in chosen], [places[i] for i in chosen])
        assert np.array_equal(together, np.concatenate([alone[i] for i in chosen]))


def test_the_usual_dynamic_kernels_do_share_a_scale() -> None:
    """Why we round every row by itself: in fbgemm's dynamic linear a loud neighbour drowns a quiet row."""
    if "fbgemm" not in torch.backends.quantized.supported_engines:
        pytest.skip("this torch has no fbgemm")
    weight = torch.randn(16, 64, generator=torch.Generator().manual_seed(1))
    quiet = torch.randn(1, 64, generator=torch.Generator().manual_seed(2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces the end of quantized tensors
        packed = torch.ops.quantized.linear_prepack(
            torch.quantize_per_tensor(weight, float(weight.abs().max()) / 127, 0, torch.qint8), None
        )
    theirs = torch.ops.quantized.linear_dynamic(torch.cat([quiet, quiet * 1000]), packed)[:1]
    ours = PackedMatrix(Int8Matrix.of(weight.numpy())).product(np.concatenate([quiet, quiet * 1000]))[:1]
    expected = quiet @ weight.T
    assert off(theirs.numpy(), expected) > 0.5
    assert off(ours, expected) < 0.02


def test_threads_do_not_change_a_bit(variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, fast = networks(SHAPES["heads of 64"])
    found = []
    for threads in (1, 2, 3):
        monkeypatch.setattr(packed, "threads_for", lambda width, rows, count=threads: count)
        prompt = fast.prompts([(np.arange(70), None, fast.new_cache())])
        found.append(np.concatenate([run(fast, np.arange(40), 20), prompt]))
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


@pytest.mark.parametrize(("threads", "callers"), [(1, 1), (2, 1), (3, 1), (4, 2)])
def test_windows_side_by_side_are_what_each_is_alone(
    threads: int, callers: int, variant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where each thread has two, and what is left over; hidden states and what is cached.

    Also where others call as well, so that fewer threads come than were asked for.
    """
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    monkeypatch.setattr(packed, "threads_for", lambda width, rows: 1)
    _, fast = networks(SHAPES["heads of 64"])
    x = normal(np.random.default_rng(9), 90, 128)

    def empty() -> Array:
        cache = fast.new_cache()
        cache[:] = 0
        return cache

    def asked() -> list[tuple[Array, Array | None, int]]:
        lengths = (
            (90, empty(), 0),
            (1, empty(), 0),
            (33, None, 16),
            (90, empty(), 89),
            (64, None, 5),
            (7, None, 0),
            (8, empty(), 7),
        )
        return [(x[-n:].copy(), cache, first) for n, cache, first in lengths]

    alone = asked()
    expected = [window(fast, *one) for one in alone]
    monkeypatch.setattr(packed, "threads_for", lambda width, rows: threads)
    kernel.expect_callers(callers)
    for count in range(1, len(alone) + 1):
        together = asked()[:count]
        for found, wanted in zip(fast._stack.windows(together), expected[:count], strict=True):
            assert np.array_equal(found, wanted)
        for (_, found_cache, _), (_, cache, _) in zip(together, alone[:count], strict=True):
            assert found_cache is None or cache is None or np.array_equal(found_cache, cache)


def test_memory_for_windows_side_by_side_grows_as_their_threads_do(
    variant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel.expect_callers(64)  # the memory is taken, and no thread hired

    def taken(threads: int) -> int:
        """Bytes that a step and windows for so many threads leave taken."""
        monkeypatch.setattr("os.cpu_count", lambda: threads)
        monkeypatch.setattr(packed, "threads_for", lambda width, rows: threads)
        _, fast = networks(SHAPES["heads of 8"])
        sizes: list[int] = []
        room = packed.room

        def counted(shape: int | tuple[int, ...], dtype: DTypeLike = np.float32) -> Array:
            made = room(shape, dtype)
            sizes.append(made.nbytes)
            return made

        with monkeypatch.context() as patched:
            patched.setattr(packed, "room", counted)
            fast._stack.windows([(np.ones((9, 32), np.float32), None, 0) for _ in range(2 * threads)])
            fast._stack.step(np.ones((1, 32), np.float32), [cache], [0])
        return sum(sizes)

    cache = networks(SHAPES["heads of 8"])[1].new_cache()
    assert taken(16) - taken(8) == 2 * (taken(8) - taken(4))


@pytest.mark.parametrize("rows", [*range(1, 34), 1024])
def test_sums_are_exact_for_any_number_of_rows(rows: int, variant: str) -> None:
    """Extremes included, where 16 bits would overflow first; a largest value of 127 makes steps of 1."""
    generator = np.random.default_rng(rows)
    weight = generator.integers(-127, 128, (70, 1040), np.int8)
    x = generator.integers(-127, 128, (rows, 1040))
    weight[::3], x[::2], x[:, 0] = 127, -127, 127
    matrix = Int8Matrix(weight, np.ones(70, np.float32))
    assert np.array_equal(PackedMatrix(matrix).product(x), x @ weight.astype(int).T)


@pytest.mark.parametrize("excess", [0, 1])
def test_long_sums_are_exact_where_they_just_fit_and_where_they_do_not(excess: int, variant: str) -> None:
    """Eight products of neighbours in four lines fit 16 bits if the weights' squares are 48,803 at most."""
    weight = np.zeros((32, 64), np.int8)
    eight = [0, 1, 4, 5, 8, 9, 12, 13]
    weight[::2, eight], weight[1::2, eight] = 78, -78  # 48,672
    weight[:, 0] += np.sign(weight[:, 0]) * (2 * excess - 1)
    x = np.zeros((9, 64))
    x[:, 63] = 127  # makes steps of 1
    x[:8, eight] = np.array([52, -52, 53, -53, 64, -64, 65, 127])[:, None]  # squares of 22,000 stay in a line
    x[8, eight] = [127, -127] * 4
    _, _, calm = in_blocks(weight)
    if variant == "avx2":
        assert calm.tolist() == [[2, 7, 5, 3] if excess else [9, 7, 5, 3]] * 2
    assert np.array_equal(
        PackedMatrix(Int8Matrix(weight, np.ones(32, np.float32))).product(x), x @ weight.astype(int).T
    )


@pytest.mark.parametrize("columns", [4, 12, 16, 44, 1040])
def test_inputs_too_large_for_a_line_are_counted_as_well(columns: int, variant: str) -> None:
    """Some of each row, or all: by pairs, by lines, and beyond the last whole run of lines."""
    generator = np.random.default_rng(columns)
    weight = generator.integers(-127, 128, (48, columns), np.int8)
    x = np.rint(generator.normal(0, 40, (7, columns)).clip(-127, 127))
    x[1], x[2], x[3] = 127, -127, np.where(np.arange(columns) % 2, 127, -127)
    x[4] = np.where(generator.random(columns) < 0.9, 0, 127)
    x[:, 0] = 127
    assert np.array_equal(
        PackedMatrix(Int8Matrix(weight, np.ones(48, np.float32))).product(x), x @ weight.astype(int).T
    )


def test_what_a_prompt_says_of_a_position_does_not_depend_on_what_follows(variant: str) -> None:
    _, fast = networks(SHAPES["heads of 64"])
    x = normal(np.random.default_rng(8), 90, 128)
    whole = window(fast, x.copy(), fast.new_cache())
    for length in (1, 15, 30, 64):
        assert np.array_equal(window(fast, x[:length].copy(), fast.new_cache()), whole[:length])


def test_the_last_positions_of_a_window_are_the_same_alone(variant: str) -> None:
    _, fast = networks(SHAPES["odd"])
    x = normal(np.random.default_rng(8), 90, 42)
    whole = window(fast, x.copy())
    assert np.array_equal(window(fast, x.copy(), first=61), whole[61:])


@pytest.mark.parametrize("rows", [1, 2, 15, 16, 17, 33, 300])
@pytest.mark.parametrize(("outputs", "width"), [(70, 42), (64, 128), (200, 64)])
def test_products_are_those_of_the_rounded_row(rows: int, outputs: int, width: int, variant: str) -> None:
    generator = np.random.default_rng(rows)
    matrix = Int8Matrix.of(normal(generator, outputs, width))
    bias, x = normal(generator, outputs), normal(generator, rows, width)
    step = abs(x).max(axis=1, keepdims=True) / 127
    expected = (x / step).round() @ matrix.values.astype(np.float32).T * step * matrix.scale + bias
    np.testing.assert_allclose(PackedMatrix(matrix, bias).product(x), expected, rtol=1e-3, atol=2e-2)


def test_blocks_hold_every_value_once_and_zeros(variant: str) -> None:
    values = np.arange(-60, 60, dtype=np.int8).reshape(20, 6)
    blocks, total, _ = in_blocks(values)
    if variant == "avx2":  # it keeps 128 more
        blocks = (blocks.view(np.uint8) - np.uint8(128)).view(np.int8)
    assert blocks.shape == (2, 2, BLOCK, 4)
    back = blocks.transpose(0, 2, 1, 3).reshape(32, 8)
    assert np.array_equal(back[:20, :6], values)
    assert total.tolist() == [*values.sum(axis=1).tolist(), *[0] * 12]
    assert not back[20:].any()
    assert not back[:, 6:].any()


def test_a_long_cache_is_read_whole(variant: str) -> None:
    reference, fast = networks(replace(shape(n_layer=1, n_head=1, n_embd=64), block_size=1024))
    x = normal(np.random.default_rng(6), 1001, 64)
    expected = reference.ln_f(reference.h[0](torch.from_numpy(x)[None], None))[0, 1000:]
    cache = filled(fast, x[:1000])
    assert off(fast._stack.step(x[1000:], [cache], [1000]), expected) < 0.02


@pytest.mark.parametrize("name", SHAPES)
def test_steps_find_what_a_prompt_finds(name: str, variant: str) -> None:
    """To the last bit: sums are integers, and spans begin at the same places."""
    _, fast = networks(SHAPES[name])
    x = normal(np.random.default_rng(9), 90, SHAPES[name].n_embd)
    whole = window(fast, x.copy(), fast.new_cache())
    cache = filled(fast, x[:50])
    steps = [fast._stack.step(x[i : i + 1].copy(), [cache], [i]) for i in range(50, 90)]
    assert np.array_equal(np.concatenate(steps), whole[50:])


def test_a_flat_tail_is_not_lost_under_a_peak(variant: str) -> None:
    """A thousand positions of a thousandth of its weight: as bytes of one scale they would be zeros."""
    network = GPT(replace(shape(n_layer=1, n_head=1, n_embd=64, bias=True), block_size=1024))
    state = {name: np.zeros(tensor.shape, np.float32) for name, tensor in network.named_parameters()}
    state["h.0.ln_1.weight"][:] = state["ln_f.weight"][:] = 1
    state["h.0.attn.c_attn.bias"][0] = 4 * np.log(1000)  # the query: a score of +- log(1000) / 2
    state["h.0.attn.c_attn.weight"][64, 0] = 1  # the key: the first number
    state["h.0.attn.c_attn.weight"][128:] = state["h.0.attn.c_proj.weight"][:] = np.eye(64)
    network.load_state_dict({n: torch.from_numpy(t) for n, t in state.items()}, strict=False)
    x = np.sign(normal(np.random.default_rng(6), 1000, 64))
    x[:, :2] = [[1, -1]] + 999 * [[-1, 1]]
    expected = network.eval().ln_f(network.h[0](torch.from_numpy(x)[None]))[0, -1:].detach()
    fast = Int8GPT(network.config, Weights(state, {}))
    assert off(window(fast, x, fast.new_cache(), first=999), expected) < 0.02


def test_keys_that_are_large_and_alike_in_some_numbers_leave_the_others_their_steps(variant: str) -> None:
    """As those of large networks are: bytes of one scale for the whole key would hold little of the rest."""
    network = GPT(replace(shape(n_layer=1, n_head=1, n_embd=64, bias=True), block_size=1024))
    state = {name: np.zeros(tensor.shape, np.float32) for name, tensor in network.named_parameters()}
    state["h.0.ln_1.weight"][:] = state["ln_f.weight"][:] = 1
    same = np.eye(64)  # a query looks for another number of the keys than its own
    state["h.0.attn.c_attn.weight"][:] = np.concatenate([2 * np.roll(same, 7, 0), same, same])
    state["h.0.attn.c_attn.bias"][[64 + 3, 64 + 17]] = 40
    state["h.0.attn.c_proj.weight"][:] = 10 * np.eye(64)
    network.load_state_dict({n: torch.from_numpy(t) for n, t in state.items()}, strict=False)
    x = normal(np.random.default_rng(6), 700, 64)
    layer = network.eval().h[0]
    expected = layer.attn(layer.ln_1(torch.from_numpy(x)[None]))[0, 600:].detach()
    expected = network.ln_f(torch.from_numpy(x)[600:] + expected).detach()
    fast = Int8GPT(network.config, Weights(state, {}))
    assert off(window(fast, x.copy(), fast.new_cache(), first=600), expected) < 0.05
    cache = filled(fast, x[:600])
    steps = [fast._stack.step(x[i : i + 1].copy(), [cache], [i]) for i in range(600, 604)]
    assert off(np.concatenate(steps), expected[:4]) < 0.05


def test_a_kernel_can_be_forced_and_one_that_cannot_run_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel.compiled.cache_clear()
    try:
        monkeypatch.setenv("BARK_KERNEL", "plain")
        assert kernel.compiled() is load("plain") or kernel.compiled()._name.endswith("kernel-plain.so")  # type: ignore[union-attr]
        kernel.compiled.cache_clear()
        monkeypatch.setenv("BARK_KERNEL", "mmx")
        with pytest.raises(OptionError, match=r"BARK_KERNEL=mmx cannot run here; use one of .*plain"):
            kernel.compiled()
    finally:
        kernel.compiled.cache_clear()


# ---- without Python, where only an emulator has the processor ----

ROOT = Path(__file__).parent.parent
FLAGS = [
    "-O3",
    "-std=gnu11",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fopenmp-simd",
    "-pthread",
    "-Wall",
    "-Wshadow",
    "-Werror",
]
# AVX-VNNI's tile with the twin of its instruction that AVX-512 has: the same sums in another encoding
VNNI = ["-march=x86-64-v4", "-mavx512vnni"]
AVXVNNI = [
    *VNNI, "-U__AVX512VNNI__", "-U__AVX512F__", "-D__AVXVNNI__=1",
    "-D_mm256_dpbusd_avx_epi32=_mm256_dpbusd_epi32",
]  # fmt: skip


def states(tmp_path: Path, compiler: str, flags: list[str], *emulator: str) -> dict[str, Array]:
    """What kernel_check.c prints, compiled so; it fails where a sum is wrong."""
    sources = sorted((ROOT / "bark_cli/backends/csrc").glob("*.c"))
    program = tmp_path / "check"
    files = [str(file) for file in (*sources, ROOT / "tests/kernel_check.c")]
    line = [compiler, *FLAGS, *flags, "-static", f"-I{sources[0].parent}", *files, "-o", str(program), "-lm"]
    subprocess.run(line, check=True)
    done = subprocess.run([*emulator, str(program)], stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, done.stdout
    rows = [line.split() for line in done.stdout.splitlines()]
    return {name: np.array([float(number) for number in numbers]) for name, *numbers in rows}


needs_gcc_on_linux = pytest.mark.skipif(
    shutil.which("gcc") is None or sys.platform != "linux", reason="needs gcc on Linux"
)


@pytest.fixture(scope="module")
def plain_states(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Array]:
    return states(tmp_path_factory.mktemp("plain"), "gcc", ["-DBARK_PLAIN"])


@needs_gcc_on_linux
@pytest.mark.parametrize(
    ("flags", "emulator"),
    [
        (["-march=armv8.2-a+dotprod"], ["qemu-aarch64", "-cpu", "max"]),
        (["-march=armv8-a"], ["qemu-aarch64", "-cpu", "cortex-a53"]),
    ],
    ids=["dotprod", "neon"],
)
def test_arm_computes_the_same(
    flags: list[str], emulator: list[str], plain_states: dict[str, Array], tmp_path: Path
) -> None:
    compiler = "gcc" if platform.machine() == "aarch64" else "aarch64-linux-gnu-gcc"
    if shutil.which(compiler) is None or shutil.which(emulator[0]) is None:
        pytest.skip("needs gcc-aarch64-linux-gnu, libc6-dev-arm64-cross and qemu-user")
    found = states(tmp_path, compiler, flags, *emulator)
    for name, expected in plain_states.items():
        assert off(found[name], expected) < 0.01, name


@needs_gcc_on_linux
def test_avx_vnni_computes_the_same(tmp_path: Path) -> None:
    """As AVX-512 VNNI, which has as many bits for the weights of attention; the plain code has one less."""
    if "vnni" not in runnable():
        pytest.skip("needs a CPU with AVX-512 VNNI, whose instruction stands in for AVX-VNNI's")
    found = states(tmp_path, "gcc", AVXVNNI)
    for name, expected in states(tmp_path, "gcc", VNNI).items():
        assert off(found[name], expected) < 0.01, name


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process choose its cores so")
def test_one_core_and_a_fork_are_enough() -> None:
    """A helper that never gets to run holds nobody up, and a child that has none works alone."""
    script = """
import os
import numpy as np
from bark_cli.backends import packed
from bark_cli.model.int8 import Int8Matrix
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
packed.threads_for = lambda width, rows: 3
matrix = packed.PackedMatrix(Int8Matrix.of(np.eye(600)))
x = np.arange(600.0)[None]
before = matrix.product(x)
child = os.fork()
if child == 0:
    os._exit(0 if np.array_equal(matrix.product(x), before) else 3)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert np.array_equal(matrix.product(x), before)
"""
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], check=True, timeout=120, env=dict(os.environ)
    )
