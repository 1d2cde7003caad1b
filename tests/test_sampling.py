from __future__ import annotations

import numpy as np
import pytest
import torch

from bark_cli.errors import GenerationError, OptionError
from bark_cli.model.options import StageSampling
from bark_cli.model.tokens import Logits
from bark_cli.stages.sampling import RandomStream, draw, probabilities, random_stream

# softmax: 0.5, 0.25, 0.15, 0.1
SHARES = np.array([0.5, 0.25, 0.15, 0.1], np.float32)
LOGITS = np.log(SHARES)


def kept(logits: Logits, **options: float) -> list[bool]:
    sampling = StageSampling(**{"temperature": 1.0, **options})  # type: ignore[arg-type]
    return (probabilities(logits, sampling) > 0).tolist()


def test_temperature_zero_is_argmax_whatever_the_filters() -> None:
    for sampling in (StageSampling(temperature=0.0), StageSampling(temperature=0.0, top_k=3, top_p=0.1)):
        assert probabilities(LOGITS, sampling).tolist() == [1.0, 0.0, 0.0, 0.0]


def test_temperature_sharpens() -> None:
    warm, cold = (probabilities(LOGITS, StageSampling(temperature=t)) for t in (1.0, 0.5))
    assert warm.tolist() == pytest.approx(SHARES.tolist())
    squared = SHARES**2
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
    assert kept(LOGITS[::-1], top_p=top_p) == expected[::-1]


def test_top_p_is_measured_before_the_temperature() -> None:
    assert kept(LOGITS, top_p=0.6, temperature=10.0) == [True, True, False, False]


def test_top_k_keeps_ties_and_may_exceed_the_vocabulary() -> None:
    assert kept(LOGITS, top_k=2) == [True, True, False, False]
    assert kept(np.array([1.0, 0.5, 0.5, 0.0], np.float32), top_k=2) == [True, True, True, False]
    assert kept(LOGITS, top_k=99) == [True] * 4


def test_rows_are_filtered_one_by_one() -> None:
    rows = np.stack([LOGITS, LOGITS[::-1]])
    sampling = StageSampling(temperature=0.7, top_k=3, top_p=0.8)
    each = np.stack([probabilities(row, sampling) for row in rows])
    assert np.array_equal(probabilities(rows, sampling), each)


def test_draws_follow_the_distribution() -> None:
    counts = np.bincount(draw(np.tile(SHARES, (20_000, 1)), random_stream(1, "semantic")), minlength=4)
    assert (counts / 20_000).tolist() == pytest.approx(SHARES.tolist(), abs=0.02)


def test_streams_repeat_and_differ_between_stages_and_seeds() -> None:
    def numbers(seed: int, stage: str) -> list[float]:
        return random_stream(seed, stage).uniform(4).tolist()

    first = numbers(5, "coarse")
    np.random.random(100)
    assert numbers(5, "coarse") == first
    others = [numbers(seed, stage) for seed in range(8) for stage in ("semantic", "coarse", "fine")]
    assert len({tuple(values) for values in others}) == 24


@pytest.mark.parametrize(("seed", "stage"), [(0, "semantic"), (5, "coarse"), (2**32 - 1, "fine")])
def test_streams_are_those_of_torch(seed: int, stage: str) -> None:
    theirs = torch.Generator().manual_seed(3 * seed + ["semantic", "coarse", "fine"].index(stage))
    ours = random_stream(seed, stage)
    for shape in ((1,), (3, 1000), (17,)):
        expected = torch.empty(shape, dtype=torch.float64).uniform_(generator=theirs)
        assert np.array_equal(ours.uniform(*shape), expected.numpy())


def test_nan_is_the_models_fault_and_said_so() -> None:
    with pytest.raises(GenerationError, match="NaN"):
        probabilities(np.array([0.0, np.nan], np.float32), StageSampling(temperature=0.0))


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
    ours, theirs = RandomStream(2), torch.Generator().manual_seed(2)
    for _ in range(20):
        expected = torch.multinomial(distribution, 1, generator=theirs)[:, 0]
        assert np.array_equal(draw(distribution.numpy(), ours), expected.numpy())


def test_numbers_that_were_not_used_are_the_next() -> None:
    stream, plain = RandomStream(6), RandomStream(6)
    mark, taken = stream.mark(), stream.uniform(3, 400)
    stream.go_back(mark, 400)
    again = [stream.uniform(5), stream.uniform(2, 3), stream.uniform(700)]
    expected = plain.uniform(400 + 5 + 6 + 700)
    assert np.concatenate([taken[0], *(numbers.ravel() for numbers in again)]).tolist() == expected.tolist()
