"""What is remembered of how fast a model spoke, and that nothing depends on it."""

from __future__ import annotations

import pytest

from bark_cli.store import bark_home
from bark_cli.store.speeds import recall_speed, remember_speed


def test_the_median_of_the_latest_runs_counts_for_each_model_device_and_precision() -> None:
    assert recall_speed("nano", "cpu", "int8") is None
    remember_speed("nano", "cpu", "fp32", 2.0, 60)
    for factor in (9.0, 0.5, 0.25, 0.3):  # the first beside something else
        remember_speed("nano", "cpu", "int8", factor, 60)
    assert recall_speed("nano", "cpu", "int8") == pytest.approx(0.4)
    assert recall_speed("nano", "cpu", "fp32") == 2.0
    assert recall_speed("small", "cpu", "int8") is None
    for _ in range(9):
        remember_speed("nano", "cpu", "int8", 3.0, 60)
    assert recall_speed("nano", "cpu", "int8") == 3.0  # another machine by now


def test_a_short_run_tells_nothing_of_a_long_one() -> None:
    remember_speed("nano", "cpu", "int8", 0.5, 60)
    for _ in range(9):
        remember_speed("nano", "cpu", "int8", 40.0, 1.2)
    assert recall_speed("nano", "cpu", "int8") == 0.5


def test_it_does_not_grow_without_end() -> None:
    for number in range(150):
        remember_speed(f"model{number}", "cpu", "int8", 1.0, 60)
    assert recall_speed("model149", "cpu", "int8") == 1.0
    assert recall_speed("model10", "cpu", "int8") is None


def test_what_was_kept_as_one_number_still_counts() -> None:
    bark_home().mkdir(parents=True)
    (bark_home() / "speeds.json").write_text('{"nano cpu int8": 0.5}')
    assert recall_speed("nano", "cpu", "int8") == 0.5


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "[]", "7", "[" * 100_000, "null", '{"a": ' * 3 + "1" + "}" * 3),
        *(f'{{"nano cpu int8": {value}}}' for value in ('"x"', "-1", "null", "true", "NaN", "1e999", "{}")),
        *(f'{{"nano cpu int8": {value}}}' for value in ("[[1]]", "[null]", "9" * 5000, '[{"a": 1}]', "[]")),
    ],
)
def test_a_damaged_file_is_as_none(content: str) -> None:
    bark_home().mkdir(parents=True)
    (bark_home() / "speeds.json").write_text(content)
    assert recall_speed("nano", "cpu", "int8") is None
    remember_speed("nano", "cpu", "int8", 0.5, 60)
    assert recall_speed("nano", "cpu", "int8") == 0.5


def test_a_home_that_cannot_be_written_is_no_trouble() -> None:
    bark_home().parent.mkdir(parents=True, exist_ok=True)
    bark_home().write_text("a file")
    remember_speed("nano", "cpu", "int8", 0.5, 60)
    assert recall_speed("nano", "cpu", "int8") is None
