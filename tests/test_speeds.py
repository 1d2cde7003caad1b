"""What is remembered of how fast a model spoke, and that nothing depends on it."""

from __future__ import annotations

import pytest

from bark_cli.store import bark_home
from bark_cli.store.speeds import recall_speed, remember_speed


def test_the_last_run_counts_for_its_model_device_and_precision() -> None:
    assert recall_speed("nano", "cpu", "int8") is None
    remember_speed("nano", "cpu", "int8", 0.5)
    remember_speed("nano", "cpu", "fp32", 2.0)
    remember_speed("nano", "cpu", "int8", 0.25)
    assert recall_speed("nano", "cpu", "int8") == 0.25
    assert recall_speed("nano", "cpu", "fp32") == 2.0
    assert recall_speed("small", "cpu", "int8") is None


def test_it_does_not_grow_without_end() -> None:
    for number in range(150):
        remember_speed(f"model{number}", "cpu", "int8", 1.0)
    assert recall_speed("model149", "cpu", "int8") == 1.0
    assert recall_speed("model10", "cpu", "int8") is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"nano cpu int8": "x"}', '{"nano cpu int8": -1}', "7"])
def test_a_damaged_file_is_as_none(content: str) -> None:
    bark_home().mkdir(parents=True)
    (bark_home() / "speeds.json").write_text(content)
    assert recall_speed("nano", "cpu", "int8") is None
    remember_speed("nano", "cpu", "int8", 0.5)
    assert recall_speed("nano", "cpu", "int8") == 0.5


def test_a_home_that_cannot_be_written_is_no_trouble() -> None:
    bark_home().parent.mkdir(parents=True, exist_ok=True)
    bark_home().write_text("a file")
    remember_speed("nano", "cpu", "int8", 0.5)
    assert recall_speed("nano", "cpu", "int8") is None
