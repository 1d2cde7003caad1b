"""Shares of codes fall with the distance, and ask for what is nearest to the expected."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from training.codec import END, MIDDLE
from training.excitation import PULSED
from training.neighbours import Neighbours, divergence

SIZE, BOOKS, WIDTH = 640, 6, 8  # and the dice
KINDS = 4


@pytest.fixture
def codes() -> Tensor:
    """(4, 30, BOOKS + 1): with pulses in the first half of every row, padded at the end."""
    made = torch.randint(SIZE, (4, 30, BOOKS + 1), generator=torch.Generator().manual_seed(1))
    pulses = made[:, :15, [END, MIDDLE]] % PULSED
    made[..., [END, MIDDLE]] = PULSED + made[..., [END, MIDDLE]] % (SIZE - PULSED)
    made[:, :15, [END, MIDDLE]] = pulses
    made[:, -3:] = SIZE
    return made


@pytest.fixture
def books() -> Tensor:
    """Finer from book to book; nothing where a code tells of pulses."""
    made = torch.randn(BOOKS, SIZE, WIDTH, generator=torch.Generator().manual_seed(2))
    made *= 0.5 ** torch.arange(BOOKS)[:, None, None]
    made[[END, MIDDLE], :PULSED] = 0
    return made


@pytest.fixture
def neighbours(books: Tensor, codes: Tensor) -> Neighbours:
    kinds = torch.arange(SIZE) % KINDS
    return Neighbours(books, kinds, codes[:, :-3].flatten(0, 1).T, torch.device("cpu"))


def test_the_sound_is_the_sum_of_what_the_codes_stand_for(books, codes, neighbours):
    row = codes[1, 20]
    torch.testing.assert_close(
        neighbours.sound(codes)[1, 20], sum(b[c] for b, c in zip(books, row, strict=False))
    )
    assert not neighbours.sound(codes)[:, -3:].any()


@pytest.mark.parametrize("codebook", range(BOOKS))
def test_shares_are_largest_for_the_nearest_and_fall_with_the_distance(books, codes, neighbours, codebook):
    rest = neighbours.sound(codes)
    shares = neighbours.shares(codes, codebook, rest)
    torch.testing.assert_close(shares.sum(-1), torch.ones(4, 30))
    begin = PULSED if codebook in (END, MIDDLE) else 0
    far = (rest[2, 20] - books[codebook, begin:]).square().sum(-1)
    if codebook == 0:  # a phone is not nearly another
        other = torch.arange(SIZE) % KINDS != codes[2, 20, 0] % KINDS
        assert not shares[2, 20, :-1][other].any()
        far[other] = torch.inf
    falling = shares[2, 20, begin:-1][far.argsort()]
    assert falling[0] > 0.1
    assert (falling.diff() <= 0).all()
    assert not shares[2, 20, :begin].any()
    if codebook in (END, MIDDLE):  # one pulse is not nearly another
        assert shares[:, :15].amax() == 1
        assert torch.equal(shares[:, :15].argmax(-1), codes[:, :15, codebook])


def test_codes_stray_in_some_rows_and_the_shares_follow(books, codes, neighbours):
    rows = torch.tensor([True, False, True, False])
    torch.manual_seed(0)
    made, shares = neighbours.asked(codes, 4, rows)
    assert torch.equal(made[~rows], codes[~rows])
    assert torch.equal(made[..., 4:], codes[..., 4:])
    assert torch.equal(made[:, -3:], codes[:, -3:])
    assert torch.equal(made[:, :15, [END, MIDDLE]], codes[:, :15, [END, MIDDLE]])
    assert torch.equal(made[:, :-3, 0] % KINDS, codes[:, :-3, 0] % KINDS)
    changed = made[rows][:, :-3, 0] != codes[rows][:, :-3, 0]
    assert changed.float().mean() > 0.1
    at = made[0, 20]
    rest = neighbours.sound(codes)[0, 20] - sum(books[i][at[i]] for i in range(4))
    assert shares[0, 20].argmax() == (rest - books[4]).square().sum(-1).argmin()


def test_the_best_answer_to_scattered_sounds_is_the_entry_nearest_to_their_mean(neighbours, books, codes):
    torch.manual_seed(3)
    mean = books[3].mean(0) + 0.05 * torch.randn(WIDTH)
    rest = mean + 0.05 * torch.randn(1, 4000, WIDTH)
    at = codes[:1, 20:21].expand(1, 4000, -1)
    asked = neighbours.shares(at, 3, rest)[0, :, :-1].mean(0)
    assert asked.argmax() == (mean - books[3]).square().sum(-1).argmin()


def test_divergence_is_nothing_where_nothing_is_left_to_learn():
    logits = torch.randn(5, 9)
    assert divergence(logits, logits.softmax(-1)).abs() < 1e-6
    assert divergence(logits.roll(1, -1), logits.softmax(-1)) > 0.1
