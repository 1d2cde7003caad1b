from __future__ import annotations

import pytest
import torch
from torch import Tensor

from bark_cli.errors import GenerationError, OptionError
from bark_cli.model.options import StageSampling
from bark_cli.stages.sampling import draw, probabilities, random_stream

# softmax: 0.5, 0.25, 0.15, 0.1
LOGITS = torch.tensor([0.5, 0.25, 0.15, 0.1]).log()


def kept(logits: Tensor, **options: float) -> list[bool]:
    sampling = StageSampling(**{"temperature": 1.0, **options})  # type: ignore[arg-type]
    return (probabilities(logits, sampling) > 0).tolist()


def test_temperature_zero_is_argmax_whatever_the_filters() -> None:
    for sampling in (StageSampling(temperature=0.0), StageSampling(temperature=0.0, top_k=3, top_p=0.1)):
        assert probabilities(LOGITS, sampling).tolist() == [1.0, 0.0, 0.0, 0.0]


def test_temperature_sharpens() -> None:
    warm, cold = (probabilities(LOGITS, StageSampling(temperature=t)) for t in (1.0, 0.5))
    assert warm.tolist() == pytest.approx(LOGITS.exp().tolist())
    squared = LOGITS.exp() ** 2
    assert cold.tolist() == pytest.approx((squared / squared.sum()).tolist())


@pytest.mark.parametrize(
    ("top_p", "expected"),
    [
        (0.01, [True, False, False, False]),  # the likeliest always stays
        (0.6, [True, True, False, False]),  # and the one that passes the sum
        (0.8, [True, True, True, False]),
        (1.0, [True, True, True, True]),
    ],
)
def test_top_p_keeps_the_id_that_carries_the_sum_past_it(top_p: float, expected: list[bool]) -> None:
    assert kept(LOGITS, top_p=top_p) == expected
    assert kept(LOGITS.flip(0), top_p=top_p) == expected[::-1]


def test_top_p_is_measured_before_the_temperature() -> None:
    assert kept(LOGITS, top_p=0.6, temperature=10.0) == [True, True, False, False]


def test_top_k_keeps_ties_and_may_exceed_the_vocabulary() -> None:
    assert kept(LOGITS, top_k=2) == [True, True, False, False]
    assert kept(torch.tensor([1.0, 0.5, 0.5, 0.0]), top_k=2) == [True, True, True, False]
    assert kept(LOGITS, top_k=99) == [True] * 4


def test_rows_are_filtered_one_by_one() -> None:
    rows = torch.stack([LOGITS, LOGITS.flip(0)])
    sampling = StageSampling(temperature=0.7, top_k=3, top_p=0.8)
    each = torch.stack([probabilities(row, sampling) for row in rows])
    assert torch.equal(probabilities(rows, sampling), each)


def test_draws_follow_the_distribution() -> None:
    counts = torch.bincount(draw(LOGITS.exp().expand(20_000, 4), random_stream(1, "semantic")), minlength=4)
    assert (counts / 20_000).tolist() == pytest.approx(LOGITS.exp().tolist(), abs=0.02)


def test_streams_repeat_and_differ_between_stages_and_seeds() -> None:
    def numbers(seed: int, stage: str) -> list[float]:
        return torch.rand(4, generator=random_stream(seed, stage)).tolist()

    torch.manual_seed(1)
    first = numbers(5, "coarse")
    torch.rand(100)  # the global stream is nobody's business
    assert numbers(5, "coarse") == first
    others = [numbers(seed, stage) for seed in range(8) for stage in ("semantic", "coarse", "fine")]
    assert len({tuple(values) for values in others}) == 24
    assert random_stream(2**32 - 1, "fine").initial_seed() == 3 * (2**32 - 1) + 2


def test_nan_is_the_models_fault_and_said_so() -> None:
    with pytest.raises(GenerationError, match="NaN"):
        probabilities(torch.tensor([0.0, torch.nan]), StageSampling(temperature=0.0))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"temperature": 1e-4}, "temperature 0.0001 is below 0.001; use 0 for the likeliest token"),
        ({"temperature": 1.0, "top_k": 0}, "top-k 0 must be at least 1; leave it out for all"),
    ],
)
def test_what_cannot_be_drawn_with_is_refused(options: dict[str, float], said: str) -> None:
    with pytest.raises(OptionError) as caught:
        StageSampling(**options)  # type: ignore[arg-type]
    assert str(caught.value) == said


@pytest.mark.parametrize("shape", [(1, 5), (3, 1024), (200, 129), (1, 10_001)])
def test_draws_are_those_of_torch_multinomial(shape: tuple[int, int]) -> None:
    distribution = torch.softmax(2 * torch.randn(shape, generator=torch.Generator().manual_seed(1)), dim=-1)
    ours, theirs = torch.Generator().manual_seed(2), torch.Generator().manual_seed(2)
    for _ in range(20):
        expected = torch.multinomial(distribution, 1, generator=theirs)[:, 0]
        assert torch.equal(draw(distribution, ours), expected)
    assert torch.equal(ours.get_state(), theirs.get_state())
