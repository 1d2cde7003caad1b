"""Steps of several sequences in fp32 and bf16: each row is to the last bit what it is alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from bark_cli.backends import kernel, together
from bark_cli.backends.kernel import load, runnable
from bark_cli.model.config import GPTConfig
from bark_cli.model.networks import GPT, KVCache
from bark_cli.model.quantize import halve_linears

RUN_HERE = {name: code for name in runnable() if (code := load(name)) is not None}
TYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
CPU = torch.device("cpu")
pytestmark = pytest.mark.skipif(not RUN_HERE, reason="no C compiler was there when bark was installed")


@pytest.fixture(params=RUN_HERE)
def variant(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(kernel, "compiled", lambda: RUN_HERE[request.param])
    return str(request.param)


def noise(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@TYPES
@pytest.mark.parametrize(("outputs", "width"), [(70, 42), (64, 128), (7, 2100), (3, 5)])
def test_a_row_is_the_same_in_any_company_and_by_any_number_of_threads(
    outputs: int, width: int, dtype: torch.dtype, variant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    matrix, bias, x = (noise(*size, seed=len(size)) for size in ((outputs, width), (outputs,), (33, width)))
    x[1::2] *= 1000
    matrix = matrix.to(dtype)
    alone = torch.cat([together.rows_times(matrix, row[None], bias) for row in x])
    expected = x.to(dtype).double() @ matrix.double().T + bias.double()
    torch.testing.assert_close(
        alone.double(), expected, rtol=1e-2 if dtype == torch.bfloat16 else 1e-4, atol=1e-2
    )
    for threads in (1, 3):
        monkeypatch.setattr(together, "threads_for", lambda *_, count=threads: count)
        for count in range(1, 34):
            assert torch.equal(together.rows_times(matrix, x[:count], bias), alone[:count])
            assert torch.equal(together.rows_times(matrix, x[-count:], bias), alone[-count:])


def filled(network: GPT, length: int) -> KVCache:
    cache = network.new_cache()
    for part, seed in ((cache.keys, 1), (cache.values, 2)):
        part[:, :, :, :length] = noise(*part[:, :, :, :length].shape, seed=seed + length)
    cache.length = length
    return cache


@TYPES
def test_steps_together_are_those_alone_and_those_of_the_network(dtype: torch.dtype, variant: str) -> None:
    """Also of widths that fill no vector, and after sequences of many lengths."""
    config = GPTConfig(
        n_layer=2, n_head=3, n_embd=42, input_vocab_size=90, output_vocab_size=70, block_size=96, bias=True,
        norm_bias=True,
    )  # fmt: skip
    torch.manual_seed(1)
    network = GPT(config).requires_grad_(False).eval()
    if dtype != torch.float32:
        network = halve_linears(network, dtype)
    assert together.can_go_together(network, CPU)
    assert not together.can_go_together(network, torch.device("meta"))
    lengths, ids = [1, 90, 17, 17, 40, 3, 64], [5, 6, 7, 7, 8, 9, 10]
    alone, theirs = [], []
    for token, length in zip(ids, lengths, strict=True):
        cache, plain = filled(network, length), filled(network, length)
        alone.append(together.step(network, [token], [cache]))
        theirs.append(network.hidden(torch.tensor([[token]]), cache=plain)[0])
        assert cache.length == plain.length == length + 1
    caches = [filled(network, length) for length in lengths]
    assert torch.equal(together.step(network, ids, caches), torch.cat(alone))
    tolerance = 0.1 if dtype == torch.bfloat16 else 1e-4
    torch.testing.assert_close(torch.cat(alone), torch.cat(theirs), rtol=tolerance, atol=tolerance)
    where = range(11, 29)
    torch.testing.assert_close(caches[1].keys[:, :, :, where], filled(network, 90).keys[:, :, :, where])
