"""Quantities as people read them."""

from __future__ import annotations

import pytest

from bark_cli.system.units import human_bytes


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
