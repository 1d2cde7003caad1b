"""The compiled int8 kernel against the same network in torch, for every instruction set that runs here."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest
import torch
from torch import Tensor

from bark_cli.backends import kernel
from bark_cli.backends.kernel import BLOCK, Int8GPT, in_blocks
from bark_cli.model import GPT, KVCache
from bark_cli.quantize import Int8Matrix
from bark_cli.tokens import GPTConfig

FOLDER = Path(kernel.__file__).parent
HERE = {
    "vnni": torch.cpu._is_vnni_supported(),
    "avx2": torch.cpu._is_avx2_supported(),
    "plain": True,
}
VARIANTS = [name for name, runs in HERE.items() if runs and (FOLDER / f"decode-{name}.so").is_file()]
pytestmark = pytest.mark.skipif(not VARIANTS, reason="no C compiler was there when bark was installed")


def shape(**others: int | bool) -> GPTConfig:
    return GPTConfig(input_vocab_size=90, output_vocab_size=70, block_size=96, **others)  # type: ignore[arg-type]


SHAPES = {  # heads of 64, of less than a vector, and widths that fill no block
    "heads of 64": shape(n_layer=2, n_head=2, n_embd=128),
    "heads of 8": shape(n_layer=2, n_head=4, n_embd=32),
    "odd": shape(n_layer=1, n_head=3, n_embd=42, bias=True, norm_bias=True),
}


@pytest.fixture(params=VARIANTS)
def variant(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    code = kernel._declare(ctypes.CDLL(str(FOLDER / f"decode-{request.param}.so")))
    monkeypatch.setattr(kernel, "library", lambda: code)
    return str(request.param)


def networks(shape: GPTConfig) -> tuple[GPT, Int8GPT]:
    """The same weights twice: dequantised in torch, and int8 in C."""
    torch.manual_seed(5)
    network = GPT(shape).eval().requires_grad_(False)
    state = {}
    scales = {}
    for name, tensor in network.state_dict().items():
        if tensor.ndim == 2 and name != "wpe.weight":
            matrix = Int8Matrix.of(torch.randn_like(tensor) * 0.1)
            state[name], scales[name] = matrix.values, matrix.scale
        else:
            state[name] = torch.randn_like(tensor) * 0.1 + (1.0 if "ln" in name else 0.0)
    floats = {n: t if n not in scales else Int8Matrix(t, scales[n]).floats() for n, t in state.items()}
    network.load_state_dict(floats)
    return network, Int8GPT(shape, state, scales)


def run(network: Int8GPT, ids: Tensor, chunk: int) -> Tensor:
    """Hidden states (T, D) of a sequence (T,), so many positions at a time."""
    cache = network.new_cache()
    rows = []
    for start in range(0, len(ids), chunk):
        places = range(start, min(start + chunk, len(ids)))
        x = network.embed(ids[places.start : places.stop], torch.tensor(places))
        rows.append(network.step(x, [cache] * len(places), places))
    return torch.cat(rows)


@pytest.mark.parametrize("name", SHAPES)
def test_hidden_states_and_logits_are_those_of_the_network(name: str, variant: str) -> None:
    reference, fast = networks(SHAPES[name])
    ids = torch.randint(0, 90, (80,), generator=torch.Generator().manual_seed(1))
    expected = reference.hidden(ids[None])[0]
    found = run(fast, ids, 80)
    # 8 bits of activations and bf16 keys lose about a hundredth; a wrong sum would lose everything
    assert float((found - expected).norm() / expected.norm()) < 0.04
    logits = fast.logits(found, range(3, 70))
    head = found @ reference.lm_head.weight[3:70].T
    assert float((logits - head).norm() / head.norm()) < 0.02


@pytest.mark.parametrize("name", SHAPES)
def test_a_prompt_gives_the_same_bits_in_one_piece_and_token_by_token(name: str, variant: str) -> None:
    _, fast = networks(SHAPES[name])
    ids = torch.randint(0, 90, (75,), generator=torch.Generator().manual_seed(2))
    whole = run(fast, ids, 75)
    for chunk in (1, 2, 7, 16):
        assert torch.equal(run(fast, ids, chunk), whole), chunk


def test_no_sequence_hears_its_neighbours(variant: str) -> None:
    """Also not those that are a thousand times louder, whose scale a shared one would follow."""
    _, fast = networks(SHAPES["heads of 64"])
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(21, 128, generator=generator)
    x[1::2] *= 1000
    caches = [fast.new_cache().normal_(generator=generator) for _ in range(21)]
    places = torch.randint(0, 90, (21,), generator=generator).tolist()
    alone = [fast.step(x[i : i + 1].clone(), [caches[i].clone()], [places[i]]) for i in range(21)]
    for chosen in (range(21), range(20, -1, -1), range(3, 9), [4, 17]):
        together = fast.step(
            x[list(chosen)], [caches[i].clone() for i in chosen], [places[i] for i in chosen]
        )
        assert torch.equal(together, torch.cat([alone[i] for i in chosen]))


def test_threads_do_not_change_a_bit(variant: str) -> None:
    _, fast = networks(SHAPES["heads of 64"])
    ids = torch.arange(40)
    before = torch.get_num_threads()
    found = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        found.append(run(fast, ids, 8))
    torch.set_num_threads(before)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_every_instruction_set_multiplies_to_the_same_integers(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for name in VARIANTS:
        code = kernel._declare(ctypes.CDLL(str(FOLDER / f"decode-{name}.so")))
        monkeypatch.setattr(kernel, "library", lambda code=code: code)
        _, fast = networks(SHAPES["odd"])
        found.append(fast.logits(torch.randn(9, 42, generator=torch.Generator().manual_seed(4)), range(70)))
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=1e-6, atol=1e-6)


def test_the_tables_are_read_as_they_are_stored() -> None:
    reference, fast = networks(SHAPES["odd"])
    ids, places = torch.tensor([3, 80, 5]), torch.tensor([7, 8, 9])
    merged = torch.tensor([11, 12])
    expected = reference.wte(ids) + reference.wpe(places)
    expected[:2] += reference.wte(merged)
    torch.testing.assert_close(fast.embed(ids, places, merged), expected)


def test_blocks_hold_every_value_once_and_zeros() -> None:
    values = torch.arange(-60, 60, dtype=torch.int8).view(20, 6)
    blocks = in_blocks(values)
    assert blocks.shape == (2, 2, BLOCK, 4)
    back = blocks.permute(0, 2, 1, 3).reshape(32, 8)
    assert torch.equal(back[:20, :6], values)
    assert not back[20:].any()
    assert not back[:, 6:].any()


def test_a_long_cache_is_read_whole() -> None:
    """The last position can look at the first: copy it there, and attention must find it."""
    shape = GPTConfig(
        n_layer=1, n_head=1, n_embd=64, input_vocab_size=9, output_vocab_size=9, block_size=1024
    )
    reference, fast = networks(shape)
    generator = torch.Generator().manual_seed(6)
    cache = fast.new_cache().normal_(generator=generator)
    x = torch.randn(1, 64, generator=generator)
    found = fast.step(x.clone(), [cache.clone()], [1000])
    held = KVCache(cache[:, 0, None].float(), cache[:, 1, None].float(), length=1000)
    expected = reference.ln_f(reference.h[0](x[None], held))[0]
    assert float((found - expected).norm() / expected.norm()) < 0.02
