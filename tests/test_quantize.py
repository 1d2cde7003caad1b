"""Int8 rows: close, exact where it matters, and indifferent to the scale of other rows."""

from __future__ import annotations

import pytest
import torch

from bark_cli.model.quantize import dequantize_rows, quantize_rows


def random_weight() -> torch.Tensor:
    return torch.randn(40, 64, generator=torch.Generator().manual_seed(0))


def test_no_element_is_off_by_more_than_half_a_step() -> None:
    weight = random_weight()
    weight[3] *= 1e-6  # a small row keeps its own scale
    weight[4] *= 1e4
    quantized, scale = quantize_rows(weight)
    assert (quantized.dtype, quantized.shape) == (torch.int8, weight.shape)
    assert (scale.dtype, scale.shape) == (torch.float32, (40,))
    error = (dequantize_rows(quantized, scale) - weight).abs()
    assert bool((error <= scale[:, None] * 0.501).all())


def test_the_largest_of_a_row_is_kept_and_zeros_stay_zeros() -> None:
    weight = random_weight()
    weight[7] = 0.0
    restored = dequantize_rows(*quantize_rows(weight))
    torch.testing.assert_close(restored.abs().amax(1), weight.abs().amax(1), rtol=1e-6, atol=0)
    assert restored[7].count_nonzero() == 0
    assert restored.isfinite().all()


def test_quantizing_again_changes_nothing() -> None:
    once = dequantize_rows(*quantize_rows(random_weight()))
    torch.testing.assert_close(dequantize_rows(*quantize_rows(once)), once, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("shape", [(100, 768), (3, 40_000), (1, 1)])
def test_blocks_of_rows_round_as_the_whole_matrix_would(shape: tuple[int, int]) -> None:
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    weight.view(-1)[0] = 0.5 * weight.abs().max()  # a half in the middle, which goes to the even side
    quantized, scale = quantize_rows(weight)
    assert torch.equal(scale, weight.abs().amax(dim=1) / 127)
    assert torch.equal(quantized, (weight / scale[:, None]).round().to(torch.int8))
    halved, _ = quantize_rows(weight.to(torch.bfloat16))
    assert torch.equal(halved, quantize_rows(weight.to(torch.bfloat16).float())[0])
