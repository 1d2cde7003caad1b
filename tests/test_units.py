"""Quantities as people read them."""

from __future__ import annotations

import pytest

from bark_cli.system.units import human_bytes, human_speed


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (9_994, "9.99 kB"),
        (9_995, "10.0 kB"),
        (99_950, "100 kB"),
        (999_499, "999 kB"),
        (999_500, "1.00 MB"),
        (93_171_529, "93.2 MB"),
        (1_676_663_913, "1.68 GB"),
        (4_486_643_861, "4.49 GB"),
        (1_500_000_000_000, "1.50 TB"),
        (12_345_000_000_000_000, "12345 TB"),
    ],
)
def test_bytes_have_three_digits_and_a_decimal_unit(count: int, text: str) -> None:
    assert human_bytes(count) == text


@pytest.mark.parametrize(
    ("factor", "text"),
    [
        (3.17, "3.2x slower than real time"),
        (0.14, "7.1x faster than real time"),
        (12.3, "12x slower than real time"),
        (0.05, "20x faster than real time"),
        (0.96, "as fast as real time"),
        (1.04, "as fast as real time"),
        (1.06, "1.1x slower than real time"),
        (0.0, "10000x faster than real time"),
    ],
)
def test_a_speed_says_which_is_ahead(factor: float, text: str) -> None:
    assert human_speed(factor) == text
